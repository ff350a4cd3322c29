# SPDX-License-Identifier: MIT
"""docs/INSTALL.md: each block, as it stands there, on a machine that has nothing of msi2imds yet."""

import re
import sys

import pytest

from bare_machine import BareMachine
from callers import Callers
from cloud_machine import DNF
from programs import CHECKOUT
from waiting import wait_until

MANUAL = (CHECKOUT / "docs" / "INSTALL.md").read_text()
SITE = "https://packages.example.com/msi2imds"
PORT = 8080
LONGEST_BLOCK = 6


def blocks():
    """The commands of each system's section, by the section's first words."""
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", MANUAL, re.MULTILINE | re.DOTALL)
    return {name: re.search(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE) for name, text in sections}


def commands(system):
    name, block = next((name, block) for name, block in blocks().items() if name.startswith(system))
    assert block, f"no commands for {name}"
    return block[1].splitlines()


class RpmMachine(BareMachine):
    more_packages = DNF


MACHINES = {
    "Debian": (BareMachine, "bookworm"),
    "Ubuntu 15.04": (BareMachine, "bullseye"),
    "CentOS 7": (RpmMachine, "bookworm"),
    "CoreOS Container Linux": (BareMachine, "bookworm"),
    "Flatcar": (BareMachine, "trixie"),
}


def test_every_system_is_tried():
    tried = [name for name, block in blocks().items() if block and name not in ("Upgrade, removal", "Publishing")]
    assert len(tried) == len(MACHINES) and all(any(name.startswith(system) for system in MACHINES) for name in tried)


@pytest.mark.parametrize("system", MACHINES)
def test_the_block_is_short(system):
    assert len(commands(system)) <= LONGEST_BLOCK


@pytest.mark.parametrize("system", MACHINES)
def test_a_block_installs_and_serves(system, published):
    kind, suite = MACHINES[system]
    with kind(suite=suite) as machine:
        machine.run("sh", "-c", "mkdir -p /etc/yum.repos.d; ln -s dnf /usr/bin/yum")
        server = machine.popen(
            sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", published.site, str(PORT),
            namespaces=("net",),
        )  # fmt: skip
        try:
            wait_until(lambda: "msi2imds" in machine.attempt("curl", "-fsS", f"http://127.0.0.1:{PORT}/").stdout, 20, "it serves")
            for line in commands(system):
                machine.run("sh", "-ec", line.replace(SITE, f"http://127.0.0.1:{PORT}"))
        finally:
            server.kill()
            server.wait()
        status = machine.attempt("sh", "-c", "PATH=$PATH:/opt/bin; msi2imds status --wait 30")
        assert status.returncode == 0, status.stdout + status.stderr
        with Callers(machine, count=1) as callers:
            callers.wait_for("token", 20, count=3)
        assert set(callers.outcomes) == {"token"}
