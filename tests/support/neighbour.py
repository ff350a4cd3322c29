# SPDX-License-Identifier: MIT
"""Another user of the same machine: neighbour.py PORT UID COUNT

Asks for COUNT tokens, each over a connection of its own: one that everybody has, and each tenth time one that nobody has.
Prints a line for each: "cached" or "new", the outcome, and how long it took.
"""

import os
import socket
import sys
import time

from raw_http import ConnectionEnded, RawConnection, request, token_target

LONGER_THAN_ANYBODY_MAY_WAIT = 20


def ask(port, data):
    try:
        with RawConnection(socket.create_connection(("127.0.0.1", port), LONGER_THAN_ANYBODY_MAY_WAIT)) as connection:
            return str(connection.ask(data).status)
    except (OSError, ConnectionEnded) as failure:
        return type(failure).__name__


def main():
    port, uid, count = (int(argument) for argument in sys.argv[1:])
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    for number in range(count):
        is_new = number % 10 == 9
        data = request(target=token_target(f"https://{uid}-{time.monotonic_ns()}.example/")) if is_new else request()
        began = time.monotonic()
        outcome = ask(port, data)
        print("new" if is_new else "cached", outcome, f"{time.monotonic() - began:.4f}", flush=True)
        time.sleep(0.02)


main()
