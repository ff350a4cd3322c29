# SPDX-License-Identifier: MIT
"""The units as shipped grant what docs/units.md says, which is what their duties need, and nothing else."""

import re
import typing

import pytest

import duties
from machine import Machine, can_have_legacy_cgroups
from programs import CHECKOUT
from systemd_service import OBSERVER, UNITS, SystemdService

SERVICE = "msi2imds.service"
DOCUMENT = (CHECKOUT / "docs" / "units.md").read_text()
# What `systemd-analyze security` has found, times ten (docs/units.md, "What the rest is").
FIGURES = re.search(r"says ([\d.]+) for `msi2imds.service` and ([\d.]+) for the observer", DOCUMENT).groups()
MOST_EXPOSURE = {unit: round(10 * float(figure)) for unit, figure in zip((SERVICE, OBSERVER), FIGURES)}
NOT_NEEDED_HERE = {("mark", "CAP_NET_ADMIN"): "from Linux 5.17 on, CAP_NET_RAW is enough"}


class Row(typing.NamedTuple):
    unit: str
    capabilities: list
    paths: list
    duty: str


def rows_of(unit):
    """The table of a unit."""
    section = DOCUMENT.split(f"## What `{unit}` may do\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")][1:]
    return [Row(unit, re.findall(r"`(CAP_\w+)`", cells[1]), re.findall(r"`(/[^`]+)`", cells[2]), cells[3].strip(" `"))
            for cells in lines]


ROWS = {unit: rows_of(unit) for unit in (SERVICE, OBSERVER)}
DUTIES = sorted({(unit, row.duty) for unit, rows in ROWS.items() for row in rows})
NEEDS = sorted({(unit, row.duty, need) for unit, rows in ROWS.items() for row in rows
                for need in row.capabilities + row.paths if (row.duty, need) not in NOT_NEEDED_HERE})


@pytest.fixture(scope="module")
def legacy_machine():
    if not can_have_legacy_cgroups():
        pytest.skip("this host has no cgroups of version 1")
    with Machine(legacy_cgroups=True) as booted:
        yield booted


@pytest.fixture
def unit_of(request):
    """SystemdService of a unit for a duty, on a machine that has what the duty is about."""
    used = []

    def make(unit, duty):
        machine = request.getfixturevalue("legacy_machine" if duty == "unmounted_cgroup2" else "machine")
        used.append(SystemdService(machine, unit))
        return used[-1]

    yield make
    for service in used:
        service.reset()


@pytest.mark.parametrize(("unit", "duty"), DUTIES)
def test_does_its_duty(unit_of, unit, duty):
    assert getattr(duties, duty)(unit_of(unit, duty))


@pytest.mark.parametrize(("unit", "duty", "need"), NEEDS)
def test_duty_needs_what_it_is_granted(unit_of, unit, duty, need):
    service = unit_of(unit, duty)
    lines = ["[Service]", "Restart=no"]
    lines.append(f"CapabilityBoundingSet=~{need}" if need.startswith("CAP_") else f"ReadOnlyPaths=-{need}")
    service.override("\n".join(lines) + "\n")
    assert not getattr(duties, duty)(service)


@pytest.mark.parametrize("unit", ROWS)
def test_no_capability_is_granted_beyond_the_table(machine, unit):
    granted = SystemdService(machine, unit).show("CapabilityBoundingSet").upper().split()
    assert sorted(granted) == sorted({capability for row in ROWS[unit] for capability in row.capabilities})


@pytest.mark.parametrize("unit", ROWS)
def test_no_path_is_writable_beyond_the_table(unit_of, unit):
    service = unit_of(unit, "")
    service.start()
    mounts = [line.split() for line in service.machine.run("cat", f"/proc/{service.pid}/mountinfo").splitlines()]
    writable = {fields[4] for fields in mounts if "rw" in fields[5].split(",")}
    # Its own, or only as writable as what is in them.
    private = {"/tmp", "/var/tmp", "/proc"} | {path for path in writable if path.startswith("/dev/")}
    # What systemd-nspawn mounts over what is closed, and what systemd 254 opens for each unit.
    others = {path for path in writable if path.startswith("/run/host/") or path.endswith("/memory.pressure")}
    assert writable - private - others == {path for row in ROWS[unit] for path in row.paths}


def test_has_as_many_files_as_connections(unit_of):
    service = unit_of(SERVICE, "")
    service.start()
    limits = service.machine.run("cat", f"/proc/{service.pid}/limits")
    assert int(re.search(r"Max open files +(\d+)", limits)[1]) > 16384
    assert "raise the limit" not in service.journal()


def test_drop_ins_are_linked(machine):
    version = int(machine.run("systemctl", "--version").split()[1])
    generations = {path.parent.name for path in (CHECKOUT / "packaging" / "systemd").glob(f"*/{SERVICE}.conf")}
    linked = machine.run("ls", f"/usr/lib/systemd/system/{SERVICE}.d").split()
    assert linked == sorted(f"{name}.conf" for name in generations if int(name) <= version)


def test_nothing_is_wrong_with_the_units(machine):
    verified = machine.attempt("systemd-analyze", "verify", "--man=no", *UNITS, OBSERVER)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@pytest.mark.parametrize("unit", ROWS)
def test_exposure(machine, unit):
    analyzed = machine.attempt("systemd-analyze", "security", "--no-pager", f"--threshold={MOST_EXPOSURE[unit]}", unit)
    print(analyzed.stdout.splitlines()[-1])
    assert analyzed.returncode == 0


@pytest.mark.parametrize("unit", ROWS)
def test_says_what_it_lacks_on_legacy_cgroups(unit_of, unit):
    service = unit_of(unit, "unmounted_cgroup2")
    assert duties.starts(service)
    assert "mount cgroup2" in str(duties.status(service)["remarks"]) + service.journal()


def drop_in(heading):
    """The first that a section of docs/units.md shows."""
    section = DOCUMENT.split(f"## {heading}\n")[1].split("\n## ")[0]
    return section.split("```\n")[1]


@pytest.mark.parametrize(("unit", "duty"), [(SERVICE, "unmounted_cgroup2"), (OBSERVER, "observer")])
def test_mounts_cgroup2_with_the_drop_in_for_it(unit_of, unit, duty):
    service = unit_of(unit, "unmounted_cgroup2")
    service.override(drop_in("Where CAP_BPF is not enough"))
    assert getattr(duties, duty)(service)
