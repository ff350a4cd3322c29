# SPDX-License-Identifier: MIT
"""Asks the legacy endpoint for tokens until stdin ends: calling.py PORT CALLERS PAUSE_SECONDS

Each request has a connection of its own and is told in a line: OUTCOME SECONDS.
"""

import socket
import sys
import threading
import time

from raw_http import ConnectionEnded, RawConnection, request

LONGER_THAN_ANYBODY_MAY_WAIT = 20


def ask(port):
    try:
        with RawConnection(socket.create_connection(("127.0.0.1", port), LONGER_THAN_ANYBODY_MAY_WAIT)) as connection:
            reply = connection.ask(request())
    except ConnectionRefusedError:
        return "refused"
    except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
        return "reset"
    except ConnectionEnded:
        return "closed"
    except TimeoutError:
        return "timeout"
    if reply.body == b"elsewhere":
        return "elsewhere"
    return "token" if reply.status == 200 and "access_token" in reply.json() else f"http-{reply.status}"


def call_again_and_again(port, pause, ended):
    while not ended.is_set():
        began = time.monotonic()
        outcome = ask(port)
        sys.stdout.write(f"{outcome} {time.monotonic() - began:.3f}\n")
        sys.stdout.flush()
        ended.wait(pause)


def main():
    port, callers, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    ended = threading.Event()
    threads = [threading.Thread(target=call_again_and_again, args=(port, pause, ended)) for _ in range(callers)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ended.set()
    for thread in threads:
        thread.join()


main()
