# SPDX-License-Identifier: MIT
"""The service on a machine whose SELinux enforces Debian's policy or EL's, with the module of ours and without it."""

import re

import pytest

from conftest import packages
from programs import build_directory
from selinux_vm import POLICIES, tell_story

# Emulated: 2 to 8 minutes each, up to 20 where others work beside them.
pytestmark = pytest.mark.long
SECONDS = 1800
BACKENDS = ("sk_lookup", "cgroup_connect", "nftables", "iptables")
MODULE = "packaging/msi2imds.pp"


@pytest.fixture(params=POLICIES)
def policy(request):
    chosen = POLICIES[request.param]
    if not chosen.is_there:
        pytest.skip(f"{chosen.installed} is missing (docs/selinux.md, What is tested)")
    return chosen


def played(module, policy):
    story = tell_story(packages("msi2imds_*_amd64.deb")[0], module, policy, SECONDS)
    assert "\nEND" in story and "ENFORCING Enforcing" in story, story
    return story


def domains(story):
    """By moment, those of our processes."""
    found = {}
    for moment, domain in re.findall(r"^DOMAIN (\w+) (\w+)$", story, re.MULTILINE):
        found.setdefault(moment, set()).add(domain)
    return found


def failed(story):
    return re.findall(r"^STEP .*: failed.*$", story, re.MULTILINE)


def test_with_the_module_everything_works_and_nothing_is_denied(policy):
    story = played(build_directory() / MODULE, policy)
    assert not failed(story), story
    assert not re.findall("^AVC.*$", story, re.MULTILINE), story
    ours = {"msi2imds_t", "msi2imds_responder_t"}
    # The module comes and goes while the service runs.
    changes = {"without": {policy.service_domain}, "after": ours, "removed": {policy.service_domain}}
    assert domains(story) == {**changes, **dict.fromkeys(BACKENDS, ours)}


def test_without_the_module_it_serves_as_any_other_service_of_the_machine(policy):
    story = played(None, policy)
    label_steps = {"label of the program", "label of the state", "label of the socket"}
    assert {re.match("STEP (.*?): ", step)[1] for step in failed(story)} == label_steps, story
    assert domains(story) == {backend: {policy.service_domain} for backend in BACKENDS}
