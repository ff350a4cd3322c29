# SPDX-License-Identifier: MIT
"""What one unprivileged user does to the reader of /proc: proc_reader_attacks.py ATTACK NUMBER [...]

"ask PROCESSES" asks for tokens from so many processes, without end, whatever comes back; a command line of many blanks is given
as a last argument. "hold DESCRIPTORS" has so many descriptors open, in several processes. "ask-and-hold" does both.
"as-many UIDS DESCRIPTORS", which root starts, has a process of each of so many users with so many descriptors, each of which
asks. Prints "ready", and ends with stdin.
"""

import contextlib
import os
import resource
import signal
import socket
import sys

PORT = 50342
REQUEST = b"GET /oauth2/token?resource=https://attack.example/ HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n"
MOST_IN_A_PROCESS = 19_000
FIRST_OF_MANY = 30_000  # uids
CHILDREN = []


def ask_without_end():
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 20) as connection:
            connection.sendall(REQUEST)
            connection.recv(65536)


def hold(descriptors):
    held = socket.socket().detach()
    for _ in range(descriptors):
        os.dup(held)


def hold_as(uid, descriptors):
    most = descriptors + 1000  # those that were inherited, too
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    hold(descriptors)


def ask_once_open(gate, opener):
    """Those that begin to ask leave the others no processor to begin."""
    os.close(opener)
    os.read(gate, 1)
    ask_without_end()


def start(work, afterwards=signal.pause):
    """Begins a process that does that, and then the other without end; returns what tells that it has begun with it."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        with contextlib.suppress(BaseException):
            work()
            os.write(write_end, b".")
            os.close(write_end)
            while True:
                afterwards()
        os._exit(1)
    os.close(write_end)
    CHILDREN.append(pid)
    return read_end


def wait_until_held(read_end):
    assert os.read(read_end, 1) == b".", "an attacker has failed"


def begin(attack, arguments):
    """Returns once the attack is under way."""
    count = int(arguments[0])
    if attack == "as-many":
        gate, opener = os.pipe()
        uids = range(FIRST_OF_MANY, FIRST_OF_MANY + count)
        many = [start(lambda uid=uid: hold_as(uid, int(arguments[1])), lambda: ask_once_open(gate, opener)) for uid in uids]
        for read_end in many:
            wait_until_held(read_end)
        os.close(opener)
        return
    if attack.startswith("ask"):
        for _ in range(count if attack == "ask" else 4):
            start(ask_without_end)
    if attack.endswith("hold"):
        holders = []
        while count > 0:
            share = min(count, MOST_IN_A_PROCESS)
            holders.append(start(lambda share=share: hold(share)))
            count -= share
        for read_end in holders:
            wait_until_held(read_end)


def main():
    os.nice(19)
    try:
        begin(sys.argv[1], sys.argv[2:])
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        for child in CHILDREN:
            os.kill(child, signal.SIGKILL)


main()
