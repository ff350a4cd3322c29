# SPDX-License-Identifier: MIT
"""One machine with systemd for all tests; each begins with the units installed and stopped."""


import pytest

pytest.register_assert_rewrite("callers", "legacy_port", "machine", "symptoms", "systemd_service")

import session
from machine import Machine
from systemd_service import BACKENDS, SystemdService

# Stands in every token of the emulator, and must never stand in a log.
TOKEN_MARK = "EMULATORSECRET"
SERVICE = pytest.StashKey()


def pytest_configure():
    session.begin("the systemd tests boot a container: run them as root")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed and SERVICE in item.stash:
        report.sections.append(("journal of the units", item.stash[SERVICE].journal()))


@pytest.fixture(scope="session")
def machine():
    with Machine() as booted:
        yield booted


@pytest.fixture
def service(request, machine):
    """The units, stopped before and after the test."""
    service = request.node.stash[SERVICE] = SystemdService(machine)
    yield service
    service.reset()
    assert TOKEN_MARK not in service.journal(), "a token stands in the journal"


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture(params=[name for name in BACKENDS if name != "listen"])
def redirecting_backend(request):
    """One that leaves the legacy port free for somebody else."""
    return request.param
