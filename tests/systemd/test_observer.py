# SPDX-License-Identifier: MIT
"""The observer beside the service: who serves records by itself, so the observer steps aside, and never the reverse."""

import json

import pytest

from callers import Callers
from systemd_service import OBSERVER, UNITS
from waiting import wait_until

SERVICE, SOCKET = "msi2imds.service", "msi2imds.socket"
ALL = (*UNITS, OBSERVER)


@pytest.fixture
def units(service):
    """The machine with its units, of which none is enabled before and after."""
    service.configure("auto")
    yield service
    service.machine.run("systemctl", "disable", *ALL)


def systemctl(units, *arguments):
    return units.machine.attempt("systemctl", *arguments)


def journal_of(units, unit):
    """Of this boot."""
    return units.machine.run("journalctl", "--no-pager", "--boot", "-u", unit)


def observe(units):
    units.machine.run("systemctl", "start", OBSERVER)
    status = units.status("--wait", "10", "--json")
    assert json.loads(status.stdout)["observing"] is True, status.stdout


def enable_alone(units, *names):
    """Without what else a unit would have enabled."""
    for name in names:
        target = "sockets.target" if name == SOCKET else "multi-user.target"
        wants = f"/etc/systemd/system/{target}.wants"
        units.machine.run("mkdir", "-p", wants)
        units.machine.run("ln", "-sf", f"/usr/lib/systemd/system/{name}", f"{wants}/{name}")
    units.machine.run("systemctl", "daemon-reload")


def test_after_a_boot_with_both_enabled_the_service_serves(units):
    units.machine.run("systemctl", "enable", SERVICE, OBSERVER)
    units.machine.reboot()
    units.wait_intercepting()
    assert units.status().returncode == 0
    assert [units.state(unit) for unit in ALL] == ["active", "active", "inactive"]
    said = journal_of(units, OBSERVER)
    assert "step aside" in said and "serves, and records who calls by itself" in said
    assert OBSERVER not in units.machine.run("systemctl", "--failed", "--plain")
    with Callers(units.machine, count=1) as callers:
        callers.wait_for("token", 10, count=1)


def test_an_observer_that_is_started_while_it_serves_steps_aside(units):
    units.start()
    pid, traces = units.pid, units.traces()
    with Callers(units.machine, count=1) as callers:
        callers.wait_for("token", 10, count=1)
        for _ in range(3):
            started = systemctl(units, "start", OBSERVER)
            assert started.returncode == 0, started.stderr
            units.wait_for_state("inactive", 10, unit=OBSERVER)
        callers.wait_for("token", 10, count=5)
    assert set(callers.outcomes) == {"token"}
    assert (units.pid, units.traces()) == (pid, traces)
    assert f"msi2imds (process {pid}) serves, and records who calls by itself" in journal_of(units, OBSERVER)
    assert "step aside" in systemctl(units, "status", "--full", OBSERVER).stdout
    assert units.status().returncode == 0


def test_the_cut_over_ends_the_observer(units):
    observe(units)
    with Callers(units.machine, count=1) as callers:
        units.machine.run("systemctl", "start", SERVICE)
        callers.wait_for("token", 10)
    units.wait_for_state("inactive", 10, unit=OBSERVER)
    assert units.show("Result", OBSERVER) == "success"
    assert "step aside: another msi2imds serves from here on" in journal_of(units, OBSERVER)
    assert "take over from the observer" in journal_of(units, SERVICE)
    assert units.status().returncode == 0
    rows = json.loads(units.machine.run("msi2imds", "callers", "--json"))["callers"]
    assert sum(row["outcomes"]["observed"] for row in rows) > 0, "what was observed is kept"


def test_the_cut_over_ends_an_observer_that_hangs(units):
    observe(units)
    units.machine.run("kill", "-STOP", units.show("MainPID", OBSERVER))
    units.machine.run("systemctl", "start", SERVICE)
    assert units.status().returncode == 0
    assert "does not step aside: it is killed" in journal_of(units, SERVICE)
    wait_until(lambda: units.state(OBSERVER) == "inactive", 20, "started once more, it steps aside")


def test_the_way_back_leads_to_the_observer(units):
    units.machine.run("systemctl", "enable", OBSERVER)
    observe(units)
    for step in (("disable", OBSERVER), ("enable", SERVICE), ("start", SERVICE)):
        units.machine.run("systemctl", *step)
    assert units.status().returncode == 0
    for step in (("stop", *UNITS), ("disable", SERVICE), ("enable", OBSERVER)):
        units.machine.run("systemctl", *step)
    observe(units)
    assert units.status().returncode == 0
    units.wait_for_traces_of("listen")


@pytest.mark.parametrize("enabled", [SERVICE, SOCKET])
def test_an_observer_is_no_stand_in_for_what_is_enabled(units, enabled):
    enable_alone(units, enabled)
    assert systemctl(units, "start", OBSERVER).returncode != 0
    assert f"cannot observe: {enabled} is enabled" in journal_of(units, OBSERVER)
    assert units.show("NRestarts", OBSERVER) == "0"
    assert units.state(OBSERVER) == "failed"


def test_an_observer_does_not_take_the_next_connection_from_the_service(units):
    """The service was stopped for a moment, and connections wait for it."""
    units.start("sk_lookup")
    units.machine.run("systemctl", "stop", SERVICE)
    assert systemctl(units, "start", OBSERVER).returncode != 0
    assert "cannot observe: msi2imds.socket is active" in journal_of(units, OBSERVER)
    with Callers(units.machine, count=1) as callers:
        callers.wait_for("token", 10, count=1)


def test_an_observer_by_hand_does_as_well(units):
    units.start()
    ended = units.machine.attempt("msi2imds", "run", "--observe")
    assert ended.returncode == 0
    assert "nothing to observe: msi2imds (process" in ended.stderr
    assert units.status().returncode == 0


@pytest.mark.parametrize(
    ("running", "enabled", "expected", "said"),
    [
        (SERVICE, (), 0, ""),
        (SERVICE, (SERVICE, SOCKET), 0, ""),
        (SERVICE, ALL, 0, ""),
        (SERVICE, (OBSERVER,), 1, "observing is enabled"),
        (SERVICE, (SOCKET,), 1, "msi2imds.socket alone is enabled"),
        (OBSERVER, (), 0, ""),
        (OBSERVER, (OBSERVER,), 0, ""),
        (OBSERVER, (SERVICE, SOCKET), 1, "serving is enabled, but an observer runs"),
        (OBSERVER, (SOCKET,), 1, "serving is enabled, but an observer runs"),
        (OBSERVER, ALL, 1, "serving is enabled, but an observer runs"),
        (None, (SERVICE, SOCKET), 1, "serving is enabled; to begin"),
        (None, (OBSERVER,), 1, "observing is enabled; to begin"),
        (None, (), 1, ""),
    ],
)
def test_status_compares_with_what_is_enabled(units, running, enabled, expected, said):
    if running == SERVICE:
        units.start()
    elif running == OBSERVER:
        observe(units)
    enable_alone(units, *enabled)
    status = units.status()
    assert status.returncode == expected, status.stdout
    difference = json.loads(units.status("--json").stdout)["not_as_enabled"]
    assert difference.startswith(said) and bool(difference) == bool(said)
    assert ("not as enabled: " + said in status.stdout) == bool(said)
    # Another configuration than that of the units says nothing about them.
    units.machine.run("cp", "/etc/msi2imds/msi2imds.toml", "/tmp/another.toml")
    other = json.loads(units.status("--json", "--config", "/tmp/another.toml").stdout)
    assert other["not_as_enabled"] == ""


def test_who_may_not_ask_hears_nothing_of_differences(units):
    units.start("auto")
    units.machine.run("systemctl", "enable", SERVICE)
    asked = units.machine.attempt("setpriv", "--reuid=nobody", "--clear-groups", "msi2imds", "status")
    assert asked.returncode == 3
    assert "Permission denied; use sudo" in asked.stdout
    assert "not as enabled" not in asked.stdout
