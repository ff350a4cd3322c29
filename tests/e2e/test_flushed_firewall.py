# SPDX-License-Identifier: MIT
"""A firewall's rules go all at once, ours among them: nobody waits for an answer that cannot come any more."""

import contextlib
import os
import re
import signal

import pytest

import backends
import conntrack
from callers import Callers
from firewall import our_rules
from legacy_port import a_token_is_served
from one_port import CLIENT_PORT, connect_from
from programs import run_in
from raw_http import RESOURCE, RawConnection, request
from tokens import assert_legacy_success
from waiting import wait_until

by_rules = pytest.mark.parametrize("backend", ["nftables", "iptables"])
FLUSHES = 10


def kernel_version():
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


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


@pytest.fixture
def stop_supervisor(service):
    """Nobody puts the rules back, until the end or SIGCONT."""
    yield lambda: os.kill(service.pid, signal.SIGSTOP)
    os.kill(service.pid, signal.SIGCONT)


@pytest.fixture
def flushed(emulator, host, waiting, stop_supervisor):
    """A context in which IMDS has yet to answer, and all rules are gone."""

    @contextlib.contextmanager
    def meanwhile():
        with emulator.standing_still():
            waiting.send(request())
            wait_until(emulator.has_unread_requests, 10, "IMDS is asked")
            stop_supervisor()
            flush(host)
            yield

    return meanwhile


@by_rules
@pytest.mark.skipif(kernel_version() < (5, 12), reason="translation goes with the rules")
def test_whose_answer_comes_meanwhile_is_served(host, waiting, flushed, backend):
    with flushed():
        assert our_rules(host), "what keeps NAT alive is there"
    assert_legacy_success(waiting.read_reply(), RESOURCE)
    with pytest.raises(ConnectionRefusedError):
        host.connect()


@by_rules
def test_whose_answer_was_lost_is_told(service, host, waiting, flushed, backend):
    with flushed():
        conntrack.forget_all(host)
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


def is_not_ended(waiting):
    """While the supervisor looks several times for clients whose server is gone."""
    waiting.socket.settimeout(4)
    with pytest.raises(TimeoutError):
        waiting.socket.recv(1)
    waiting.socket.settimeout(20)
    return True


@by_rules
def test_whose_port_the_kernel_has_changed_is_not_ended(emulator, new_service, host, backend):
    """Two connections from one port to two legacy ports lead to one, so that the second gets another port there."""
    settings = {**backends.settings(backend), "legacy.ports": [50342, 50343], "imds.request_timeout": 30, "imds.deadline": 60}
    service = new_service(settings).start()
    with emulator.standing_still():
        first = connect_from(host, CLIENT_PORT)
        second = connect_from(host, CLIENT_PORT, 50343)
        second.send(request())
        wait_until(emulator.has_unread_requests, 10, "IMDS is asked")
        first.socket.close()
        wait_until(lambda: len(served(host)) == 1, 10, "the first one is over")
        assert f":{CLIENT_PORT}" not in served(host)[0]
        flush(host)
        service.wait_for_log("redirected again")
        assert is_not_ended(second)
    assert_legacy_success(second.read_reply(), RESOURCE)


@by_rules
def test_whose_server_is_on_the_port_before_a_reload_is_not_ended(emulator, service, host, waiting, backend):
    with emulator.standing_still():
        waiting.send(request())
        wait_until(emulator.has_unread_requests, 10, "IMDS is asked")
        service.configure({
            **backends.settings(backend), "redirect.listen_port": 343, "imds.request_timeout": 30, "imds.deadline": 60,
        })  # fmt: skip
        done = service.log_text().count("reload: done")
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: service.log_text().count("reload: done") > done, 15, "the reload is done")
        flush(host)
        service.wait_for_log("redirected again")
        assert is_not_ended(waiting)
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
