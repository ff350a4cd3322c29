# SPDX-License-Identifier: MIT
"""What one unprivileged user can do to others by way of the process that reads /proc."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

from kernel_state import status_of
from named_client import ClientScripts, NamedClient

ALLOWED, ATTACKER = 20001, 20002
SUPPORT = pathlib.Path(__file__).parent.parent / "support"
RULE_ON_GROUP = f"[[allow]]\nname = 'backup'\ngid = {ALLOWED}\n"


@pytest.fixture
def scripts():
    with ClientScripts() as made:
        shutil.copy(SUPPORT / "proc_reader_attacks.py", made.directory)
        yield made


@pytest.fixture
def start(emulator, new_service):
    def started(**settings):
        service = new_service({"policy.mode": "enforce", "log.level": "info", "audit.max_rate": 1000000, **settings})
        service.config.write_text(service.config.read_text() + RULE_ON_GROUP)
        return service.start()

    return started


AS_ATTACKER = ["setpriv", f"--reuid={ATTACKER}", f"--regid={ATTACKER}", "--clear-groups"]


@contextlib.contextmanager
def attack(host, scripts, *arguments, user=AS_ATTACKER):
    """The attack is under way within the context."""
    script = scripts.directory / "proc_reader_attacks.py"
    process = subprocess.Popen(
        host.command(*user, sys.executable, script, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def cpu_seconds_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(client, times):
    """How many tokens it got, and the longest wait of those, in seconds."""
    tokens, longest = 0, 0.0
    for _ in range(times):
        began = time.monotonic()
        tokens += client.ask()
        longest = max(longest, time.monotonic() - began)
    return tokens, longest


def test_command_lines_of_blanks(start, host, scripts, row):
    service = start()
    with NamedClient(host, scripts, ALLOWED) as allowed, attack(host, scripts, "ask", "60", " " * 4000):
        assert allowed.ask() == 1, "the reader runs"
        reader = service.reader_of_proc()
        before = cpu_seconds_of(reader)
        asked_before = len(service.audit_lines())
        tokens, longest = ask(allowed, 10)
        look_ups = len(service.audit_lines()) - asked_before
        each = (cpu_seconds_of(reader) - before) / look_ups
    row(
        "60 processes with command lines of 4,000 blanks, a rule on gid",
        "another user's 10 tokens of 10; a look-up <= 5 ms of CPU",
        f"{tokens} of 10, longest wait {longest * 1000:.0f} ms; {each * 1000:.2f} ms of CPU for each of {look_ups}",
        tokens == 10 and each <= 0.005,
    )


def test_idle_descriptors_without_the_observer(start, host, scripts, row):
    start(**{"callers.cgroup": ""})
    with NamedClient(host, scripts, ALLOWED) as allowed, attack(host, scripts, "ask-and-hold", "500000"):
        tokens, longest = ask(allowed, 10)
    row(
        "500,000 idle descriptors and 4 processes that ask, no observer, enforce",
        "another user's 10 tokens of 10",
        f"{tokens} of 10, longest wait {longest * 1000:.0f} ms",
        tokens == 10,
    )


@pytest.mark.parametrize("descriptors", [3000, pytest.param(10_000, marks=pytest.mark.long)])
def test_many_users_without_the_observer(start, host, scripts, row, descriptors):
    """As one user may who has that many: whoever cannot look at all of their processes at a time overlooks nobody."""
    service = start(**{"callers.cgroup": ""})
    with NamedClient(host, scripts, ALLOWED) as allowed, attack(host, scripts, "as-many", "120", str(descriptors), user=[]):
        tokens, longest = ask(allowed, 10)
        overlooked = [line for line in service.audit_lines() if line.get("uid") == ALLOWED and line.get("unknown")]
    row(
        f"120 uids with {descriptors:,} descriptors each that ask, no observer, enforce",
        "another user's 10 tokens of 10",
        f"{tokens} of 10, longest wait {longest * 1000:.0f} ms",
        tokens == 10,
    )
    assert not overlooked


def test_the_readers_cage(start, host, scripts, row):
    """What it cannot do from inside is tried by cage_test."""
    service = start()
    with NamedClient(host, scripts, ALLOWED) as allowed:
        assert allowed.ask() == 1
        reader = service.reader_of_proc()
        status = status_of(reader)
        files = {os.readlink(f"/proc/{reader}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{reader}/fd") if int(fd) > 2}
    found = {name: status[name] for name in ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
    two = f"{1 << 19 | 1 << 2:016x}"  # CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH
    wanted = {"CapPrm": two, "CapEff": two, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
    row(
        "a compromised reader of /proc",
        "two capabilities, a filter of system calls, one socket to the supervisor",
        f"{found}, descriptors: {sorted(files)}",
        found == wanted and [name for name in files if name == "socket"] == ["socket"],
    )
