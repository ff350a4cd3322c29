#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fails when a unit is more, or less, exposed than docs/units.md says.

`systemd-analyze security` counts what a unit may do, here without a machine that runs it. The figures are those of one
version of systemd, which the document names; with another one nothing is compared.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
UNITS = CHECKOUT / "packaging" / "systemd"
DOCUMENT = CHECKOUT / "docs" / "units.md"
# What the files of a unit name, so that it can be loaded.
PROGRAMS = ("usr/sbin/msi2imds", "bin/mkdir", "bin/kill", "bin/systemd-tmpfiles")


def recorded():
    """The version that the figures are of, and each unit's."""
    text = " ".join(DOCUMENT.read_text().split())
    version, service, observer = re.search(
        r"`systemd-analyze security` of systemd (\d+) says (\d\.\d) for `msi2imds.service` and (\d\.\d) for the observer",
        text,
    ).groups()
    return int(version), {"msi2imds.service": float(service), "msi2imds-observe.service": float(observer)}


def version_of_systemd():
    if shutil.which("systemd-analyze") is None:
        return None
    told = subprocess.run(["systemd-analyze", "--version"], check=True, capture_output=True, text=True).stdout
    return int(told.split()[1])


def install(root, version):
    """As packaging/setup does it on a machine with that systemd."""
    directory = root / "usr/lib/systemd/system"
    directory.mkdir(parents=True)
    for unit in UNITS.glob("*.s*"):
        shutil.copy(unit, directory)
    for drop_in in UNITS.glob("[0-9]*/*.conf"):
        if int(drop_in.parent.name) <= version:
            (directory / f"{drop_in.stem}.d").mkdir(exist_ok=True)
            shutil.copy(drop_in, directory / f"{drop_in.stem}.d" / f"{drop_in.parent.name}.conf")
    for program in PROGRAMS:
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).touch(0o755)


def exposure(root, unit):
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--root={root}", unit]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"Overall exposure level for \S+: (\d+\.\d)", told)[1])


def main():
    version, figures = recorded()
    if version_of_systemd() != version:
        print(f"this machine's systemd is {version_of_systemd()}, and docs/units.md's figures are of {version}: nothing to compare")
        return 0
    with tempfile.TemporaryDirectory() as root:
        install(pathlib.Path(root), version)
        found = {unit: exposure(root, unit) for unit in figures}
    findings = [f"docs/units.md says {figures[unit]} for {unit}, and it is {found[unit]}" for unit in figures
                if found[unit] != figures[unit]]
    print("\n".join(findings) or f"exposure, as systemd {version} counts it: {found}")
    return 1 if findings else 0


sys.exit(main())
