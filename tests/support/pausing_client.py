# SPDX-License-Identifier: MIT
"""A client of a user's that dials from a port of its choice, and asks when it is told to."""

import subprocess
import sys

from programs import clean_environment
from raw_http import request

PROGRAM = """
import os, socket, sys
uid, own_port, port = map(int, sys.argv[1:4])
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(uid, uid, uid)
client = socket.socket()
client.settimeout(20)
client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
client.bind(("127.0.0.1", own_port))
client.connect(("127.0.0.1", port))
print("connected", flush=True)
for line in sys.stdin:
    client.sendall(bytes.fromhex(line))
    print(client.recv(65536).split(b" ")[1].decode(), flush=True)
"""


class PausingClient:
    def __init__(self, host, uid, own_port, port):
        command = host.command(sys.executable, "-c", PROGRAM, *map(str, (uid, own_port, port)))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, env=clean_environment(), **pipes)
        assert self._process.stdout.readline() == "connected\n"

    @property
    def pid(self):
        return self._process.pid

    def ask(self):
        """The status of the answer."""
        self._process.stdin.write(request().hex() + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
