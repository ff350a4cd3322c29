# SPDX-License-Identifier: MIT
"""Legacy clients that keep asking while something happens to the machine."""

import collections
import pathlib
import subprocess
import sys
import threading

from waiting import wait_until

SCRIPT = pathlib.Path(__file__).with_name("calling.py")


class Callers:
    """Ask from entry to exit, and remember how each request ended and how long it took."""

    def __init__(self, machine, port=50342, count=4, pause=0.02):
        self._machine = machine
        self._arguments = [str(port), str(count), str(pause)]
        self.results = []

    def __enter__(self):
        # Of the namespaces only the network, since Python is not installed there.
        self._process = self._machine.popen(
            sys.executable, SCRIPT, *self._arguments, namespaces=("net",), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _read(self):
        for line in self._process.stdout:
            outcome, seconds = line.split()
            self.results.append((outcome, float(seconds)))

    def wait_for(self, outcome, seconds, count=20):
        """Waits until `count` more requests have ended like this."""
        goal = self.outcomes[outcome] + count
        wait_until(lambda: self.outcomes[outcome] >= goal, seconds, f"{count} requests end with {outcome!r}")

    @property
    def outcomes(self):
        return collections.Counter(outcome for outcome, _ in self.results)

    @property
    def longest_wait(self):
        return max(seconds for _, seconds in self.results)

    def __str__(self):
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.most_common())
        return f"{counts}; the longest took {self.longest_wait:.2f} s"
