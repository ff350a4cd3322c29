# SPDX-License-Identifier: MIT
"""docs/INSTALL.md: each block, as it stands there, on a machine that has nothing of msi2imds yet; then what starts it."""

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
    """Those of each section, by its title."""
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", MANUAL, re.MULTILINE | re.DOTALL)
    return {title: re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE) for title, text in sections}


def commands(system):
    (block,) = next(found for title, found in blocks().items() if title.startswith(system))
    return block.splitlines()


OBSERVE, CUT_OVER = (block.splitlines() for block in blocks()["Starting it"])


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
    others = ("Starting it", "Upgrade, downgrade, removal", "Publishing")
    tried = [name for name, found in blocks().items() if found and name not in others]
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
        if system != "Flatcar":  # whose last line is the cut-over
            assert not machine.attempt("pidof", "msi2imds").stdout, "installing starts nothing"
            for line in (*OBSERVE, *CUT_OVER):
                machine.run("sh", "-ec", line)
        status = machine.attempt("sh", "-c", "PATH=$PATH:/opt/bin; msi2imds status --wait 30")
        assert status.returncode == 0, status.stdout + status.stderr
        with Callers(machine, count=1) as callers:
            callers.wait_for("token", 20, count=3)
        assert set(callers.outcomes) == {"token"}
