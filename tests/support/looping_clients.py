# SPDX-License-Identifier: MIT
"""Real legacy clients that ask for tokens without end while something happens to the machine."""

import contextlib
import os
import signal
import subprocess
import threading
import time
import typing

from programs import CHECKOUT, CLIENTS, clean_environment
from raw_http import RESOURCE
from waiting import wait_until

SOURCES = CHECKOUT / "tests" / "e2e" / "clients"
GO_CLIENT = CLIENTS / "autorest8-client"
RATE = 50  # requests a second, each client
END_SECONDS = 30


class Outcome(typing.NamedTuple):
    """How a request ended."""

    time: float  # when it began, as of time.time()
    client: str
    answered_by: str | None  # "extension" or "msi2imds"; None: it failed
    detail: str


class LoopingClients:
    """Ask from entry to exit.

    curl and msrestazure make a connection for each request. go-autorest keeps one for as long as the server does, so
    whoever answered it first goes on until that one ends.
    """

    def __init__(self, namespace, discovery_file, port=50342, rate=RATE):
        assert GO_CLIENT.exists(), "run tests/support/setup-clients first"
        endpoint = f"http://localhost:{port}/oauth2/token"
        self._namespace = namespace
        self._endpoint = endpoint
        self._commands = {
            "go-autorest": (GO_CLIENT, discovery_file, rate),
            "msrestazure": ("/usr/bin/python3", SOURCES / "msrestazure_loop.py", RESOURCE, rate),
            "curl": (SOURCES / "curl_loop.sh", endpoint, RESOURCE, rate),
        }
        self._processes = {}
        self._readers = []
        self._outcomes = []
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
            env=clean_environment(MSI_ENDPOINT=self._endpoint),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # So that a curl that hangs ends with its shell.
            start_new_session=True,
        )
        self._processes[client] = process
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
            self._outcomes.append(Outcome(began, client, None, f"no reply within {END_SECONDS} s"))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return
        if process.returncode != 0:
            self._outcomes.append(Outcome(began, client, None, f"the client ended with status {process.returncode}"))

    def _read(self, client, lines):
        for line in lines:
            result, *rest, seconds, began = line.split()
            succeeded = result == "ok"
            who, reason = (rest[0], "") if succeeded else (None, " ".join(rest) + " ")
            self._longest = max(self._longest, float(seconds))
            self._outcomes.append(Outcome(float(began), client, who, f"{reason}after {seconds} s"))

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

    def _count_since(self, start, client):
        return sum(outcome.client == client and outcome.time > start for outcome in self.outcomes())
