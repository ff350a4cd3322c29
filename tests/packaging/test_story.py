# SPDX-License-Identifier: MIT
"""From cloud-init to the purge: Debian 11, 12 and 13 in containers, virtual machines with older cgroups, and the rpm.

Each machine tells guest/story.py once; a test is one step of it there.
"""

import re

import pytest

from cloud_machine import DNF, CloudMachine, packages_of, user_data
from conftest import STEPS_OF_LAYOUT
from debian_root import CannotMake, debian_root
from guest.story import ON_A_NEW_MACHINE, STEPS

# The oldest gets the form for cloud-init 0.7.5.
SUITES = {"bullseye": "any", "bookworm": "deb", "trixie": "deb"}
# Stands in every token of the emulator and of the extension.
TOKEN_MARK = "EMULATORSECRET"
APT_STEPS = [step.__name__ for step in STEPS["apt"]]
NEW_STEPS = [step.__name__ for step in ON_A_NEW_MACHINE]
IN_VIRTUAL_MACHINES = [(layout, step) for layout, steps in STEPS_OF_LAYOUT.items() for step in steps]


def outcomes(told):
    """The steps' results by their names; printed, so that a failed run shows the whole story."""
    assert TOKEN_MARK not in told, "a token was printed"
    print(told[-8000:])
    lines = re.findall(r"^(PASS|FAIL) (\w+)(.*)$", told, re.MULTILINE)
    return {name: f"{outcome}{detail}" for outcome, name, detail in lines}


def check(results, step):
    assert step in results, f"the story ended before this step: {results}"
    assert results[step].startswith("PASS"), results[step]


def skip_what_the_mirrors_no_longer_have(suite):
    try:
        debian_root(packages_of(suite), suite)
    except CannotMake as problem:
        if suite != "bullseye":
            raise
        pytest.skip(f"Debian 11: {problem}")


@pytest.fixture(scope="module", params=SUITES)
def container(request, published, repositories):
    seed = user_data(SUITES[request.param], published.apt / "msi2imds.asc")
    skip_what_the_mirrors_no_longer_have(request.param)
    with CloudMachine(request.param, repositories, seed) as machine:
        command = ["python3", "/srv/story/story.py", "apt", published.version, published.newer]
        told = machine.attempt(*command, timeout=600)
    return outcomes(told.stdout + told.stderr)


@pytest.mark.parametrize("step", APT_STEPS)
def test_in_a_container(container, step):
    check(container, step)


@pytest.fixture(scope="module")
def new_machine(published, repositories):
    with CloudMachine("bookworm", repositories, "#cloud-config\n") as machine:
        machine.write("/etc/apt/trusted.gpg.d/msi2imds.asc", published.key)
        machine.write("/etc/apt/sources.list.d/msi2imds.list", "deb file:///srv/apt stable main\n")
        machine.run("apt-get", "-q", "update")
        command = ["python3", "/srv/story/story.py", "apt", published.version, published.newer, *NEW_STEPS]
        told = machine.attempt(*command, timeout=600)
    return outcomes(told.stdout + told.stderr)


@pytest.mark.parametrize("step", NEW_STEPS)
def test_on_a_new_machine(new_machine, step):
    check(new_machine, step)


class RpmMachine(CloudMachine):
    """Debian with dnf, to which the packages are those of another system."""

    more_packages = DNF


@pytest.fixture(scope="module")
def rpm_machine(published):
    with RpmMachine("bookworm", {"yum": published.yum}, "#cloud-config\n") as machine:
        machine.write("/etc/yum.repos.d/msi2imds.repo", published.yum_repo)
        machine.write("/etc/pki/rpm-gpg/msi2imds.asc", published.key)
        command = ["python3", "/srv/story/story.py", "dnf", published.version, published.newer]
        told = machine.attempt(*command, timeout=600)
    return outcomes(told.stdout + told.stderr)


@pytest.mark.parametrize("step", [step.__name__ for step in STEPS["dnf"]])
def test_with_dnf(rpm_machine, step):
    check(rpm_machine, step)


@pytest.mark.parametrize("layout, step", IN_VIRTUAL_MACHINES)
def test_in_a_virtual_machine(virtual_machines, layout, step):
    check(outcomes(virtual_machines[layout].result()), step)
