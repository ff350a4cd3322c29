# SPDX-License-Identifier: MIT
"""A user who wants the legacy endpoint for himself: attacker.py WAY PORT UID PROCESSES EACH

Prints "ready" once all his processes have what they want, and ends with stdin.
  idle       holds EACH connections in each process, and dials again for each that is closed
  bodies     the same, with all but the last bytes of a request of 64 KiB on each
  unread     the same, with requests whose answers nobody reads
  slow       the same, with a request for a token that nobody has, and 64 KiB more
  lines      sends empty lines on EACH connections in each process, without a pause or an end
  chunks     the same, with a request whose chunks have a byte and thousands of bytes of extensions
  orphans    dials EACH times, asks for that token, and is gone
  resources  asks EACH times for tokens for resources of 0xff, of 64 KiB and of as many bytes as are taken, then again
             and again
  wrong      asks EACH times for what is not there, then again and again
  idle-uids  holds EACH connections of as many uids, which are UID, UID + 1 and so on
  uids       asks once for EACH tokens that nobody has in each process, whose uids are UID, UID + 1 and so on
"""

import contextlib
import itertools
import os
import resource
import select
import signal
import socket
import sys
import time

from raw_http import request, token_target

WHOLE = 64 * 1024


SLOW = request(target=token_target("https://slow.example/"))


def dial(port):
    connection = socket.create_connection(("127.0.0.1", port), 60)
    connection.settimeout(60)
    return connection


def half_a_body():
    return request("POST", "/oauth2/token", [f"Content-Length: {WHOLE}"]) + b"resource=" + b"x" * (WHOLE - 20)


def hold(port, count, opening, become_ready):
    """Keeps `count` connections that have sent `opening`."""
    poll = select.epoll()
    held = {}
    is_ready = False
    while True:
        while len(held) < count:
            with contextlib.suppress(OSError):
                connection = dial(port)
                connection.setblocking(False)
                held[connection.fileno()] = connection
                poll.register(connection.fileno(), select.EPOLLIN | select.EPOLLRDHUP)
                with contextlib.suppress(BlockingIOError):
                    for part in opening:
                        connection.send(part)
        if not is_ready:
            is_ready = True
            become_ready()
        for number, events in poll.poll(1):
            if events & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                held.pop(number).close()
            else:
                poll.modify(number, select.EPOLLRDHUP)  # an answer stays unread
        time.sleep(0.05)


def pour(port, count, opening, stream, become_ready):
    """Sends on `count` connections whatever is taken; one that is closed is dialled again."""
    poll = select.epoll()
    held = {}
    become_ready()
    while True:
        while len(held) < count:
            with contextlib.suppress(OSError):
                connection = dial(port)
                connection.sendall(opening)
                connection.setblocking(False)
                held[connection.fileno()] = connection
                poll.register(connection.fileno(), select.EPOLLOUT)
        for number, _ in poll.poll(1):
            try:
                held[number].send(stream)
            except BlockingIOError:
                pass
            except OSError:
                held.pop(number).close()


def ask_and_leave(port, count):
    for _ in range(count):
        with dial(port) as connection:
            connection.send(SLOW)


def ask(port, data):
    with contextlib.suppress(OSError), dial(port) as connection:
        connection.sendall(data)
        while connection.recv(65536):
            pass


def ask_again(port, requests, count, become_ready):
    for number in itertools.count():
        if number == count:
            become_ready()
        for data in requests:
            ask(port, data)


def ask_for_new_tokens(port, number, count, become_ready):
    connections = [dial(port) for _ in range(count)]
    for index, connection in enumerate(connections):
        connection.sendall(request(target=token_target(f"https://attack-{number}-{index}.example/")))
    become_ready()
    signal.pause()


def hold_as_many_uids(port, first, count, become_ready):
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 64, count + 64))
    held = []
    for uid in range(first, first + count):
        os.seteuid(uid)  # whose a new socket is
        held.append(dial(port))
        os.seteuid(0)
    become_ready()
    signal.pause()


def attack(way, port, number, each, become_ready):
    if way == "idle":
        hold(port, each, [], become_ready)
    elif way == "bodies":
        hold(port, each, [half_a_body()], become_ready)
    elif way == "unread":
        hold(port, each, [request() * 200], become_ready)
    elif way == "slow":
        hold(port, each, [SLOW, bytes(WHOLE)], become_ready)
    elif way == "lines":
        pour(port, each, b"", b"\r\n" * WHOLE, become_ready)
    elif way == "chunks":
        opening = request("POST", "/oauth2/token", ["Transfer-Encoding: chunked"])
        pour(port, each, opening, b"1;" + b"x" * 8000 + b"\r\nx\r\n", become_ready)
    elif way == "orphans":
        ask_and_leave(port, each)
        become_ready()
        signal.pause()
    elif way == "resources":
        bodies = [b"resource=" + b"%ff" * size for size in (20000, 2048)]
        closing = ["Connection: close"]
        ask_again(port, [request("POST", "/oauth2/token", closing, body) for body in bodies], each, become_ready)
    elif way == "wrong":
        ask_again(port, [request(target="/wrong", headers=["Connection: close"])], each, become_ready)
    elif way == "uids":
        ask_for_new_tokens(port, number, each, become_ready)
    else:
        raise ValueError(way)


def start(way, port, uid, number, each, ready):
    child = os.fork()
    if child:
        return child
    try:
        os.nice(10)
        if way == "idle-uids":
            hold_as_many_uids(port, uid, each, lambda: os.write(ready, b"."))
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        attack(way, port, number, each, lambda: os.write(ready, b"."))
    finally:
        os._exit(1)


def main():
    way = sys.argv[1]
    port, uid, processes, each = (int(argument) for argument in sys.argv[2:])
    readable, writable = os.pipe()
    children = [
        start(way, port, uid + number if way == "uids" else uid, number, each, writable) for number in range(processes)
    ]
    ready = 0
    while ready < processes:
        ready += len(os.read(readable, 4096))
    print("ready", flush=True)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)


main()
