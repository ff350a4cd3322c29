# SPDX-License-Identifier: MIT
"""Whatever becomes of the supervisor, nothing of ours leads callers to a port that nobody serves."""

import math
import time

import pytest

from callers import Callers
from legacy_port import another_server
from systemd_service import UNITS
from waiting import wait_until

GIVEN_UP_WITHIN = 10
CALLERS_REACH_ANOTHER_WITHIN = 2


@pytest.fixture
def extension(machine):
    """Another server on the legacy port, as the extension would be."""
    with another_server(machine.network, "127.0.0.1"):
        yield


def most_refused(backend):
    """Firewall rules go a moment after the sockets to which they lead; the others look at the sockets."""
    return math.inf if backend in ("nftables", "iptables") else 0


def test_killed_supervisor_is_replaced(service, backend):
    service.start(backend)
    killed = service.pid
    with Callers(service.machine) as callers:
        callers.wait_for("token", 10)
        service.kill()
        wait_until(lambda: service.pid not in (0, killed), 10, "another supervisor runs")
        service.wait_intercepting()
        callers.wait_for("token", 10)
    print(f"SIGKILL with {backend}: {callers}")
    assert callers.longest_wait < 2
    assert set(callers.outcomes) <= {"token", "reset", "closed", "refused"}
    # Only what was being answered is lost: the responder goes with its supervisor.
    if backend == "sk_lookup":
        assert callers.outcomes["refused"] == 0


def test_service_that_cannot_start_lets_callers_through(service, redirecting_backend, extension):
    service.start(redirecting_backend)
    service.override("[Service]\nExecStart=\nExecStart=/bin/false\n")
    with Callers(service.machine) as callers:
        callers.wait_for("token", 10)
        killed = time.monotonic()
        service.kill()
        service.wait_for_state("failed", GIVEN_UP_WITHIN)
        failed = time.monotonic()
        callers.wait_for("elsewhere", CALLERS_REACH_ANOTHER_WITHIN)
        reached = time.monotonic()
        service.wait_for_state("failed", GIVEN_UP_WITHIN, unit="msi2imds.socket")
    print(f"{redirecting_backend}: given up {failed - killed:.2f} s after SIGKILL, another server reached "
          f"{reached - failed:.2f} s later: {callers}")
    assert callers.outcomes["refused"] <= most_refused(redirecting_backend)
    assert service.traces() == []


def test_service_that_could_not_start_starts_again_later(service):
    service.override("[Service]\nExecStart=\nExecStart=/bin/false\n")
    service.machine.attempt("systemctl", "start", "msi2imds")
    service.wait_for_state("failed", GIVEN_UP_WITHIN)
    service.reset()
    service.start()
    service.wait_intercepting()


def test_stopping_leaves_nothing(service, redirecting_backend, extension):
    service.start(redirecting_backend)
    with Callers(service.machine) as callers:
        callers.wait_for("token", 10)
        service.machine.run("systemctl", "stop", *UNITS)
        stopped = len(callers.results)
        callers.wait_for("elsewhere", CALLERS_REACH_ANOTHER_WITHIN)
    print(f"stop with {redirecting_backend}: {callers}")
    assert callers.outcomes["refused"] <= most_refused(redirecting_backend)
    if most_refused(redirecting_backend) == 0:
        assert set(callers.outcomes) == {"token", "elsewhere"}, "nobody waits in a socket that is closed"
    # A request that had begun before may still end otherwise.
    assert {outcome for outcome, _ in callers.results[stopped + 4 :]} == {"elsewhere"}
    assert service.traces() == []
    assert [service.state(unit) for unit in UNITS] == ["inactive"] * 2


def test_stopping_the_socket_stops_the_service(service, extension):
    service.start()
    service.machine.run("systemctl", "stop", "msi2imds.socket")
    assert service.state() == "inactive"
    assert service.traces() == []
