# SPDX-License-Identifier: MIT
"""From cloud-init to the purge: Debian 11, 12 and 13 in containers, virtual machines with older cgroups, and the rpm.

Each machine tells guest/story.py once; a test is one step of it there.
"""

import pytest

from cloud_machine import CloudMachine, user_data
from conftest import (
    STEPS_OF_LAYOUT, RpmMachine, check, outcomes, skip_what_the_mirrors_no_longer_have, use_apt, use_dnf,
)  # fmt: skip
from story import ON_A_NEW_MACHINE, STEPS

# The oldest gets the form for cloud-init 0.7.5.
SUITES = {"bullseye": "any", "bookworm": "deb", "trixie": "deb"}
APT_STEPS = [step.__name__ for step in STEPS["apt"]]
NEW_STEPS = [step.__name__ for step in ON_A_NEW_MACHINE]
IN_VIRTUAL_MACHINES = [(layout, step) for layout, steps in STEPS_OF_LAYOUT.items() for step in steps]


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
        use_apt(machine, published.key)
        command = ["python3", "/srv/story/story.py", "apt", published.version, published.newer, *NEW_STEPS]
        told = machine.attempt(*command, timeout=600)
    return outcomes(told.stdout + told.stderr)


@pytest.mark.parametrize("step", NEW_STEPS)
def test_on_a_new_machine(new_machine, step):
    check(new_machine, step)


@pytest.fixture(scope="module")
def rpm_machine(published):
    with RpmMachine("bookworm", {"yum": published.yum}, "#cloud-config\n") as machine:
        use_dnf(machine, published.key)
        command = ["python3", "/srv/story/story.py", "dnf", published.version, published.newer]
        told = machine.attempt(*command, timeout=600)
    return outcomes(told.stdout + told.stderr)


@pytest.mark.parametrize("step", [step.__name__ for step in STEPS["dnf"]])
def test_with_dnf(rpm_machine, step):
    check(rpm_machine, step)


@pytest.mark.parametrize("layout, step", IN_VIRTUAL_MACHINES)
def test_in_a_virtual_machine(virtual_machines, layout, step):
    check(outcomes(virtual_machines[layout].result()), step)
