# SPDX-License-Identifier: MIT
"""NAT rules come while connections are under way that lead to us in another way: their clients' ports are used again."""

import errno
import os
import signal
import socket
import struct
import subprocess

import pytest

import backends
from legacy_port import PORT
from one_port import CLIENT_PORT, connect_from
from programs import run_in
from raw_http import RESOURCE, RawConnection, request
from tokens import assert_legacy_success
from waiting import wait_until

TCP_REPAIR = 19
by_rules = pytest.mark.parametrize("backend", ["nftables", "iptables"])


def tracked(host):
    """What the kernel remembers of connections from that port which it does not translate."""
    lines = run_in(host, "cat", "/proc/net/nf_conntrack").stdout.splitlines()
    return [line for line in lines if line.count(f"port={CLIENT_PORT} ") == 2 and "port=342 " not in line]


def go_over_to(service, backend, more=None):
    service.configure({**backends.settings(backend), **(more or {})})
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.status_json()["backend"] == backend, 10, "the rules are there")


def connect_again(host):
    """None for a second after the client has closed the old connection: its socket cannot be replaced yet."""
    try:
        return connect_from(host, CLIENT_PORT)
    except OSError as failure:
        assert failure.errno == errno.EADDRNOTAVAIL, failure


def assert_served_from_the_same_port(host, service):
    """While the supervisor stands still, nobody makes the kernel forget anything."""
    assert tracked(host), "the kernel still knows the old one"
    with wait_until(lambda: connect_again(host), 5, "the port may be used again") as after:
        os.kill(service.pid, signal.SIGCONT)
        assert_legacy_success(after.ask(request()), RESOURCE)


@pytest.mark.parametrize("old", ["sk_lookup", "listen"])
@by_rules
def test_after_a_connection_that_was_idle(emulator, new_service, host, old, backend):
    """The kernel knows it since the rules came, and understands its end."""
    service = new_service(backends.settings(old)).start()
    with connect_from(host, CLIENT_PORT) as before:
        assert_legacy_success(before.ask(request()), RESOURCE)
        go_over_to(service, backend)
        os.kill(service.pid, signal.SIGSTOP)
    assert_served_from_the_same_port(host, service)


@pytest.mark.parametrize("old", ["sk_lookup", "listen"])
@by_rules
def test_after_a_connection_that_waited_for_its_answer(emulator, new_service, host, old, backend):
    """The server speaks first, and is not taken for the one who dialled."""
    patience = {"imds.request_timeout": 30, "imds.deadline": 60}
    service = new_service({**backends.settings(old), **patience}).start()
    before = connect_from(host, CLIENT_PORT)
    with emulator.standing_still():
        before.send(request())
        wait_until(emulator.has_unread_requests, 10, "IMDS is asked")
        go_over_to(service, backend, patience)
        os.kill(service.pid, signal.SIGSTOP)
    assert_legacy_success(before.read_reply(), RESOURCE)
    before.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    before.socket.close()
    assert_served_from_the_same_port(host, service)


def test_after_a_connection_whose_end_the_kernel_did_not_see(emulator, new_service, host):
    """Who dials from its port waits until the kernel has forgotten it, and the kernel does not wait for him."""
    service = new_service(backends.settings("sk_lookup")).start()
    before = connect_from(host, CLIENT_PORT)
    assert_legacy_success(before.ask(request()), RESOURCE)
    go_over_to(service, "nftables")
    before.socket.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)  # so that no packet tells of its end
    before.socket.close()
    with connect_from(host, CLIENT_PORT) as after:
        assert_legacy_success(after.ask(request()), RESOURCE)


@by_rules
def test_whose_port_is_used_twice_keeps_his_connection(emulator, new_service, host, backend):
    """He dialled our own port, as cgroup_connect had him do; from the same one, somebody dials the legacy port."""
    patience = {"imds.request_timeout": 30, "imds.deadline": 60}
    service = new_service({**backends.settings("cgroup_connect"), **patience}).start()
    before = connect_from(host, CLIENT_PORT)
    with emulator.standing_still():
        before.send(request())
        wait_until(emulator.has_unread_requests, 10, "IMDS is asked")
        go_over_to(service, backend, patience)
        after = connect_from(host, CLIENT_PORT)
        after.send(request())
    with before, after:
        for connection in (before, after):
            assert_legacy_success(connection.read_reply(), RESOURCE)


@by_rules
def test_another_program_that_dials_from_a_legacy_port_keeps_its_connection(emulator, new_service, host, backend):
    """Its firewall lets through what it knows: the kernel has to go on knowing it."""
    rules = """table inet fw {
      chain out {
        type filter hook output priority 10
        ct state invalid drop
        ct state established accept
        ct state new tcp flags & (fin|syn|rst|ack) != syn drop
      }
    }"""
    assert subprocess.run(host.command("nft", "-f", "-"), input=rules, text=True).returncode == 0
    server = host.listen("127.0.0.1", 5432)
    client = host.socket()
    client.bind(("127.0.0.1", PORT))
    client.connect(("127.0.0.1", 5432))
    accepted, _ = server.accept()
    service = new_service(backends.settings("sk_lookup")).start()
    with connect_from(host, CLIENT_PORT) as ours:  # so that there is something to forget
        assert_legacy_success(ours.ask(request()), RESOURCE)
        go_over_to(service, backend)
    wait_until(lambda: not tracked(host), 5, "the kernel is made to forget ours")
    accepted.settimeout(10)
    client.send(b"1")
    assert accepted.recv(1) == b"1"


@by_rules
def test_whoever_reached_the_extension_just_before_a_second_cut_over_is_answered(emulator, new_service, host, backend):
    """From the same port somebody was led to us before; the kernel remembers that for two minutes."""
    service = new_service(backends.settings(backend)).start()
    with connect_from(host, CLIENT_PORT) as before:
        assert_legacy_success(before.ask(request(headers=["Connection: close"])), RESOURCE)
    assert service.stop() == 0
    with host.listen("127.0.0.1", PORT) as extension, connect_from(host, CLIENT_PORT) as after:
        after.send(b"question")
        accepted, _ = extension.accept()
        with accepted:
            service.start()
            accepted.sendall(b"answer")
            assert after.socket.recv(16) == b"answer"
