# SPDX-License-Identifier: MIT
"""Whose request was it: every audit line names the right process, user and unit, or says that it does not know."""

import collections
import contextlib
import ctypes
import functools
import os
import pathlib
import signal
import socket
import time

import pytest

import backends
import cgroup
from named_client import NamedClient
from raw_http import request, token_target
from test_old_kernels import on_old_kernel, without_nft
from waiting import wait_until

EVERY_LINE = {"audit.max_rate": 1000000}
USERS = range(20001, 20009)
CGROUPS = 4
PROCESSES = 32
REQUESTS = 10_000
TICKS = os.sysconf("SC_CLK_TCK")
pytestmark = pytest.mark.settings(EVERY_LINE)


@pytest.fixture
def cgroups():
    paths = [f"{cgroup.own_scratch()}/backup-{number}.service" for number in range(CGROUPS)]
    for path in paths:
        cgroup.make(path)
    yield paths
    for path in paths:
        cgroup.remove(path)


def who(line):
    return line["pid"], line["uid"], line["unit"]


@pytest.mark.parametrize("backend", backends.ALL)
@pytest.mark.smoke
def test_every_line_names_its_caller(service, host, scripts, cgroups, backend):
    each = -(-REQUESTS // PROCESSES)
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(
                NamedClient(host, scripts, USERS[number % len(USERS)], cgroups[number // len(USERS) % CGROUPS])
            )
            for number in range(PROCESSES)
        ]
        for client in clients:
            client.begin(each)
        assert [client.end() for client in clients] == [each] * PROCESSES
    lines = service.wait_for_audit(each * PROCESSES, 30)
    expected = collections.Counter({(client.pid, client.uid, client.cgroup): each for client in clients})
    assert collections.Counter(who(line) for line in lines) == expected
    assert {line["outcome"] for line in lines} == {"token"}
    assert {line["source"] for line in lines} <= {"cache", "imds", "joined"}


def test_without_bpf_no_line_names_somebody_else(emulator, new_service, host, scripts):
    service = new_service({"redirect.backend": "auto"})
    service.start(wrapper=[*without_nft(), *on_old_kernel("3.10")])
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(NamedClient(host, scripts, uid)) for uid in USERS]
        for client in clients:
            client.begin(20)
        assert [client.end() for client in clients] == [20] * len(USERS)
    lines = service.wait_for_audit(20 * len(USERS))
    pids = {client.uid: client.pid for client in clients}
    assert all(line["pid"] in (None, pids[line["uid"]]) for line in lines)
    assert all(line["pid"] or line["unknown"] for line in lines)
    with dial(host) as connection:  # stays open, so that its holder can be found
        connection.sendall(request())
        assert service.wait_for_audit(20 * len(USERS) + 1)[-1]["pid"] == os.getpid()


def dial(host):
    connection = host.connect()
    connection.settimeout(20)
    return connection


def child_that(act):
    """The pid of a child process that does it and ends."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return pid


def test_who_is_gone_is_named_all_the_same(service, host):
    pid = child_that(lambda: dial(host).sendall(request()))
    os.waitpid(pid, 0)
    line = service.wait_for_audit(1)[0]
    assert line["pid"] == pid
    assert line["uid"] == 0


def wait_for_the_next_tick():
    """/proc tells starts in ticks: no number comes round again within one, save by force as here."""
    now = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    next_tick = int(now() * TICKS) + 1
    wait_until(lambda: now() * TICKS >= next_tick, 20, "the clock goes on")


def take_pid(pid, seconds=20):
    """A process with that number, which nobody has any more, or None where that does not come true."""
    last = pathlib.Path("/proc/sys/kernel/ns_last_pid")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        last.write_text(str(pid - 1))
        child = os.fork()
        if child == 0:
            os.execv("/bin/sleep", ["sleep", "600"])
        if child == pid:
            return child
        os.kill(child, 9)
        os.waitpid(child, 0)
    return None


def test_a_passed_socket_and_a_reused_pid_lead_to_nobody_else(service, host):
    ours, theirs = socket.socketpair()
    ours.settimeout(20)

    def dial_and_pass_on():
        with dial(host) as connection:
            socket.send_fds(theirs, [b"x"], [connection.fileno()])

    with contextlib.ExitStack() as stack:
        with service.accepting_paused():
            dialler = child_that(dial_and_pass_on)
            os.waitpid(dialler, 0)
            wait_for_the_next_tick()
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
            other = take_pid(dialler)
            assert other == dialler, "no process got the number again"
            stack.callback(os.waitpid, other, 0)
            stack.callback(os.kill, other, signal.SIGKILL)
        passed = stack.enter_context(socket.socket(fileno=descriptors[0]))
        passed.settimeout(20)
        passed.sendall(request())
        assert passed.recv(12) == b"HTTP/1.1 200"
        line = service.wait_for_audit(1)[0]
    ours.close()
    theirs.close()
    assert line["pid"] == dialler
    assert not line["program"]
    assert line["unknown"] == f"process {dialler} has ended"


HOSTILE_NAME = "a\nb\x1b<script>"
HOSTILE_RESOURCE = "https://<script>alert(1)</script>/"


def test_strangers_texts_stay_within_their_place(service, host):
    def dial_under_a_name():
        ctypes.CDLL(None).prctl(15, HOSTILE_NAME.encode(), 0, 0, 0)  # PR_SET_NAME
        dial(host).sendall(request(target=token_target(HOSTILE_RESOURCE)))

    with service.accepting_paused():
        os.waitpid(child_that(dial_under_a_name), 0)
    line = service.wait_for_audit(1)[0]
    assert line["comm"] == HOSTILE_NAME
    assert line["resource"] == HOSTILE_RESOURCE
    raw = service.audit.read_text()
    assert raw.count("\n") == 1 and "\x1b" not in raw
    shown = service.run("callers").stdout
    assert "a\\x0ab\\x1b<script>" in shown
    for text in (shown, service.run("metrics").stdout, service.log_text()):
        assert "\x1b" not in text
    page = service.run("callers", "--html", "-").stdout
    assert "<script>alert" not in page and "b\x1b" not in page


def test_the_left_out_are_counted(service, host, scripts):
    service.configure({"audit.max_rate": 5})
    service.process.send_signal(1)
    service.wait_for_log("reload: done")
    with NamedClient(host, scripts) as client:
        assert client.ask(100) == 100
        wait_until(lambda: client.ask() and any("left_out" in line for line in service.audit_lines()), 10, "a count")
    lines = service.audit_lines()
    left_out = sum(line.get("left_out", 0) for line in lines)
    written = sum("pid" in line for line in lines)
    assert left_out > 0
    assert written < 100
