# SPDX-License-Identifier: MIT
"""docs/MIGRATION.md: the commands of each stage and its way back, as they stand there; each outlasts a reboot."""

import json
import re

import pytest

from programs import CHECKOUT
from systemd_service import OBSERVER, UNITS

PAGE = (CHECKOUT / "docs" / "MIGRATION.md").read_text()
ALL = (*UNITS, OBSERVER)


def blocks(stage):
    """The commands of each block below "### N. Stage"."""
    (section,) = re.findall(rf"^### \d\. {stage}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    found = [re.findall(r"^\$ sudo (.*)$", block, re.MULTILINE) for block in re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)]
    return [commands for commands in found if commands]


@pytest.fixture
def units(service):
    """The machine as it is after the installation; afterwards no unit is enabled."""
    service.configure("auto")
    yield service
    service.machine.run("systemctl", "disable", *ALL)


def do(units, commands):
    for command in commands:
        ended = units.machine.attempt("sh", "-c", command)
        # Nobody has called yet, and nobody has told that it serves.
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"


def assert_nothing_runs(units):
    assert [units.state(unit) for unit in ALL] == ["inactive"] * 3
    assert units.machine.attempt("systemctl", "is-enabled", *ALL).stdout.split() == ["disabled"] * 3
    units.wait_for_traces_of("listen")


def test_observing_outlasts_a_reboot_and_is_left_for_good(units):
    enter, leave = blocks("Observe")
    do(units, enter)
    units.machine.reboot()
    status = units.status("--wait", "20", "--json")
    assert json.loads(status.stdout)["observing"] is True, status.stdout
    do(units, leave)
    assert_nothing_runs(units)
    units.machine.reboot()
    assert_nothing_runs(units)


def test_the_cut_over_outlasts_a_reboot_and_is_left_for_good(units):
    do(units, blocks("Observe")[0])
    enter, leave = blocks("Cut over")
    do(units, enter)
    units.machine.reboot()
    units.wait_intercepting()
    assert units.status().returncode == 0
    assert [units.state(unit) for unit in ALL] == ["active", "active", "inactive"]
    do(units, leave)
    assert_nothing_runs(units)
    units.machine.reboot()
    assert_nothing_runs(units)


def test_who_leaves_asks_first_who_calls(units):
    do(units, blocks("Cut over")[0])
    units.wait_intercepting()
    ask, remove = blocks("Leave")
    do(units, ask)
    assert remove == ["apt-get remove msi2imds"]  # which tests/packaging/guest/story.py does


def test_every_stage_says_how_it_is_left():
    rows = re.findall(r"^\| (observe|verify|cut over|retire|leave) \| .* \| .* \| (.+) \|$", PAGE, re.MULTILINE)
    assert [stage for stage, _ in rows] == ["observe", "verify", "cut over", "retire", "leave"]
    for stage, title in (("observe", "Observe"), ("cut over", "Cut over")):
        way_back = dict(rows)[stage]
        for command in blocks(title)[1]:
            assert f"`{command}`" in way_back, f"the table and the section of {stage} name other commands"
