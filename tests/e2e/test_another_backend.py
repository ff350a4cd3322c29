# SPDX-License-Identifier: MIT
"""A start with another backend than the last time: nothing of the old one stays, and nobody waits for it."""

import itertools
import subprocess

import pytest

import backends
import cgroup
from callers import Callers
from kernel_state import children_of, kill_all
from legacy_port import a_token_is_served
from programs import run_in
from raw_http import RawConnection, request
from waiting import wait_until

PAIRS = list(itertools.permutations(backends.ALL, 2))
# These stay in force while the service manager holds the sockets.
HANDED_OVER = ("sk_lookup", "cgroup_connect", "nftables", "iptables")
MOST_LIKELY = "sk_lookup"  # what "auto" chooses on the kernel of the tests


def traces(host, pins):
    """By backend, what of us is in the kernel."""
    nft = run_in(host, "nft", "--stateless", "list", "tables").stdout.splitlines()
    legacy = [line for name in ("iptables", "ip6tables") for line in run_in(host, f"{name}-legacy-save").stdout.splitlines()]
    modern = [line for family in ("ip", "ip6") for line in run_in(host, "nft", "list", "table", family, "nat").stdout.splitlines()]
    command = ["bpftool", "cgroup", "show", cgroup.directory_of(cgroup.own_scratch())]
    attached = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    pinned = [path.name for path in pins.glob("*")]
    programs = [line for line in attached if "msi2imds_connec" in line or "msi2imds_getpee" in line]
    found = {
        "sk_lookup": [name for name in pinned if name.startswith("sk_lookup")],
        "cgroup_connect": programs + [name for name in pinned if name.startswith("cgroup_connect")],
        # The table that keeps NAT alive for rules of either tool has eight digits behind its name.
        "nftables": [line for line in nft if line in ("table ip msi2imds", "table ip6 msi2imds")],
        "iptables": [line for line in legacy + modern if "MSI2IMDS" in line],
    }
    return {backend for backend, lines in found.items() if lines}


def settings_of(backend, pins):
    return {**backends.settings(backend), "redirect.pin_directory": str(pins)}


def left_by(backend):
    """What is there while it is in force, and the service holds no socket of its own."""
    return {backend} - {"listen"}


@pytest.mark.parametrize(("old", "new"), PAIRS, ids=["-to-".join(pair) for pair in PAIRS])
def test_the_old_backend_goes_once_the_new_one_is_there(emulator, new_service, held, host, pins, old, new):
    service = held.start(new_service(settings_of(old, pins)))
    assert traces(host, pins) == left_by(old)
    with Callers(host, count=2) as callers:
        callers.wait_for("token", 10, count=2)
        service.process.terminate()
        assert service.wait_exit() == 0
        assert traces(host, pins) == (left_by(old) if old in HANDED_OVER else set())
        service.configure(settings_of(new, pins))
        held.start(service)
        wait_until(lambda: service.status_json()["backend"] == new, 10, f"status tells {new}")
        callers.wait_for("token", 10, count=2)
    print(f"{old} to {new}: {callers}")
    if old in HANDED_OVER:
        assert set(callers.outcomes) == {"token"}, "nobody was refused, and nobody was cut off"
    wait_until(lambda: traces(host, pins) == left_by(new), 10, f"{new} alone is there")
    assert a_token_is_served(host) and a_token_is_served(host, "::1")
    service.detach()
    assert traces(host, pins) == set()


@pytest.mark.parametrize("old", HANDED_OVER)
def test_who_waited_is_served_by_another_backend(emulator, new_service, held, host, pins, old):
    """In the sockets that are held, where the new backend would not look."""
    service = held.start(new_service(settings_of(old, pins)))
    service.process.terminate()
    assert service.wait_exit() == 0
    with RawConnection(host.connect()) as ipv4, RawConnection(host.connect("::1")) as ipv6:
        for waiting in (ipv4, ipv6):
            waiting.send(request())
        service.configure(settings_of("listen", pins))
        held.start(service)
        for waiting in (ipv4, ipv6):
            assert waiting.read_reply().status == 200
            assert waiting.ask(request()).status == 200, "and may go on"
    service.detach()


@pytest.mark.parametrize("old", ["nftables", "iptables"])
def test_another_choice_of_auto_is_a_change_as_well(emulator, new_service, held, host, pins, old):
    service = held.start(new_service(settings_of(old, pins)))
    assert service.stop() == 0
    assert traces(host, pins) == {old}
    service.configure(settings_of("auto", pins))
    held.start(service)
    assert service.status_json()["backend"] == MOST_LIKELY
    wait_until(lambda: traces(host, pins) == {MOST_LIKELY}, 10, "the old one's traces go")
    service.detach()


def kill_with_guards(service):
    """As the out-of-memory killer, or `systemctl kill`, may do: nobody is left who would undo anything."""
    kill_all([*children_of(service.pid), service.pid])
    service.process.wait()


@pytest.mark.parametrize(("old", "new"), [("nftables", "listen"), ("iptables", "sk_lookup"), ("nftables", "nftables")])
def test_what_was_left_without_held_sockets_goes(emulator, new_service, host, pins, old, new):
    service = new_service(settings_of(old, pins)).start()
    kill_with_guards(service)
    assert traces(host, pins) == {old}
    service.configure(settings_of(new, pins))
    service.start()
    wait_until(lambda: traces(host, pins) == (left_by(new) - {"sk_lookup"}), 10, "nothing of the old one is there")
    assert a_token_is_served(host) and a_token_is_served(host, "::1")


@pytest.mark.parametrize("old", ["sk_lookup", "cgroup_connect"])
@pytest.mark.parametrize("new", ["sk_lookup", "cgroup_connect", "listen"])
def test_a_pin_that_leads_to_sockets_of_the_past_goes(emulator, new_service, held, host, pins, old, new):
    service = held.start(new_service(settings_of(old, pins)))
    assert service.stop() == 0
    for listener in held.listeners:
        listener.close()
    service.configure(settings_of(new, pins))
    service.start()
    wait_until(lambda: not pins.exists(), 10, "the pin goes")
    assert a_token_is_served(host)


def test_tables_that_were_closing_go(emulator, new_service, host, pins):
    """Their remover may have been killed."""
    for family in ("ip", "ip6"):
        assert run_in(host, "nft", "add", "table", family, "msi2imds_closing").returncode == 0
    service = new_service(settings_of("listen", pins)).start()
    wait_until(lambda: traces(host, pins) == set(), 10, "the tables go")
    assert service.stop() == 0
    for family in ("ip", "ip6"):
        assert run_in(host, "nft", "add", "table", family, "msi2imds_closing").returncode == 0
    new_service(settings_of("nftables", pins)).start()
    assert "closing" not in run_in(host, "nft", "list", "tables").stdout


def test_another_namespace_keeps_its_own(emulator, new_service, held, host, other_host, pins):
    """Each machine has its own rules; a pin tells whose it is."""
    neighbour = new_service({**settings_of("nftables", pins), "imds.endpoint": "http://127.0.0.1:80"})
    neighbour.namespace = other_host
    neighbour.start()
    service = held.start(new_service(settings_of("listen", pins)))
    assert neighbour.status_json()["intercepting"] is True
    assert "msi2imds" in run_in(other_host, "nft", "list", "tables").stdout
