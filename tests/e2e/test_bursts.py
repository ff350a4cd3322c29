# SPDX-License-Identifier: MIT
"""More is to be said about callers than the socket between the two processes takes at once: nothing of it is lost."""

import collections
import contextlib
import os
import pathlib
import re
import signal
import subprocess

import pytest

from programs import CHECKOUT
from waiting import wait_until

CALLERS = 64
# A question about so many callers, whose answer a socket does not hold; a caller::Clues of each.
BYTES_OF_A_QUESTION = 28 * 64
PYTHON = pathlib.Path("/usr/bin/python3").resolve()
# What is told of each caller is some KiB long.
ARGUMENTS = [f"argument-{number} words of plain text" for number in range(200)]
RULE = f'[[allow]]\nname = "backup"\nprogram = "{PYTHON}"\n'


@pytest.fixture
def service(emulator, new_service):
    made = new_service({"policy.mode": "enforce", "redirect.backend": "sk_lookup", "audit.max_rate": 1000000})
    made.config.write_text(made.config.read_text() + RULE)
    return made.start()


@contextlib.contextmanager
def asking(host):
    """Processes that have asked, and wait for the answer."""
    script = CHECKOUT / "tests" / "support" / "burst.py"
    processes = [
        subprocess.Popen(
            host.command(PYTHON, "-S", script, "50342", f"caller-{number}", *ARGUMENTS),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(CALLERS)
    ]
    try:
        assert [process.stdout.readline() for process in processes] == ["asked\n"] * CALLERS
        yield processes
    finally:
        for process in processes:
            process.communicate()


def statuses(processes):
    return [process.stdout.readline().strip() for process in processes]


class Stopped:
    """A process that stands still from entry on, until it is told to go on."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        self.stop()
        return self

    def __exit__(self, *_):
        self.go_on()

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)


def channels_of(host, pid):
    """Of each of its sockets that lead to other processes: how many bytes it has yet to read, and whether it is full."""
    shown = subprocess.run(host.command("ss", "-xmpHO"), capture_output=True, text=True, check=True).stdout
    lines = [line for line in shown.splitlines() if line.startswith("u_seq") and f"pid={pid}," in line]
    memory = [re.search(r"skmem:\(.*?,t(\d+),tb(\d+)", line).groups() for line in lines]
    return [(int(line.split()[2]), int(sent) >= int(limit)) for line, (sent, limit) in zip(lines, memory)]


def has_a_long_question(host, supervisor):
    return any(unread >= BYTES_OF_A_QUESTION for unread, _ in channels_of(host, supervisor))


def has_a_full_socket(host, pid):
    return any(is_full for _, is_full in channels_of(host, pid))


@pytest.mark.parametrize("meanwhile", ["nothing", "reload", "stop"])
def test_everybody_is_identified_and_served(service, host, meanwhile):
    with Stopped(service.responder()) as responder, asking(host) as processes:
        with Stopped(service.pid):
            responder.go_on()
            wait_until(lambda: has_a_long_question(host, service.pid), 10, "many callers are asked about at once")
            responder.stop()
        wait_until(lambda: has_a_full_socket(host, service.pid), 10, "the socket takes no more")
        if meanwhile == "reload":
            os.kill(service.pid, signal.SIGHUP)
            service.wait_for_log("reload: done")
        elif meanwhile == "stop":
            service.process.terminate()
            service.wait_for_log("stop: drain")
        responder.go_on()
        got = collections.Counter(statuses(processes))
        assert got == {"200": CALLERS}, {line.get("unknown") for line in service.audit_lines()}
    if meanwhile == "stop":
        assert service.wait_exit() == 0
    else:
        assert service.responder() == responder.pid
    lines = service.audit_lines()
    assert {line["pid"] for line in lines} == {process.pid for process in processes}
