# SPDX-License-Identifier: MIT
"""One user takes as much as he can get; another one is served as if he were not there."""

import contextlib
import re
import subprocess
import sys
import time

import pytest

from memory import resident_bytes
from programs import CHECKOUT, stopped
from raw_http import RawConnection, request
from waiting import wait_until

PORT = 50342
METRICS_PORT = 9342
ATTACKER, NEIGHBOUR = 4321, 5555
MIB = 1024 * 1024
MOST_MEMORY = 128 * MIB
MEMORY_AFTERWARDS = 32 * MIB
SUPPORT = CHECKOUT / "tests" / "support"

# What takes seconds, with limits that are as much smaller; and the whole of it.
SMALL = pytest.param((8, 40), marks=pytest.mark.settings({"responder.max_connections": 128}))
WHOLE = pytest.param((400, 50), marks=pytest.mark.long)


@contextlib.contextmanager
def attacking(host, way, processes, each, uid=ATTACKER):
    """A user's processes, once all of them have what they want."""
    arguments = [str(argument) for argument in (way, PORT, uid, processes, each)]
    with subprocess.Popen(
        host.command(sys.executable, SUPPORT / "attacker.py", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as attacker:
        assert attacker.stdout.readline() == "ready\n"
        yield
        attacker.stdin.close()
        attacker.wait()


def neighbour(host, count=60):
    """{"cached": [seconds], "new": [seconds]} of another user, all of whose requests have to be answered."""
    asked = subprocess.run(
        host.command(sys.executable, SUPPORT / "neighbour.py", str(PORT), str(NEIGHBOUR), str(count)),
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = {"cached": [], "new": []}
    outcomes = []
    for line in asked.stdout.splitlines():
        kind, outcome, took = line.split()
        outcomes.append(outcome)
        seconds[kind].append(float(took))
    return outcomes, seconds


def quantile(seconds, part):
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * part))]


def add_rows_of_neighbour(row, attack, host, count=60):
    outcomes, seconds = neighbour(host, count)
    answered = outcomes.count("200")
    row(f"{attack}: another user's requests", "all answered", f"{answered} of {len(outcomes)}", answered == count)
    row(f"{attack}: his cached token, p99", "100 ms", f"{quantile(seconds['cached'], 0.99) * 1000:.0f} ms", None)
    row(f"{attack}: his new token", "1 s", f"{max(seconds['new']):.2f} s", None)


def add_rows_of_memory(row, attack, service):
    for name, pid in (("responder", service.responder()), ("supervisor", service.pid)):
        used = resident_bytes(pid)
        row(f"{attack}: memory of the {name}", "128 MiB", f"{used / MIB:.0f} MiB", used <= MOST_MEMORY)


def add_row_of_memory_afterwards(row, attack, service):
    responder = service.responder()
    wait_until(lambda: resident_bytes(responder) <= MEMORY_AFTERWARDS, 15, "memory is given back")
    row(f"{attack}: memory afterwards", "32 MiB", f"{resident_bytes(responder) / MIB:.0f} MiB", True)


@contextlib.contextmanager
def growing(file, least_seconds=3):
    """Afterwards `bytes_a_second` of what it yields says how fast the file has grown."""

    class Growth:
        bytes_a_second = 0

    growth = Growth()
    before, began = file.stat().st_size, time.monotonic()
    yield growth
    time.sleep(max(0, least_seconds - (time.monotonic() - began)))  # a rate needs some time to be one
    growth.bytes_a_second = (file.stat().st_size - before) / (time.monotonic() - began)


@pytest.mark.parametrize("size", [SMALL, WHOLE])
@pytest.mark.parametrize("way", ["idle", "bodies", "unread"])
def test_one_user_with_all_connections(way, size, service, host, row):
    processes, each = size
    attack = f"{processes * each} connections: {way}"
    responder = service.responder()
    neighbour(host, 1)  # the token that everybody has
    with attacking(host, way, processes, each):
        add_rows_of_neighbour(row, attack, host)
        add_rows_of_memory(row, attack, service)
        add_row_of_kernel_memory(row, attack, host)
    add_row_of_memory_afterwards(row, attack, service)
    assert service.responder() == responder


@pytest.mark.parametrize("way", ["lines", "chunks"])
def test_one_user_who_sends_without_end(way, service, host, row):
    attack = f"40 connections: {way} without end"
    responder = service.responder()
    neighbour(host, 1)  # the token that everybody has
    with attacking(host, way, 4, 10):
        add_rows_of_neighbour(row, attack, host)
        add_rows_of_memory(row, attack, service)
    add_row_of_memory_afterwards(row, attack, service)
    assert service.responder() == responder, "it was taken for hung"


# A client who is gone when its connection is accepted cannot be told from others who are.
@pytest.mark.parametrize("most", [pytest.param(64, marks=pytest.mark.settings({"responder.max_connections": 64}))])
def test_connections_that_nobody_holds(most, emulator, service, host, row):
    attack = f"{3 * most} busy connections, {3 * most} whose client is gone"
    neighbour(host, 1)  # the token that everybody has
    emulator.set_faults({"kind": "hang"})
    with attacking(host, "slow", 3, most):
        with stopped(service.responder()), attacking(host, "orphans", 3, most):
            pass
        outcomes, _ = neighbour(host, 9)
        row(f"{attack}: another user's requests", "all answered", f"{outcomes.count('200')} of 9", outcomes == ["200"] * 9)
        add_row_of_kernel_memory(row, attack, host)


def kernel_memory(host):
    """What sockets but those of its clients take, as the kernel counts it: [bytes]."""
    command = host.command("ss", "--tcp", "--memory", "--numeric", "--no-header", f"not dport = :{PORT}")
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    numbers = re.findall(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+)", shown)
    return [sum(map(int, of_socket)) for of_socket in numbers]


def add_row_of_kernel_memory(row, attack, host):
    most = max(kernel_memory(host), default=0)
    row(f"{attack}: the kernel's memory for one", "28 KiB", f"{most / 1024:.0f} KiB", most <= 28 * 1024)


# The uids of one range, and those of as many users.
@pytest.mark.parametrize("first", [200000, 20000])
@pytest.mark.parametrize("uids", [400, pytest.param(8600, marks=pytest.mark.long)])
def test_many_uids_with_a_connection_each(uids, first, service, host, row):
    attack = f"{uids} uids from {first} on with a connection each"
    neighbour(host, 1)
    with attacking(host, "idle-uids", 1, uids, uid=first):
        add_rows_of_neighbour(row, attack, host)
        add_rows_of_memory(row, attack, service)


@pytest.mark.settings({"responder.max_connections": 16})
def test_whoever_has_few_connections_keeps_them(service, host):
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(RawConnection(host.connect()))  # root's
        assert kept.ask(request()).status == 200
        with attacking(host, "idle", 2, 20):
            for _ in range(5):
                assert neighbour(host, 10)[0] == ["200"] * 10
                assert kept.ask(request()).status == 200
    assert metric(service, "msi2imds_connections_gave_way_total") > 0


@pytest.mark.settings({"responder.request_timeout": 1})
def test_a_connection_without_a_byte_is_closed(connect):
    silent, asking = connect(), connect()
    assert asking.ask(request()).status == 200
    assert silent.is_closed_within(5)
    assert asking.ask(request()).status == 200, "between requests there is more time"


@pytest.mark.settings({"log.level": "info"})
@pytest.mark.parametrize("audit_format", ["text", "json"])
def test_resources_of_64_kib(emulator, new_service, host, row, audit_format):
    service = new_service({"audit.format": audit_format}).start()
    neighbour(host, 1)
    attack = f"resources of 0xff, {audit_format}"
    with attacking(host, "resources", 10, 5), growing(service.audit) as audit, growing(service.log) as log:
        add_rows_of_neighbour(row, attack, host)
        add_rows_of_memory(row, attack, service)
    row(f"{attack}: growth of the audit", "1 MiB/s", f"{audit.bytes_a_second / MIB:.2f} MiB/s", audit.bytes_a_second <= MIB)
    row(f"{attack}: growth of the log", "64 KiB/s", f"{log.bytes_a_second / 1024:.1f} KiB/s", log.bytes_a_second <= 65536)
    longest = max(len(line) for line in service.audit.read_bytes().splitlines())
    row(f"{attack}: longest line of the audit", "32 KiB", f"{longest} bytes", longest <= 32768)


@pytest.mark.settings({"audit.max_rate": 5})
def test_the_audit_tells_what_it_lacks(service, host):
    with attacking(host, "resources", 2, 5):
        wait_until(lambda: metric(service, 'msi2imds_audit_lines_total{outcome="left_out"}') > 0, 30, "lines are left out")
        wait_until(lambda: "left_out" in service.audit.read_text(), 30, "the audit tells what it lacks")


@pytest.mark.settings({"log.level": "info", "imds.deadline": 5})
def test_warnings_about_one_user_are_limited(emulator, service, host, row):
    emulator.set_faults({"kind": "status", "status": 500})
    attack = "requests that fail"
    # More than IMDS is asked within imds.deadline, after which the rest fails at once.
    with attacking(host, "uids", 300, 4), growing(service.log) as log:
        service.wait_for_log("left out", 15)
    row(f"{attack}: growth of the log", "64 KiB/s", f"{log.bytes_a_second / 1024:.1f} KiB/s", log.bytes_a_second <= 65536)
    assert metric(service, "msi2imds_log_warnings_left_out_total") > 0


@pytest.mark.parametrize("uids", [200, pytest.param(1500, marks=pytest.mark.long)])
def test_many_subordinate_uids_with_new_resources(uids, service, host, row):
    neighbour(host, 1)
    with attacking(host, "uids", uids, 2, uid=200000):
        add_rows_of_neighbour(row, f"{uids} subordinate uids, new resources", host, 30)


def metric(service, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", service.run("metrics").stdout, re.MULTILINE)[1])


def ask_for_metrics(host, *headers, name="localhost"):
    with RawConnection(host.connect(port=METRICS_PORT)) as connection:
        return connection.ask(request(target="/metrics", host=name, headers=headers, metadata=False)).status


@pytest.mark.settings({"metrics.port": METRICS_PORT, "legacy.hosts": ["token-server"]})
def test_the_metrics_port_and_web_pages(service, host, row):
    for name in ("localhost", f"127.0.0.1:{METRICS_PORT}", "[::1]", "token-server"):
        assert ask_for_metrics(host, name=name) == 200
    foreign = [ask_for_metrics(host, name=name) for name in ("attacker.example", "10.0.0.1", "localhost.attacker.example")]
    row("metrics port: a foreign Host", "403", str(foreign), foreign == [403] * 3)
    origins = [ask_for_metrics(host, f"Origin: {origin}") for origin in ("http://attacker.example", "null")]
    row("metrics port: a foreign Origin", "403", str(origins), origins == [403] * 2)
    assert ask_for_metrics(host, f"Origin: http://localhost:{METRICS_PORT}") == 200


@pytest.mark.settings({"metrics.port": METRICS_PORT})
def test_the_metrics_port_and_idle_connections(service, host, row):
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(host.connect(port=METRICS_PORT))
        statuses = [ask_for_metrics(host) for _ in range(5)]
    row("metrics port: 64 idle connections", "200", str(statuses), statuses == [200] * 5)
