# SPDX-License-Identifier: MIT
"""From the packages of the previous release to these and back, by the machine's own package manager.

Each machine tells guest/upgrade.py once; a test is one step of it there. tests/support/previous-release has the packages.
"""

import dataclasses
import pathlib
import re
import shutil
import subprocess

import pytest

from cloud_machine import CloudMachine
from conftest import (
    RpmMachine, check, newer_version, outcomes, packages, skip_what_the_mirrors_no_longer_have, use_apt, use_dnf,
)  # fmt: skip
from programs import CHECKOUT
from upgrade import THERE_AND_BACK

PREVIOUS_RELEASE = CHECKOUT / "tests/support/previous-release"
MACHINE_SECONDS = 600


@dataclasses.dataclass
class Way:
    """Which system is upgraded, and how connections are redirected on it."""

    manager: str = "apt"
    suite: str = "bookworm"
    backend: str = "auto"

    def __str__(self):
        return f"{self.manager}-{self.suite}-{self.backend}"


OTHER_BACKENDS = ("cgroup_connect", "nftables", "iptables", "listen")
LONG = [
    *[Way(backend=backend) for backend in OTHER_BACKENDS],
    *[Way(suite=suite) for suite in ("bullseye", "trixie")],
    *[Way("dnf", backend=backend) for backend in ("auto", "nftables")],
]  # fmt: skip
WAYS = [pytest.param(Way(), id=str(Way())), *[pytest.param(way, id=str(way), marks=pytest.mark.long) for way in LONG]]


@pytest.fixture(scope="module")
def previous():
    """The directory with the previous release's packages, and its version."""
    looked = subprocess.run([PREVIOUS_RELEASE, "--look"], capture_output=True, text=True)
    if looked.returncode != 0:
        pytest.skip(looked.stderr.strip())
    directory = pathlib.Path(looked.stdout.strip())
    (deb,) = packages("msi2imds_*_amd64.deb", directory)
    return directory, re.fullmatch(r"msi2imds_(.+)-1_amd64\.deb", deb.name)[1]


@pytest.fixture(scope="module")
def site(previous, newer_packages, base_rpm, publish, tmp_path_factory):
    """Signed repositories: apt with the previous release, apt-newer with both, yum with both."""
    directory, _ = previous
    made = tmp_path_factory.mktemp("upgrade")
    publish(made / "apt", *packages("*.deb", directory))
    shutil.copytree(made / "apt", made / "apt-newer")
    publish(made / "apt-newer", *packages("*.deb", newer_packages))
    publish(made / "yum", *packages("msi2imds-[0-9]*.rpm", directory), *packages("msi2imds-[0-9]*.rpm", newer_packages), base_rpm)
    return made


@pytest.fixture(scope="module", params=WAYS)
def results(request, previous, site):
    """How the steps ended on the machine of a way."""
    way = request.param
    skip_what_the_mirrors_no_longer_have(way.suite)
    kind, use = {"apt": (CloudMachine, use_apt), "dnf": (RpmMachine, use_dnf)}[way.manager]
    with kind(way.suite, {path.name: path for path in site.iterdir()}, "#cloud-config\n") as machine:
        use(machine, (site / "apt/msi2imds.asc").read_text())
        machine.write("/srv/backend", way.backend)
        command = ["python3", "/srv/story/upgrade.py", way.manager, previous[1], newer_version()]
        ended = machine.attempt(*command, timeout=MACHINE_SECONDS)
    return outcomes(ended.stdout + ended.stderr)


@pytest.mark.parametrize("step", [step.__name__ for step in THERE_AND_BACK])
def test_upgrade(results, step):
    check(results, step)
