# SPDX-License-Identifier: MIT
"""Plays systemd's socket unit: holds the listening sockets, while the service comes and goes."""

import contextlib

from programs import CHECKOUT

WITH_LISTEN_FDS = CHECKOUT / "tests" / "support" / "with_listen_fds.py"
LISTEN_PORT = 342


class HeldSockets:
    def __init__(self, host):
        self._host = host
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self.listeners = [
            self._stack.enter_context(self._host.listen(address, LISTEN_PORT, backlog=4096))
            for address in ("::1", "127.0.0.1")
        ]
        return self

    def __exit__(self, *_):
        self._stack.close()

    def launch_options(self):
        """For Service.start() and launch()."""
        fds = [listener.fileno() for listener in self.listeners]
        wrapper = ["/usr/bin/python3", "-B", WITH_LISTEN_FDS, ",".join(map(str, fds))]
        return {"wrapper": wrapper, "pass_fds": fds}

    def start(self, service):
        return service.start(**self.launch_options())
