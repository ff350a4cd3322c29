# SPDX-License-Identifier: MIT
"""Plays systemd's socket unit: holds the listening sockets, while the service comes and goes."""

import contextlib

from programs import CHECKOUT

WITH_LISTEN_FDS = CHECKOUT / "tests" / "support" / "with_listen_fds.py"
LISTEN_PORT = 342


class HeldSockets:
    def __init__(self, host, port=LISTEN_PORT, addresses=("::1", "127.0.0.1")):
        self._host = host
        self._addresses = addresses
        self._port = port
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self.listeners = [
            self._stack.enter_context(self._host.listen(address, self._port, backlog=4096))
            for address in self._addresses
        ]
        return self

    def __exit__(self, *_):
        self._stack.close()

    def launch_options(self, store=None):
        """For Service.start() and launch(); with a DescriptorStore, what that holds is passed on, too."""
        fds = [listener.fileno() for listener in self.listeners] + list(store.held().values() if store else [])
        wrapper = ["/usr/bin/python3", "-B", WITH_LISTEN_FDS, ",".join(map(str, fds))]
        environment = {"NOTIFY_SOCKET": str(store.path)} if store else {}
        return {"wrapper": wrapper, "pass_fds": fds, "environment": environment}

    def start(self, service, store=None):
        return service.start(**self.launch_options(store))
