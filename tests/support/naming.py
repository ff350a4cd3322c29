# SPDX-License-Identifier: MIT
"""A client process that asks for tokens when it is told to: naming.py PORT [RESOURCE]

Prints "ready PID UID", then for each number in a line of stdin asks so often, each time over a new connection, and prints
how many tokens it got. A line "name TEXT" (a JSON string) changes what the kernel calls it. Ends with stdin.
"""

import ctypes
import json
import os
import socket
import sys

from raw_http import RawConnection, request, token_target

PR_SET_NAME = 15


def ask(port, data):
    with RawConnection(socket.create_connection(("127.0.0.1", port), 20)) as connection:
        return connection.ask(data).status == 200


def main():
    port = int(sys.argv[1])
    data = request(target=token_target(sys.argv[2])) if len(sys.argv) > 2 else request()
    print("ready", os.getpid(), os.getuid(), flush=True)
    for line in sys.stdin:
        if line.startswith("name "):
            ctypes.CDLL(None).prctl(PR_SET_NAME, json.loads(line[5:]).encode(), 0, 0, 0)
            print("named", flush=True)
        else:
            print(sum(ask(port, data) for _ in range(int(line))), flush=True)


main()
