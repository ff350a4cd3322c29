# SPDX-License-Identifier: MIT
"""Rules of a firewall outlive their process, and have one name: whoever removes them removes his own."""

import os
import re
import signal

import pytest

import backends
from callers import Callers
from firewall import our_rules
from kernel_state import children_of, is_running, kill_all, name_of
from legacy_port import a_token_is_served, assert_refused
from programs import run_in
from waiting import wait_until

by_rules = pytest.mark.parametrize("backend", ["nftables", "iptables"])
KILLS = 5


def kill(service):
    """The supervisor alone, and the responder leaves."""
    responder = service.responder()
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    wait_until(lambda: not is_running(responder), 5, "the responder leaves")


@by_rules
def test_the_guard_of_a_killed_supervisor_leaves_its_successor_alone(service, new_service, host, backend):
    """However late it comes."""
    late = service.child_named("msi2imds-guard")
    os.kill(late, signal.SIGSTOP)
    kill(service)
    successor = new_service(backends.settings(backend)).start()
    in_force = our_rules(host)
    os.kill(successor.pid, signal.SIGSTOP)  # it would put back what is removed
    os.kill(late, signal.SIGCONT)
    wait_until(lambda: not is_running(late), 10, "the guard has ended")
    assert our_rules(host) == in_force
    os.kill(successor.pid, signal.SIGCONT)
    assert a_token_is_served(host) and a_token_is_served(host, "::1")
    assert successor.stop() == 0
    wait_until(lambda: our_rules(host) == [], 5, "no rule is left")


@by_rules
def test_callers_wait_for_the_successor_of_a_killed_supervisor(emulator, new_service, held, host, backend):
    """Where somebody holds the sockets, as with a pin: whom the dead one had accepted is cut off, and nobody else."""
    service = held.start(new_service(backends.settings(backend)))
    with Callers(host) as callers:
        for _ in range(KILLS):
            callers.wait_for("token", 10)
            os.kill(service.pid, signal.SIGKILL)
            service.process.wait()
            held.start(service)
        callers.wait_for("token", 10)
    print(f"{KILLS} kills: {callers}")
    assert set(callers.outcomes) <= {"token", "reset", "closed"}
    service.detach()
    assert our_rules(host) == []


def remove_marks(host):
    """As if a version before had put the rules, which left none. Returns how many there were."""
    commands = []
    for family in ("ip", "ip6"):
        listed = run_in(host, "nft", "list", "table", family, "msi2imds").stdout
        commands += [("nft", "delete", "chain", family, "msi2imds", mark) for mark in re.findall(r"owner_[0-9a-f]{8}", listed)]
    for tool in ("iptables", "ip6tables"):
        listed = run_in(host, tool, "-t", "nat", "-S").stdout
        commands += [(tool, "-t", "nat", "-X", mark) for mark in re.findall(r"-N (MSI2IMDS_[0-9a-f]{8})", listed)]
    for command in commands:
        assert run_in(host, *command).returncode == 0
    return len(commands)


@pytest.fixture
def unmarked(service, host, backend):
    kill_all([*children_of(service.pid), service.pid])
    service.process.wait()
    assert remove_marks(host) == 2
    return service


@by_rules
def test_rules_without_a_mark_are_removed_by_detach(unmarked, host, backend):
    unmarked.detach()
    assert our_rules(host) == []


@by_rules
def test_rules_without_a_mark_are_taken_over(unmarked, host, backend):
    unmarked.start()
    assert a_token_is_served(host) and a_token_is_served(host, "::1")
    assert unmarked.stop() == 0
    assert_refused(host, "127.0.0.1")
    wait_until(lambda: our_rules(host) == [], 5, "no rule is left")
