# SPDX-License-Identifier: MIT
"""Whoever has called lately is known again by what the kernel notes of his connections, without a question: him alone."""

import contextlib
import json
import os
import socket
import time

import pytest

import backends
from kernel_state import bpf_objects_of
from many_calls import have_connections_noted
from named_client import NamedClient
from programs import stopped
from raw_http import RawConnection, request

ALLOWED, OTHER = 20001, 20002
KNOWN_SECONDS = 1
ATTEMPTS = 20
RULE = f'[[allow]]\nname = "backup"\nuid = {ALLOWED}\n'
# NAT gives a client another address than the kernel has noted: each is asked about.
NOTED = [backend for backend in backends.ALL if backend not in ("nftables", "iptables")]


def answers_without_the_supervisor(service, allowed, other, before):
    """What both get while nobody can be asked; None where they were forgotten before, on a machine that stood still."""
    assert allowed.ask() == 1
    assert other.ask() == 0
    service.wait_for_audit(before + 2)  # an answer needs less than is to be known of its caller
    began = time.monotonic()
    with stopped(service.pid):
        answers = allowed.ask(), other.ask()
    return answers if time.monotonic() - began < KNOWN_SECONDS else None


@pytest.mark.parametrize("backend", NOTED)
def test_who_has_called_lately_needs_no_supervisor(start_with_rules, host, scripts, backend):
    service = start_with_rules(RULE, **backends.settings(backend))
    before = len(service.wait_for_audit(have_connections_noted(service)))
    with NamedClient(host, scripts, ALLOWED) as allowed, NamedClient(host, scripts, OTHER) as other:
        answers = None
        for attempt in range(1, ATTEMPTS + 1):
            answers = answers_without_the_supervisor(service, allowed, other, before + 4 * (attempt - 1))
            if answers:
                break
        assert answers == (1, 0)
        lines = service.wait_for_audit(before + 4 * attempt)[before:]
    known = {(line["pid"], line["uid"], line["outcome"]) for line in lines}
    assert known == {(allowed.pid, ALLOWED, "token"), (other.pid, OTHER, "denied")}
    assert service.status_json()["responder"]["requests"] == {"50342": before + 4 * attempt}


def ask(made=None):
    with RawConnection(made or socket.create_connection(("127.0.0.1", 50342), timeout=20)) as connection:
        return connection.ask(request()).status


def become(uid):
    os.seteuid(0)
    os.seteuid(uid)


def in_child(host, act):
    """What it returns, in a process of that network; and the process's number."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), host.entered():
            os.write(writer, json.dumps(act()).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as told:
        answer = told.read()
    os.waitpid(child, 0)
    return json.loads(answer), child


def test_a_process_that_becomes_another_user_is_another_caller(start_with_rules, host):
    """Within the second in which it is known."""

    def ask_as_two():
        become(ALLOWED)
        statuses = [ask(), ask()]
        become(OTHER)
        return [*statuses, ask(), ask()]

    service = start_with_rules(RULE)
    before = len(service.wait_for_audit(have_connections_noted(service)))
    statuses, child = in_child(host, ask_as_two)
    assert statuses == [200, 200, 403, 403]
    lines = service.wait_for_audit(before + 4)[before:]
    assert sorted((line["pid"], line["uid"]) for line in lines) == [(child, ALLOWED)] * 2 + [(child, OTHER)] * 2


@pytest.mark.parametrize(
    ("dialler", "maker", "status"), [(ALLOWED, ALLOWED, 200), (OTHER, ALLOWED, 403), (OTHER, OTHER, 403), (ALLOWED, OTHER, 403)]
)
def test_a_socket_of_another_users_making_is_nobodys_way_in(start_with_rules, host, dialler, maker, status):
    """Whoever has called lately connects what another has made."""

    def connect_what_is_made():
        become(dialler)
        own = ask()
        become(maker)
        made = socket.socket()
        become(dialler)
        made.connect(("127.0.0.1", 50342))
        return [own, ask(made)]

    have_connections_noted(start_with_rules(RULE))
    statuses, _ = in_child(host, connect_what_is_made)
    assert statuses == [200 if dialler == ALLOWED else 403, status]


def links_of(service):
    return {number for kind, number in bpf_objects_of(service.pid) if kind == "link"}


@pytest.mark.long
def test_connections_are_noted_while_many_call_and_no_longer(start_with_rules, host):
    """What is made of other connections costs nothing once hardly anybody calls."""
    service = start_with_rules(RULE)
    have_connections_noted(service)
    while_many_call = links_of(service)
    service.wait_for_log("connections are not noted any more", seconds=60)
    assert links_of(service) < while_many_call
    (status,), _ = in_child(host, lambda: become(ALLOWED) or [ask()])
    assert status == 200
