# SPDX-License-Identifier: MIT
"""From cloud-init to the purge: Debian 11, 12 and 13 in containers, virtual machines with older cgroups, and the rpm.

Each machine tells guest/story.py once; a test is one step of it there.
"""

import re
import subprocess

import pytest

from cloud_machine import RPM_PACKAGES, CloudMachine
from cloud_vm import tell_story
from guest.story import STEPS
from programs import CHECKOUT

# The oldest gets the form for cloud-init 0.7.5.
SUITES = {"bullseye": "any", "bookworm": "deb", "trixie": "deb"}
APT_STEPS = [step.__name__ for step in STEPS["apt"]]
# Emulation makes everything ten times slower; what the package manager does is the same on every layout.
LAYOUTS = {
    "hybrid": APT_STEPS,
    "legacy": ["comes_up", "restart_loses_nothing", "removal_detaches_everything", "purge_leaves_nothing"],
}
IN_VIRTUAL_MACHINES = [(layout, step) for layout, steps in LAYOUTS.items() for step in steps]
VM_SECONDS = 900


def user_data(form, key, tmp_path):
    """One of the shipped files, filled in for a repository in the machine's own /srv."""
    key_file = tmp_path / "key.asc"
    key_file.write_text(key)
    shipped = CHECKOUT / "packaging/cloud-init"
    command = [shipped / "fill-in", "file:///srv", key_file, shipped / f"{form}.yaml"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def outcomes(told):
    """The steps' results by their names; printed, so that a failed run shows the whole story."""
    print(told[-8000:])
    lines = re.findall(r"^(PASS|FAIL) (\w+)(.*)$", told, re.MULTILINE)
    return {name: f"{outcome}{detail}" for outcome, name, detail in lines}


def check(results, step):
    assert step in results, f"the story ended before this step: {results}"
    assert results[step].startswith("PASS"), results[step]


@pytest.fixture(scope="module")
def repositories(published):
    return {"apt": published.apt, "apt-newer": published.newer_apt, "tampered": published.tampered_apt}


@pytest.fixture(scope="module", params=SUITES)
def container(request, published, repositories, tmp_path_factory):
    seed = user_data(SUITES[request.param], published.key, tmp_path_factory.mktemp("seed"))
    with CloudMachine(request.param, repositories, seed) as machine:
        command = ["python3", "/srv/story/story.py", "apt", published.version, published.newer]
        told = machine.attempt(*command, timeout=600)
    return outcomes(told.stdout + told.stderr)


@pytest.mark.parametrize("step", APT_STEPS)
def test_in_a_container(container, step):
    check(container, step)


class RpmMachine(CloudMachine):
    """Debian with dnf, to which the packages are those of another system."""

    packages = RPM_PACKAGES


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


@pytest.fixture(scope="module")
def virtual_machines(published, repositories, tmp_path_factory):
    """Tells the story in a layout when it is first asked for."""
    told = {}

    def results(layout):
        if layout not in told:
            arguments = ["apt", published.version, published.newer, *LAYOUTS[layout]]
            seed = user_data("deb", published.key, tmp_path_factory.mktemp("seed"))
            told[layout] = outcomes(tell_story(layout, repositories, seed, arguments, VM_SECONDS))
        return told[layout]

    return results


@pytest.mark.parametrize("layout, step", IN_VIRTUAL_MACHINES)
def test_in_a_virtual_machine(virtual_machines, layout, step):
    check(virtual_machines(layout), step)
