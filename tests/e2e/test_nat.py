# SPDX-License-Identifier: MIT
"""NAT gives some clients another port; each is known all the same, and passes for nobody else."""

import contextlib
import re

import pytest

import backends
from pausing_client import PausingClient
from programs import run_in

ALLOWED_UID, OTHER_UID = 20001, 20002
OWN_PORT = 40000
FIRST, SECOND = 50342, 50343

by_rules = pytest.mark.parametrize("backend", ["nftables", "iptables"])


def changed_port(host, listen_port=342):
    """The client's port of the one connection to us for which it is not OWN_PORT."""
    table = run_in(host, "cat", "/proc/net/tcp").stdout
    peers = re.findall(rf":{listen_port:04X} [0-9A-F]{{8}}:([0-9A-F]{{4}}) 0[^A]", table)
    (port,) = {int(peer, 16) for peer in peers} - {OWN_PORT, 0}
    return port


@pytest.fixture
def enforcing(emulator, new_service, backend):
    settings = {"legacy.ports": [FIRST, SECOND], "policy.mode": "enforce", **backends.settings(backend)}
    service = new_service(settings)
    service.config.write_text(service.config.read_text() + f"[[allow]]\nuid = {ALLOWED_UID}\n")
    return service.start()


@by_rules
def test_a_client_whose_port_was_changed_is_known(enforcing, host, backend):
    """A second connection from one port, to another legacy port, looks like the first one until it gets another."""
    with (
        PausingClient(host, OTHER_UID, OWN_PORT, FIRST) as other,
        PausingClient(host, ALLOWED_UID, OWN_PORT, SECOND) as allowed,
    ):
        assert allowed.ask() == 200
        assert other.ask() == 403
        lines = enforcing.wait_for_audit(2)
        assert {(line["uid"], line["pid"]) for line in lines} == {(ALLOWED_UID, allowed.pid), (OTHER_UID, other.pid)}


@by_rules
def test_nobody_passes_for_the_owner_of_the_port_that_he_was_given(enforcing, host, backend):
    """Whose own socket has that port dials between the other one's connection and our look at it."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(PausingClient(host, OTHER_UID, OWN_PORT, FIRST))
        with enforcing.accepting_paused():
            other = stack.enter_context(PausingClient(host, OTHER_UID, OWN_PORT, SECOND))
            allowed = stack.enter_context(PausingClient(host, ALLOWED_UID, changed_port(host), SECOND))
        assert other.ask() == 403
        assert allowed.ask() == 200
        lines = enforcing.wait_for_audit(2)
        assert {(line["uid"], line["pid"]) for line in lines} == {(ALLOWED_UID, allowed.pid), (OTHER_UID, other.pid)}
