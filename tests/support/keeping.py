# SPDX-License-Identifier: MIT
"""Has connections served, and keeps them open until stdin ends: keeping.py PORT COUNT

So many to 127.0.0.1 and to ::1 each; prints "kept" when all have been served. Who is refused dials again: others measure.
"""

import contextlib
import socket
import sys

from raw_http import RawConnection, request


TRIES = 100


def dial(address, port):
    for _ in range(TRIES):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection((address, port), 10)
    raise ConnectionRefusedError(f"{TRIES} times at {address}")


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    with contextlib.ExitStack() as stack:
        for address in ("127.0.0.1", "::1") * count:
            connection = stack.enter_context(RawConnection(dial(address, port)))
            assert connection.ask(request()).status == 200
        print("kept", flush=True)
        sys.stdin.read()


main()
