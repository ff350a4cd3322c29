# SPDX-License-Identifier: MIT
"""Dials the legacy endpoint at an even rate until stdin ends: dialling.py PORT RATE PATIENCE_SECONDS

An open loop, so that a request that hangs keeps no other from being dialled: 127.0.0.1 and ::1 by turns, with a
connection for each. Each is told twice: "+" when it is dialled, and BEGAN ENDED ADDRESS OUTCOME at its end, on the
machine's monotonic clock. A token that is over is none: neither by its own claims, whatever happens to this machine's
clock, nor by what the client is told and that clock.
"""

import asyncio
import errno
import json
import sys
import time

from raw_http import request
from tokens import claims

ADDRESSES = ("127.0.0.1", "::1")
NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN)


# As others have the time, where this machine's clock is set meanwhile.
RIGHT_TIME_AT_BOOT = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def right_time():
    return RIGHT_TIME_AT_BOOT + time.clock_gettime(time.CLOCK_BOOTTIME)


async def answer_to(address, port):
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(request(headers=("Connection: close",)))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:", 1)[1].split("\r\n", 1)[0])
        return int(head.split(" ", 2)[1]), await reader.readexactly(length)
    finally:
        writer.close()


def outcome_of(status, body, asked_by_us, asked):
    if status == 200 and body == b"elsewhere":
        return "elsewhere"
    if status != 200 or b'"access_token"' not in body:
        return f"status {status}"
    fields = json.loads(body)
    # Tokens tell whole seconds. If the clock was set meanwhile, the client may have been told by either time.
    is_over = claims(fields["access_token"])["exp"] < asked - 1
    is_over_by_us = int(fields["expires_on"]) < min(asked_by_us, time.time()) - 1
    return "expired token" if is_over or is_over_by_us else "token"


async def ask(address, port, patience):
    asked = time.time(), right_time()
    try:
        return outcome_of(*await asyncio.wait_for(answer_to(address, port), patience), *asked)
    except asyncio.TimeoutError:
        return "timed out"
    except ConnectionRefusedError:
        return "refused"
    except (ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError):
        return "reset"
    except OSError as failure:
        return "unreachable" if failure.errno in NO_WAY else f"error {errno.errorcode.get(failure.errno, '?')}"


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def tell(address, port, patience):
    began = time.monotonic()
    say("+")
    outcome = await ask(address, port, patience)
    say(f"{began:.6f} {time.monotonic():.6f} {address} {outcome}")


async def main():
    port, rate, patience = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    under_way, dialled = set(), 0
    while not ended.done():
        task = asyncio.ensure_future(tell(ADDRESSES[dialled % 2], port, patience))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        dialled += 1
        await asyncio.wait([ended], timeout=1 / rate)
    if under_way:
        await asyncio.wait(under_way)


asyncio.run(main())
