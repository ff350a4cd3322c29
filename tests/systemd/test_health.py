# SPDX-License-Identifier: MIT
"""msi2imds health on a machine with systemd: at each stage of docs/MIGRATION.md, and for the faults that alarms are for."""

import contextlib

import pytest

from legacy_port import PORT, ask
from systemd_service import OBSERVER, UNITS
from test_migration_page import blocks, do, units  # noqa: F401
from waiting import wait_until

INTERCEPTING = (0, "healthy: intercepting with ")
NOT_RUNNING = (1, "not healthy: msi2imds is not running (")


def assert_health(units, status, beginning, mentions=""):
    ended = units.machine.attempt("msi2imds", "health")
    assert not ended.stderr and ended.stdout.count("\n") == 1, ended.stdout + ended.stderr
    assert ended.returncode == status and ended.stdout.startswith(beginning) and mentions in ended.stdout, ended.stdout


@pytest.fixture
def serving(units):
    do(units, blocks("Cut over")[0])
    units.wait_intercepting()
    assert ask(units.machine.network).status == 200
    return units


def test_at_each_stage(units):
    """The commands as they stand there, and after each the one line."""
    assert_health(units, *NOT_RUNNING)
    observe, leave_observing = blocks("Observe")
    do(units, observe)
    wait_until(lambda: '"observing":true' in units.status("--json").stdout, 10, "it observes")
    assert_health(units, 0, "healthy: observing")
    do(units, leave_observing)
    assert_health(units, *NOT_RUNNING)
    do(units, observe)
    cut_over, leave = blocks("Cut over")
    do(units, cut_over)
    units.wait_intercepting()
    assert_health(units, *INTERCEPTING)
    # What "Retire" changes is elsewhere: the extension goes, and msi2imds stays.
    do(units, leave)
    assert_health(units, *NOT_RUNNING)


def test_a_dead_service(serving):
    serving.override("[Service]\nRestart=no\n")
    serving.kill()
    serving.wait_for_state("failed", 10)
    serving.machine.run("systemctl", "stop", "msi2imds.socket")
    assert_health(serving, *NOT_RUNNING, mentions="serving is enabled; to begin: systemctl start msi2imds")
    serving.machine.run("systemctl", "start", "msi2imds")
    serving.wait_intercepting()
    assert_health(serving, *INTERCEPTING)


def test_imds_refuses_connections(serving):
    serving.configure("auto", {"imds.deadline": 1})
    serving.machine.run("systemctl", "restart", "msi2imds")  # a reload may be told of before it is done
    serving.wait_intercepting()
    serving.machine.run("systemctl", "stop", "imds-emulator")
    try:
        serving.machine.run("msi2imds", "flush")
        assert ask(serving.machine.network).status >= 500
        assert_health(serving, 1, "not healthy: the last request to IMDS failed: ")
    finally:
        serving.machine.run("systemctl", "start", "imds-emulator")
    # systemd does not wait until the emulator listens.
    wait_until(lambda: ask(serving.machine.network).status == 200, 10, "IMDS answers again")
    assert_health(serving, *INTERCEPTING)


def test_only_observing_where_serving_is_enabled(units):
    do(units, blocks("Observe")[0])
    wait_until(lambda: '"observing":true' in units.status("--json").stdout, 10, "it observes")
    units.machine.run("systemctl", "enable", "msi2imds")
    assert_health(units, 1, "not healthy: serving is enabled, but an observer runs: ")


def test_observing_is_enabled_where_it_serves(serving):
    serving.machine.run("systemctl", "disable", *UNITS)
    serving.machine.run("systemctl", "enable", OBSERVER)
    assert_health(serving, 1, "not healthy: observing is enabled, and after the next boot nothing would be redirected: ")


@contextlib.contextmanager
def a_rule_before_ours(machine):
    machine.run("nft", "add table ip theirs; add chain ip theirs out { type nat hook output priority -150; };"
                       f" add rule ip theirs out tcp dport {PORT} redirect to :9")  # fmt: skip
    try:
        yield
    finally:
        machine.run("nft", "delete", "table", "ip", "theirs")


def test_rules_of_others_that_shadow_ours(serving):
    with a_rule_before_ours(serving.machine):
        assert_health(serving, 1, "not healthy: ", mentions="did not arrive")
    assert_health(serving, *INTERCEPTING)
