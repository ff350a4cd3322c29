# SPDX-License-Identifier: MIT
"""What NAT brings with it: rules of one name for all, clients' ports that change, and a kernel that has to track."""

import contextlib
import json
import re
import sys

import pytest

import backends
from firewall import our_rules
from legacy_port import a_token_is_served, ask, assert_refused
from pausing_client import PausingClient
from programs import run_in
from tokens import assert_legacy_success
from waiting import wait_until

ALLOWED_UID, OTHER_UID = 20001, 20002
OWN_PORT = 40000
FIRST, SECOND = 50342, 50343
NOTRACK = f"table inet exempt {{ chain c {{ type filter hook output priority -300; tcp dport {FIRST} notrack; }}; }}"
OWNER_RULE = (
    "table inet guard { chain c { type filter hook output priority 0; "
    f"tcp dport {FIRST} meta skuid != {ALLOWED_UID} reject; }}; }}"
)

by_rules = pytest.mark.parametrize("backend", ["nftables", "iptables"])


@by_rules
def test_a_second_instance_steps_back(service, new_service, host, backend):
    """It has a port and an admin socket of its own, so that only the rules are in its way."""
    in_force = our_rules(host)
    second = new_service({**backends.settings(backend), "redirect.listen_port": 343}).launch()
    assert second.wait_exit(30) == 1
    assert second.log_text().count("another msi2imds has its own in force") == 1
    assert our_rules(host) == in_force
    assert a_token_is_served(host) and a_token_is_served(host, "::1")
    assert "redirected again" not in service.log_text()


@by_rules
def test_an_instance_takes_the_place_of_one_that_has_ended(service, new_service, host, backend):
    assert service.stop() == 0
    second = new_service({**backends.settings(backend), "redirect.listen_port": 343}).start()
    assert a_token_is_served(host)
    assert second.stop() == 0
    wait_until(lambda: our_rules(host) == [], 5, "no rule is left")


@by_rules
def test_sockets_that_are_held_for_another_port_are_no_rival(emulator, new_service, host, held, backend):
    """What has listened on the port of the rules that were left is the service manager, which serves nobody."""
    assert held.start(new_service(backends.settings(backend))).stop() == 0
    second = held.start(new_service({**backends.settings(backend), "redirect.listen_port": 343}))
    assert a_token_is_served(host)
    second.detach()


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


@by_rules
def test_connections_that_are_exempt_from_tracking_are_told(service, host, backend):
    """No NAT rule is asked about them: they are refused at once, and nobody says that all is well."""
    run_in(host, "nft", NOTRACK).check_returncode()
    assert_refused(host)
    wait_until(lambda: "notrack" in service.status().stdout, 15, "status tells")
    assert not service.status_json()["intercepting"]
    findings = json.loads(service.run("doctor", "--json").stdout)["findings"]
    assert any("notrack" in finding["text"] for finding in findings if finding["level"] != "ok")
    run_in(host, "nft", "delete", "table", "inet", "exempt").check_returncode()
    wait_until(lambda: service.status_json()["intercepting"], 15, "status tells")
    assert a_token_is_served(host)


def test_auto_serves_connections_that_are_exempt_from_tracking(emulator, new_service, host):
    """Without BPF, NAT would be next."""
    run_in(host, "nft", NOTRACK).check_returncode()
    service = new_service({"redirect.backend": "auto"})
    service.start(wrapper=["setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin", "--"])
    assert service.status_json()["backend"] == "listen"
    assert_legacy_success(ask(host), "https://management.azure.com/")


def connects_as(host, uid):
    """Whether a user's connection to the first legacy port is accepted."""
    dial = f"import socket; socket.create_connection(('127.0.0.1', {FIRST}), 20)"
    user = ("setpriv", f"--reuid={uid}", "--regid=65534", "--clear-groups")
    return run_in(host, *user, sys.executable, "-c", dial).returncode == 0


@pytest.mark.parametrize("backend", [*backends.REDIRECTING, "listen"])
@pytest.mark.parametrize(
    "tool, rule",
    [
        ("nft", OWNER_RULE),
        ("iptables", f"-A OUTPUT -p tcp --dport {FIRST} -m owner ! --uid-owner {ALLOWED_UID} -j REJECT"),
    ],
    ids=["nft", "iptables"],
)
def test_a_filter_on_a_legacy_port_binds_or_is_named(service, host, backend, tool, rule):
    run_in(host, tool, *([rule] if tool == "nft" else rule.split())).check_returncode()
    assert connects_as(host, ALLOWED_UID)
    binds = not connects_as(host, OTHER_UID)
    assert binds == (backend in ("sk_lookup", "listen"))
    findings = json.loads(service.run("doctor", "--json").stdout)["findings"]
    assert [f["level"] for f in findings if str(ALLOWED_UID) in f["text"]] == ["ok" if binds else "warning"]
    (named,) = [remark for remark in service.status_json()["remarks"] if str(ALLOWED_UID) in remark]
    # Where it binds, it keeps root away as well, who asks for status.
    assert ("may keep connections away" if binds else "does not bind") in named
