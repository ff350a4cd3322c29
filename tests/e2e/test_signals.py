# SPDX-License-Identifier: MIT
"""Signals that reach all processes at once: a service manager, `systemctl kill` and a terminal send them."""

import contextlib
import os
import signal

import pytest

import backends
from firewall import our_rules
from kernel_state import bpf_objects, bpf_objects_of, descendants_of, is_running, name_of
from legacy_port import a_token_is_served, assert_refused
from raw_http import RESOURCE, RawConnection, request, token_target
from tokens import assert_legacy_success
from waiting import wait_until

# More than may be asked of IMDS at a time, so that some are sent to it after the signal.
REQUESTS = 12
AT_A_TIME = 5
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR2)
# What a process can be spared: all but those that nobody can ignore.
SPARED = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def send_to_all(service, number):
    """The children first: they must not need the supervisor's protection."""
    for pid in [*descendants_of(service.pid), service.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.fixture
def in_flight(service, connect, emulator):
    """Requests that wait for IMDS, by what they ask for."""
    emulator.set_faults({"kind": "delay", "ms": 500})
    asked = {f"https://vault{number}.azure.net": connect(timeout=30) for number in range(REQUESTS)}
    for resource, connection in asked.items():
        connection.send(request(target=token_target(resource)))
    wait_until(lambda: service.status_json()["responder"]["connections"] >= REQUESTS, 5, "all requests have arrived")
    wait_until(lambda: emulator.token_requests() >= AT_A_TIME, 5, "some requests are in flight")
    return asked


def assert_all_are_answered(in_flight):
    for resource, connection in in_flight.items():
        assert_legacy_success(connection.read_reply(), resource)
        connection.socket.close()  # NAT rules stay until their connections have ended


@pytest.mark.settings({"responder.drain_timeout": 30})
@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
@pytest.mark.parametrize("backend", backends.ALL)
def test_a_stop_of_all_processes_answers_what_is_in_flight(service, host, backend, number, in_flight):
    processes = [service.pid, *descendants_of(service.pid)]
    objects = bpf_objects_of(service.pid)
    send_to_all(service, number)
    assert_all_are_answered(in_flight)
    assert service.wait_exit(30) == 0
    assert_refused(host, "127.0.0.1")
    wait_until(lambda: not [pid for pid in processes if is_running(pid)], 5, "all processes are gone")
    wait_until(lambda: not our_rules(host), 5, "no rule of ours is left")
    wait_until(lambda: not objects & bpf_objects(), 5, "no BPF object of ours is left")
    assert not service.admin_socket.exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1], ids=lambda number: number.name)
def test_other_signals_to_all_processes_cost_nobody_anything(service, host, in_flight, number):
    responder = service.responder()
    send_to_all(service, number)
    assert_all_are_answered(in_flight)
    assert a_token_is_served(host)
    assert service.responder() == responder


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_the_guard_outlives_what_is_sent_to_all_processes(service, host, backend):
    guard = next(pid for pid in descendants_of(service.pid) if name_of(pid) == "msi2imds-guard")
    for number in SPARED:
        os.kill(guard, number)
    assert is_running(guard)
    assert our_rules(host)
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    wait_until(lambda: not our_rules(host), 5, "no rule of ours is left")
    wait_until(lambda: not is_running(guard), 5, "the guard leaves")


def test_a_dead_supervisor_takes_its_responder_along(service):
    responder = service.responder()
    for number in SPARED:
        os.kill(responder, number)
    assert is_running(responder)
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    wait_until(lambda: not is_running(responder), 5, "the responder leaves")


def test_a_stop_serves_all_who_have_connected(emulator, host, new_service):
    """Also those for whom there was no place yet."""
    service = new_service({"redirect.backend": "listen", "responder.max_connections": 4}).start()
    emulator.set_faults({"kind": "delay", "ms": 500})
    with contextlib.ExitStack() as stack:
        with service.accepting_paused():
            waiting = [stack.enter_context(RawConnection(host.connect())) for _ in range(40)]
            for connection in waiting:
                connection.send(request())
            service.process.send_signal(signal.SIGTERM)
            service.wait_for_log("stop: drain")
        for connection in waiting:
            assert_legacy_success(connection.read_reply(), RESOURCE)
