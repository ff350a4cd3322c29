# SPDX-License-Identifier: MIT
"""The log's reader has stopped reading: that must not concern anybody but him."""

import contextlib
import os
import re
import signal
import socket

import pytest

from callers import Callers
from legacy_port import a_token_is_served
from waiting import wait_until

LOST = re.compile(r"lost (\d+) log lines?, since nobody read the log")


class UnreadPipe:
    """A pipe that somebody has filled."""

    def __init__(self):
        self._reader, self.writer = os.pipe()
        self._content = b""
        own = os.open(f"/proc/self/fd/{self.writer}", os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(own, b"." * 4095 + b"\n")
        os.close(own)
        os.set_blocking(self._reader, False)

    def read(self):
        """All that came so far; what waits comes soon after."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._reader, 65536):
                self._content += piece
        return self._content.decode(errors="replace")

    def close(self):
        os.close(self._reader)
        os.close(self.writer)


class UnreadSocket(UnreadPipe):
    """As journald's: a connection whose other end does not read."""

    def __init__(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(BlockingIOError):
            while True:
                theirs.send(b"." * 4095 + b"\n", socket.MSG_DONTWAIT)
        self._reader, self.writer = ours.detach(), theirs.detach()
        self._content = b""
        os.set_blocking(self._reader, False)


@pytest.mark.smoke
@pytest.mark.parametrize("unread", [UnreadPipe, UnreadSocket])
def test_callers_are_served_while_nobody_reads_the_log(emulator, new_service, host, unread):
    log = unread()
    service = new_service()
    try:
        service.launch(stderr=log.writer)
        service.wait_ready()
        with Callers(host, pause=0) as callers:
            callers.wait_for("token", 10)
            first = service.responder()
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: service.find_responder() not in (None, first), 10, "another responder runs")
            # More than may wait: each request writes lines of debugging.
            callers.wait_for("token", 60, count=2500)
        assert set(callers.outcomes) <= {"token", "reset", "closed"}, "no connection is refused or times out"
        assert callers.outcomes["reset"] + callers.outcomes["closed"] <= 4, "only what was lost with the responder"

        wait_until(lambda: LOST.search(log.read()), 10, "the lost lines are told")
        os.kill(service.responder(), signal.SIGKILL)
        wait_until(lambda: a_token_is_served(host), 10, "a token is served")
        service.stop()
        assert re.search(rf"responder {first} .*signal {signal.SIGKILL.value}", log.read()), "it was said when it happened"
        lines = log.read().rstrip("\n").split("\n")
        own = [line for line in lines if not line.startswith(".")]
        start_of_line = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d (debug|info|warning|error) msi2imds")
        assert all(start_of_line.match(line) for line in own), "lines are whole"
        assert own[-1].endswith(": stopped")
    finally:
        service.stop()
        log.close()
