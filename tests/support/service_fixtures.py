# SPDX-License-Identifier: MIT
"""The machine on which each test plays: its own network namespace, an IMDS in it, and msi2imds."""

import os
import pathlib
import subprocess

import pytest

pytest.register_assert_rewrite("callers", "tokens", "legacy_port", "raw_http", "emulator", "service", "crowd", "memory", "symptoms")

import backends
import cgroup
import session
from emulator import Emulator
from held_sockets import HeldSockets
from named_client import ClientScripts
from namespace import Namespace
from raw_http import RawConnection
from service import Service

SERVICES = pytest.StashKey()


def pytest_configure():
    session.begin("the end-to-end tests make network namespaces: run them as root")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        for service in item.stash.get(SERVICES, []):
            if service.log.exists():
                report.sections.append(("stderr of msi2imds", service.log_text()))


@pytest.fixture(scope="session", autouse=True)
def scratch_cgroup():
    with cgroup.scratch() as path:
        yield path


def merged_settings(request):
    """The settings markers of a test, the closest one winning."""
    settings = {}
    for marker in reversed(list(request.node.iter_markers("settings"))):
        settings.update(marker.args[0])
    return settings


@pytest.fixture
def scripts():
    """Where every user finds the programs of named clients."""
    with ClientScripts() as made:
        yield made


@pytest.fixture
def bare_host():
    """A machine without an IMDS address."""
    with Namespace() as namespace:
        yield namespace


@pytest.fixture
def host(bare_host):
    """A machine with 169.254.169.254 on its lo, like a VM of Azure without leaving the loopback."""
    bare_host.add_imds_address()
    return bare_host


@pytest.fixture
def other_host():
    """A second machine."""
    with Namespace() as namespace:
        yield namespace


@pytest.fixture
def emulator(request, host):
    arguments = [a for marker in request.node.iter_markers("emulator_arguments") for a in marker.args]
    running = Emulator(host, *arguments)
    yield running
    running.stop()


@pytest.fixture
def new_service(request, host):
    """Makes services that are not started yet; they end with the test, and may not have logged a token."""
    services = request.node.stash.setdefault(SERVICES, [])

    def make(settings=None):
        services.append(Service(host, {**merged_settings(request), **(settings or {})}))
        return services[-1]

    yield make
    failures = []
    for service in reversed(services):
        try:
            service.close()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, failures


@pytest.fixture
def backend():
    """Parametrize it to have `service` with one of the backends."""
    return None


@pytest.fixture
def service(emulator, new_service, backend):
    """msi2imds, ready, with the configuration of the test's settings markers."""
    return new_service(backends.settings(backend) if backend else None).start()


@pytest.fixture(scope="session")
def bpf_file_system():
    directory = pathlib.Path(f"/tmp/msi2imds-bpffs-{os.getpid()}")
    directory.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", directory], check=True)
    yield directory
    subprocess.run(["umount", directory], check=True)
    directory.rmdir()


@pytest.fixture
def pins(bpf_file_system):
    directory = bpf_file_system / "pins"
    yield directory
    assert not directory.exists(), f"left behind: {list(directory.iterdir())}"


@pytest.fixture
def held(host):
    with HeldSockets(host) as sockets:
        yield sockets


@pytest.fixture
def connect(host, service):
    """Opens raw connections to the legacy endpoint."""
    opened = []

    def open_connection(address="127.0.0.1", port=50342, timeout=10):
        opened.append(RawConnection(host.connect(address, port, timeout)))
        return opened[-1]

    yield open_connection
    for connection in opened:
        connection.socket.close()


@pytest.fixture
def connection(connect):
    return connect()


@pytest.fixture
def start_with_rules(emulator, new_service):
    """Starts msi2imds with [[allow]] rules in TOML."""

    def started(rules, mode="enforce", **settings):
        service = new_service({"policy.mode": mode, "audit.max_rate": 1000000, **settings})
        service.config.write_text(service.config.read_text() + rules)
        return service.start()

    return started
