# SPDX-License-Identifier: MIT
"""Real legacy clients that ask for tokens without end while something happens to the machine."""

import collections
import contextlib
import os
import signal
import subprocess
import threading
import time
import typing

import cgroup
from programs import CHECKOUT, CLIENTS, clean_environment
from raw_http import RESOURCE
from waiting import wait_until

SOURCES = CHECKOUT / "tests" / "e2e" / "clients"
MODULES = CLIENTS / "node" / "node_modules"
RATE = 50  # requests a second, each client
END_SECONDS = 30


class Outcome(typing.NamedTuple):
    """How a request ended."""

    time: float  # when it began, as of time.time()
    client: str
    answered_by: str | None  # "extension" or "msi2imds"; None: it failed
    detail: str
    seconds: float  # that it took


FORMER = ("go-autorest", "msrestazure", "curl")
LIBRARIES = ("go-autorest adal", "msrestazure", "ms-rest-azure")  # Go, Python, Node


class LoopingClients:
    """Ask from entry to exit, each `rate` times a second, those of `names`.

    Both go-autorest keep a connection for as long as the server does, so whoever answered it first goes on until that
    one ends: "go-autorest" is what 8.4 did, "go-autorest adal" the library as Debian has it. The others make a
    connection for each request.
    """

    def __init__(self, namespace, discovery_file, port=50342, rate=RATE, names=FORMER, cgroup_path=None):
        assert MODULES.exists(), "run tests/support/setup-clients first"
        self._namespace = namespace
        self._endpoint = f"http://localhost:{port}/oauth2/token"
        commands = {
            "go-autorest": (CLIENTS / "autorest8-client", discovery_file, rate),
            "go-autorest adal": (CLIENTS / "adal_loop-client", RESOURCE, rate),
            "msrestazure": ("/usr/bin/python3", SOURCES / "msrestazure_loop.py", RESOURCE, rate),
            "ms-rest-azure": ("node", SOURCES / "ms_rest_azure_loop.js", RESOURCE, rate),
            "curl": (SOURCES / "curl_loop.sh", self._endpoint, RESOURCE, rate),
        }
        self._commands = {name: commands[name] for name in names}
        self._cgroup = cgroup_path
        self._processes = {}
        self._readers = []
        self._outcomes = []
        self._counts = collections.Counter()  # by client and who answered
        self._longest = 0.0

    def __enter__(self):
        try:
            for client, command in self._commands.items():
                self._start(client, command)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self, client, command):
        process = self._namespace.popen(
            *command,
            env=clean_environment(MSI_ENDPOINT=self._endpoint, NODE_PATH=str(MODULES)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # So that a curl that hangs ends with its shell.
            start_new_session=True,
        )
        self._processes[client] = process
        if self._cgroup:
            cgroup.move(process.pid, self._cgroup)
        reader = threading.Thread(target=self._read, args=(client, process.stdout))
        self._readers.append(reader)
        reader.start()

    def __exit__(self, *_):
        for process in self._processes.values():
            process.stdin.close()
        for client, process in self._processes.items():
            self._await_end(client, process)
        for reader in self._readers:
            reader.join()
        for process in self._processes.values():
            process.stdout.close()

    def _await_end(self, client, process):
        began = time.time()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._outcomes.append(Outcome(began, client, None, f"no reply within {END_SECONDS} s", END_SECONDS))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return
        if process.returncode != 0:
            detail = f"the client ended with status {process.returncode}"
            self._outcomes.append(Outcome(began, client, None, detail, 0))

    def _read(self, client, lines):
        for line in lines:
            result, *rest, seconds, began = line.split()
            succeeded = result == "ok"
            who, reason = (rest[0], "") if succeeded else (None, " ".join(rest) + " ")
            self._longest = max(self._longest, float(seconds))
            self._outcomes.append(Outcome(float(began), client, who, f"{reason}after {seconds} s", float(seconds)))
            self._counts[client, who] += 1

    def outcomes(self):
        """All so far, in the order in which they ended."""
        return list(self._outcomes)

    def failed(self):
        return [outcome for outcome in self.outcomes() if outcome.answered_by is None]

    def answered_by_since(self, time, client=None):
        """Who answered the requests that began after that time, of all clients or of one."""
        return {
            outcome.answered_by
            for outcome in self.outcomes()
            if outcome.time > time and outcome.answered_by and client in (None, outcome.client)
        }

    def longest_wait(self):
        """The seconds that a request took at most."""
        return self._longest

    def wait_for_more(self, count, seconds=60):
        """Waits until `count` requests of each client have ended that began after the call."""
        start = time.time()
        for client in self._commands:
            wait_until(
                lambda client=client: self._count_since(start, client) >= count,
                seconds,
                f"{count} more requests of {client}",
            )

    def wait_for(self, *answered_by, count=10, seconds=60):
        """Until `count` more requests of each client are answered by one of these."""

        def counts(client):
            return sum(self._counts[client, who] for who in answered_by)

        goals = {client: counts(client) + count for client in self._commands}
        for client, goal in goals.items():
            wait_until(
                lambda client=client, goal=goal: counts(client) >= goal,
                seconds,
                f"{count} requests of {client} are answered by {' or '.join(answered_by)}",
            )

    def _count_since(self, start, client):
        return sum(outcome.client == client and outcome.time > start for outcome in self.outcomes())
