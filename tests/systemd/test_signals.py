# SPDX-License-Identifier: MIT
"""Stops that signal all processes of the service: whoever has asked gets a whole answer."""

import json

import pytest

from emulator import EmulatorControls
from legacy_port import PORT
from raw_http import RawConnection, request, token_target
from tokens import assert_legacy_error, assert_legacy_success
from waiting import wait_until

REQUESTS = 12
AT_A_TIME = 5
# How a systemd before 209 reads KillMode=mixed.
FOR_ALL = "[Service]\nKillMode=control-group\n"


def connections(service):
    return json.loads(service.status("--json").stdout)["responder"]["connections"]


@pytest.fixture
def in_flight(service):
    """Requests that wait for IMDS, by what they ask for."""
    network = service.machine.network
    imds = EmulatorControls(network)
    service.override(FOR_ALL)
    service.start("nftables")
    service.wait_intercepting()
    imds.reset()
    imds.set_faults({"kind": "delay", "ms": 500})
    asked = {}
    try:
        for number in range(REQUESTS):
            resource = f"https://vault{number}.azure.net"
            asked[resource] = RawConnection(network.connect("127.0.0.1", PORT, 30))
            asked[resource].send(request(target=token_target(resource)))
        wait_until(lambda: connections(service) >= REQUESTS, 10, "all requests have arrived")
        wait_until(lambda: imds.token_requests() >= AT_A_TIME, 10, "some requests are in flight")
        yield asked
    finally:
        imds.reset()
        for connection in asked.values():
            connection.socket.close()


def assert_stopped(service):
    service.wait_for_state("inactive", 30)
    assert service.show("Result") == "success"
    service.stop()
    assert service.traces() == []
    assert service.machine.attempt("pgrep", "msi2imds").returncode == 1, "a process is left behind"


def test_requests_in_flight_get_their_tokens(service, in_flight):
    service.machine.run("systemctl", "stop", "--no-block", "msi2imds.socket", "msi2imds.service")
    for resource, connection in in_flight.items():
        assert_legacy_success(connection.read_reply(), resource)
        connection.socket.close()  # NAT rules stay until their connections have ended
    assert_stopped(service)


@pytest.mark.parametrize(
    "stop",
    [
        ("systemctl", "stop", "--no-block", "msi2imds.service"),
        ("systemctl", "kill", "msi2imds.service"),
        ("systemctl", "kill", "--signal=SIGINT", "msi2imds.service"),
    ],
    ids=" ".join,
)
def test_requests_in_flight_are_answered_before_the_socket_starts_the_next_process(service, in_flight, stop):
    service.machine.run(*stop)
    for resource, connection in in_flight.items():
        reply = connection.read_reply()
        if reply.status == 200:
            assert_legacy_success(reply, resource)
        else:
            assert_legacy_error(reply, 500, "unknown")
        connection.socket.close()
    assert_stopped(service)
