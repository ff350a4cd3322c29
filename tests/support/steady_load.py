# SPDX-License-Identifier: MIT
"""New connections at an even rate: for each, when it was dialled, when it ended and how."""

import collections
import dataclasses
import pathlib
import subprocess
import sys
import threading

import cgroup
from legacy_port import PORT
from waiting import SLOWNESS, wait_until

SCRIPT = pathlib.Path(__file__).with_name("dialling.py")
SERVED = ("token", "elsewhere")
ADDRESSES = ("127.0.0.1", "::1")


@dataclasses.dataclass(frozen=True)
class Request:
    began: float
    ended: float
    address: str
    outcome: str

    @property
    def is_served(self):
        return self.outcome in SERVED


class SteadyLoad:
    """Dials from entry to exit; whoever still waits at the exit is waited for."""

    def __init__(self, host, rate=40, patience=10, cgroup_path=None):
        self._host = host
        self._arguments = [str(PORT), str(rate), str(patience * SLOWNESS)]
        self._patience = patience
        self._cgroup = cgroup_path
        self.requests = []
        self.begun = 0
        self._counts = collections.Counter()  # by outcome and address

    def __enter__(self):
        command = self._host.command(sys.executable, "-B", SCRIPT, *self._arguments)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, text=True, **pipes)
        if self._cgroup:
            cgroup.move(self._process.pid, self._cgroup)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait((self._patience + 20) * SLOWNESS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self):
        for line in self._process.stdout:
            if line == "+\n":
                self.begun += 1
                continue
            began, ended, address, outcome = line.rstrip("\n").split(" ", 3)
            self.requests.append(Request(float(began), float(ended), address, outcome))
            self._counts[outcome, address] += 1

    @property
    def open(self):
        """How many wait for their answer."""
        return self.begun - len(self.requests)

    def count(self, *outcomes, address=None):
        addresses = ADDRESSES if address is None else (address,)
        return sum(self._counts[outcome, address] for outcome in outcomes for address in addresses)

    def wait_for(self, *outcomes, count=10, seconds=20):
        """Until `count` more requests to each address have ended like this."""
        goals = {address: self.count(*outcomes, address=address) + count for address in ADDRESSES}
        wait_until(
            lambda: all(self.count(*outcomes, address=address) >= goal for address, goal in goals.items()),
            seconds,
            f"{count} more requests to each address end with {' or '.join(outcomes)}; so far {dict(self.outcomes)}",
        )

    @property
    def outcomes(self):
        return collections.Counter(sent.outcome for sent in list(self.requests))

    @property
    def longest_wait(self):
        return max((sent.ended - sent.began for sent in self.requests), default=0)
