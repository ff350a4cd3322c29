# SPDX-License-Identifier: MIT
"""What one unprivileged user does to the reader of /proc: proc_reader_attacks.py ATTACK PORT [BLANKS]

"ask PROCESSES" asks for tokens from so many processes, without end, whatever comes back; a command line of many blanks is given
as a last argument. "hold DESCRIPTORS" has so many descriptors open, in several processes. "ask-and-hold" does both.
Prints "ready", and ends with stdin.
"""

import contextlib
import os
import signal
import socket
import sys

PORT = 50342
REQUEST = b"GET /oauth2/token?resource=https://attack.example/ HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n"
MOST_IN_A_PROCESS = 19_000


def ask_without_end():
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 20) as connection:
            connection.sendall(REQUEST)
            connection.recv(65536)


def hold(descriptors):
    held = socket.socket().detach()
    for _ in range(descriptors):
        os.dup(held)


def start(work):
    """A process that does that, then waits; returns when it has begun."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        with contextlib.suppress(BaseException):
            work()
            os.write(write_end, b".")
            os.close(write_end)
            while True:
                signal.pause()
        os._exit(1)
    os.close(write_end)
    return pid, read_end


def wait_until_held(read_end):
    assert os.read(read_end, 1) == b".", "an attacker has failed"


def main():
    attack, count = sys.argv[1], int(sys.argv[2])
    os.nice(19)
    children = []
    if attack.startswith("ask"):
        children += [start(ask_without_end)[0] for _ in range(count if attack == "ask" else 4)]
    if attack.endswith("hold"):
        holders = []
        while count > 0:
            share = min(count, MOST_IN_A_PROCESS)
            holders.append(start(lambda share=share: hold(share)))
            count -= share
        for pid, read_end in holders:
            wait_until_held(read_end)
            children.append(pid)
    print("ready", flush=True)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)


main()
