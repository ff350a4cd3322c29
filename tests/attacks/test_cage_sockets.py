# SPDX-License-Identifier: MIT
"""Sockets that accept nobody any more, by whatever means: the supervisor replaces them, and service goes on."""

import os
import re
import socket
import time

import pytest

import backends
from borrowed_descriptors import borrowed_socket
from legacy_port import a_token_is_served, ask
from raw_http import RESOURCE
from test_cage import descriptors, listeners
from tokens import assert_legacy_success
from waiting import wait_until

METRICS_PORT = 9342


def replaced(service):
    found = re.search(r"^msi2imds_sockets_replaced_total (\d+)$", service.run("metrics").stdout, re.MULTILINE)
    return int(found[1]) if found else 0


def shut_down(pid, numbers, how=socket.SHUT_RDWR):
    for number in numbers:
        with borrowed_socket(pid, number) as borrowed:
            borrowed.shutdown(how)


def assert_service_comes_back(service, host, responder, count):
    began = time.monotonic()
    wait_until(lambda: a_token_is_served(host), 15, "a token is served")
    wait_until(lambda: service.find_responder() not in (None, responder), 15, "another responder serves")
    wait_until(lambda: replaced(service) == count, 15, f"{count} replaced sockets are counted")
    service.wait_ready()
    return time.monotonic() - began


@pytest.mark.parametrize("backend", backends.ALL)
def test_listeners_that_were_shut_down_are_replaced(service, host, row, backend):
    assert_legacy_success(ask(host), RESOURCE)
    responder = service.responder()
    found = listeners(service.pid)
    shut_down(service.pid, found)
    seconds = assert_service_comes_back(service, host, responder, len(found))
    row(f"shared listeners shut down, {backend}", "service comes back", f"after {seconds:.1f} s", None)
    assert_legacy_success(ask(host), RESOURCE)
    assert service.stop() == 0


def test_those_that_systemd_holds_go_on_for_the_next_process(emulator, new_service, host, held):
    service = held.start(new_service())
    assert_legacy_success(ask(host), RESOURCE)
    responder = service.responder()
    for listener in held.listeners:
        listener.shutdown(socket.SHUT_RDWR)
    assert_service_comes_back(service, host, responder, len(held.listeners))
    for listener in held.listeners:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    assert service.stop() == 0


def unix_listener(pid, path):
    inode = next(
        line.split()[6]
        for line in open(f"/proc/{pid}/net/unix").read().splitlines()
        if line.endswith(" " + str(path)) and line.split()[5] == "01"
    )
    return next(number for number, target in descriptors(pid).items() if target == f"socket:[{inode}]")


def test_the_admin_socket_is_replaced(service, host):
    responder = service.responder()
    shut_down(service.pid, [unix_listener(service.pid, service.admin_socket)], socket.SHUT_RD)
    wait_until(lambda: service.find_responder() not in (None, responder), 15, "another responder serves")
    wait_until(lambda: service.status().returncode == 0, 15, "it answers about its status")
    assert replaced(service) == 1
    assert (service.admin_socket.stat().st_mode & 0o777) == 0o660
    assert_legacy_success(ask(host), RESOURCE)


@pytest.mark.settings({"metrics.port": METRICS_PORT})
def test_the_metrics_port_is_replaced(service, host):
    def has_metrics():
        try:
            with host.connect("127.0.0.1", METRICS_PORT, 2) as client:
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return client.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False

    wait_until(has_metrics, 10, "the port answers")
    responder = service.responder()
    at_port = [n for n in listeners(service.pid) if port_of(service.pid, n) == METRICS_PORT]
    shut_down(service.pid, at_port)
    wait_until(lambda: service.find_responder() not in (None, responder), 15, "another responder serves")
    wait_until(has_metrics, 15, "the port answers again")
    assert replaced(service) == 1


def port_of(pid, number):
    with borrowed_socket(pid, number) as borrowed:
        return borrowed.getsockname()[1]


def test_no_descriptor_of_a_dead_socket_stays_behind(service, host):
    def replace(count):
        responder = service.responder()
        shut_down(service.pid, listeners(service.pid))
        assert_service_comes_back(service, host, responder, 2 * count)
        return len(os.listdir(f"/proc/{service.pid}/fd"))

    first = replace(1)
    for count in range(2, 8):
        last = replace(count)
    # A responder that is being started has up to three for a moment, or not yet.
    assert last <= first + 5, "less than one for each of six times"
