# SPDX-License-Identifier: MIT
"""A user's program: ask_for_resources.py NAME COUNT [bypass] asks for that many resources, one after the other.

Prints status and seconds of each request as JSON. COUNT 0: asks without end, with 100 threads.
"""

import itertools
import json
import socket
import sys
import threading
import time

from raw_http import RawConnection, request, token_target

THREADS = 100
MORE = {"bypass_cache": "true"} if sys.argv[3:] == ["bypass"] else {}


def ask(name, number):
    """The status, and how long it took."""
    target = token_target(f"https://{name}-{number}.example/", **MORE)
    start = time.monotonic()
    with RawConnection(socket.create_connection(("127.0.0.1", 50342), timeout=90)) as connection:
        status = connection.ask(request(target=target)).status
    return status, time.monotonic() - start


def ask_without_end(name):
    for number in itertools.count():
        ask(name, number)


def main():
    name, count = sys.argv[1], int(sys.argv[2])
    if count:
        print(json.dumps([ask(name, number) for number in range(count)]))
        return
    for thread in range(THREADS):
        threading.Thread(target=ask_without_end, args=(f"{name}-{thread}",)).start()


main()
