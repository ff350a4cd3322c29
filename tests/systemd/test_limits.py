# SPDX-License-Identifier: MIT
"""What the units limit: addresses, memory, processes; and that none of it is in the way of what they are for."""

import re
import subprocess

import pytest

import duties
from legacy_port import PORT, a_token_is_served
from machine import IMDS_ADDRESS
from raw_http import RawConnection, request
from systemd_service import OBSERVER, SystemdService
from test_units import DOCUMENT, SERVICE

ELSEWHERE = "10.9.8.7"
ELSEWHERE_UNIT = f"[Service]\nExecStart=/usr/local/sbin/imds-emulator --listen {ELSEWHERE}:80\n"
MIB = 1024 * 1024


@pytest.fixture
def elsewhere(machine):
    """An address of the machine's own that is neither the loopback's nor link-local, with an IMDS on it."""
    subprocess.run(machine.network.command("ip", "address", "add", f"{ELSEWHERE}/32", "dev", "lo"), check=True)
    machine.write("/etc/systemd/system/imds-elsewhere.service", ELSEWHERE_UNIT)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "imds-elsewhere")
    yield ELSEWHERE
    machine.run("systemctl", "stop", "imds-elsewhere")
    subprocess.run(machine.network.command("ip", "address", "delete", f"{ELSEWHERE}/32", "dev", "lo"), check=True)


@pytest.fixture
def addresses_are_filtered(service):
    """Where systemd can attach its programs to cgroups."""
    service.override(f"[Service]\nIPAddressDeny={IMDS_ADDRESS}\nIPAddressAllow=\n", name="filter")
    service.start()
    if a_token_is_served(service.machine.network):
        pytest.skip("this systemd cannot filter addresses here")
    service.reset()


def drop_in_for(address):
    """The one that the document shows, for this address."""
    shown = re.search(r"\.d/imds\.conf\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    return re.sub(r"[\d.]+\n", f"{address}\n", shown)


def test_packets_to_another_imds_need_the_drop_in(service, elsewhere, addresses_are_filtered):
    settings = {"imds.endpoint": f"http://{elsewhere}"}
    assert duties.starts(service, settings=settings)
    assert not a_token_is_served(service.machine.network)
    service.stop()
    service.override(drop_in_for(elsewhere), name="imds")
    assert duties.starts(service, settings=settings)
    assert a_token_is_served(service.machine.network)


def ask_from(network, source, address):
    client = network.socket()
    client.settimeout(5)
    client.bind((source, 0))
    client.connect((address, PORT))
    with RawConnection(client) as connection:
        return connection.ask(request()).status


# Programs on cgroups see the machine's own programs alone, and `listen` has its own sockets.
@pytest.mark.parametrize("backend", ["sk_lookup", "nftables", "iptables"])
def test_redirected_connections_pass(service, backend, elsewhere, addresses_are_filtered):
    """Whatever address of the machine a client dials from: the sockets are those of the socket unit."""
    service.start(backend)
    network = service.machine.network
    assert a_token_is_served(network) and a_token_is_served(network, "::1")
    for source in ("127.0.0.1", "127.9.9.9", elsewhere):
        assert ask_from(network, source, "127.0.0.1") == 200


@pytest.mark.parametrize(("unit", "memory"), [(SERVICE, 768 * MIB), (OBSERVER, 512 * MIB)])
def test_memory_and_processes_are_limited(machine, unit, memory):
    service = SystemdService(machine, unit)
    assert (service.show("MemoryMax"), service.show("TasksMax")) == (str(memory), "64")
    assert service.show("OOMPolicy") == "continue"
