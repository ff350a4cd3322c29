# SPDX-License-Identifier: MIT
"""A firewall's rules go all at once, ours among them: nobody waits for an answer that cannot come any more."""

import os
import signal

import pytest

import backends
from callers import Callers
from legacy_port import a_token_is_served
from programs import run_in
from raw_http import RESOURCE, RawConnection, request
from tokens import assert_legacy_success
from waiting import wait_until

by_rules = pytest.mark.parametrize("backend", ["nftables", "iptables"])
FLUSHES = 10


def flush(host):
    assert run_in(host, "nft", "flush", "ruleset").returncode == 0


def served(host):
    """Our ends of connections."""
    found = run_in(host, "ss", "-Htn", "state", "established", "sport = :342")
    assert found.returncode == 0, found.stderr
    return found.stdout.split("\n")[:-1]


@pytest.fixture
def service(emulator, new_service, backend):
    return new_service({**backends.settings(backend), "imds.request_timeout": 30, "imds.deadline": 60}).start()


@pytest.fixture
def waiting(host, service):
    with RawConnection(host.connect()) as connection:
        yield connection


@by_rules
def test_whose_answer_was_lost_is_told(emulator, service, host, waiting, backend):
    with emulator.standing_still():
        waiting.send(request())
        wait_until(emulator.has_unread_requests, 10, "IMDS is asked")
        os.kill(service.pid, signal.SIGSTOP)  # nobody puts the rules back
        flush(host)
    wait_until(lambda: not served(host), 10, "the answer was sent, and refused")
    os.kill(service.pid, signal.SIGCONT)
    with pytest.raises(ConnectionAbortedError):
        waiting.read_reply()
    assert a_token_is_served(host)


@by_rules
def test_whose_answer_comes_later_is_served(emulator, service, host, waiting, backend):
    with emulator.standing_still():
        waiting.send(request())
        wait_until(emulator.has_unread_requests, 10, "IMDS is asked")
        flush(host)
        service.wait_for_log("redirected again")
    assert_legacy_success(waiting.read_reply(), RESOURCE)


@by_rules
def test_nobody_hangs_under_load(emulator, service, host, backend):
    with Callers(host, count=6, pause=0) as callers:
        for _ in range(FLUSHES):
            callers.wait_for("token", 10)
            flush(host)
        callers.wait_for("token", 10)
    print(f"{FLUSHES} flushes: {callers}")
    assert set(callers.outcomes) <= {"token", "refused", "reset", "closed"}
