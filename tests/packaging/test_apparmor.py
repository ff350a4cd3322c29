# SPDX-License-Identifier: MIT
"""The deb's service in its AppArmor profiles, as the package has them (complain) and enforced (docs/apparmor.md)."""

import re
import shutil

import pytest

from conftest import packages
from story_vm import tell_story

# Emulated: some 10 minutes.
pytestmark = pytest.mark.long
SECONDS = 1800
MODES = ("complain", "enforce")
MOMENTS = ("sk_lookup", "cgroup_connect", "nftables", "iptables", "listen", "replaced", "upgraded", "observer")


@pytest.fixture(scope="module")
def story():
    def add_package(root):
        shutil.copy(packages("msi2imds_*_amd64.deb")[0], root / "root/msi2imds.deb")

    command = ("apparmor_story", "/root/msi2imds.deb")
    told = tell_story(command, ("apparmor",), add_package, "apparmor=1 security=apparmor", SECONDS)
    print(told[-20000:])
    assert "\nEND" in told
    return told


def test_everything_works(story):
    assert not re.findall("^STEP .*: failed.*$", story, re.MULTILINE)


@pytest.mark.parametrize("mode", MODES)
def test_the_responder_is_in_a_profile_of_its_own_besides(story, mode):
    found = {}
    for moment, label in re.findall(rf"^LABEL {mode} (\w+) (.*) \({mode}\)$", story, re.MULTILINE):
        found.setdefault(moment, set()).add(label)
    moments = MOMENTS if mode == "complain" else (*MOMENTS, "restarted")
    assert found == dict.fromkeys(moments, {"msi2imds", "msi2imds//&msi2imds//responder"})


def test_nothing_is_refused_or_would_be(story):
    assert not re.findall("^LOG .*$", story, re.MULTILINE)
