# SPDX-License-Identifier: MIT
"""Plays the part of systemd that holds descriptors for a service (FDSTORE=1) while that comes and goes.

Like those before 234 it takes only what can be watched.
"""

import array
import contextlib
import os
import pathlib
import select
import socket
import tempfile


class DescriptorStore:
    def __enter__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="msi2imds-notify-", dir="/tmp")
        self.path = pathlib.Path(self._directory.name) / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self.path))
        self._held = {}
        return self

    def __exit__(self, *_):
        for descriptor in self._held.values():
            os.close(descriptor)
        self._socket.close()
        self._directory.cleanup()

    def held(self):
        """{name: descriptor} of what it was told to hold so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._take(*self._receive())
        return dict(self._held)

    def memory(self):
        """The file in the one that is held; whoever asks closes it."""
        [holder] = self.held().values()
        with socket.socket(fileno=os.dup(holder)) as twin:
            _, ancillary, _, _ = twin.recvmsg(256, socket.CMSG_SPACE(4), socket.MSG_PEEK)
        return array.array("i", ancillary[0][2])[0]

    def _receive(self):
        room = array.array("i", [0])
        text, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(room.itemsize))
        descriptors = array.array("i")
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        return dict(line.split("=", 1) for line in text.decode().splitlines()), list(descriptors)

    def _take(self, said, descriptors):
        name = said.get("FDNAME", "stored")
        if "FDSTORE" in said:
            assert name not in self._held and len(descriptors) == 1, "FileDescriptorStoreMax=1"
            with select.epoll() as watch:
                watch.register(descriptors[0])
            self._held[name] = descriptors[0]
        if "FDSTOREREMOVE" in said and name in self._held:
            os.close(self._held.pop(name))
