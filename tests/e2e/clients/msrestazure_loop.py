# SPDX-License-Identifier: MIT
"""Asks for tokens with Debian's python3-msrestazure, until stdin ends: msrestazure_loop.py RESOURCE RATE

One line for each request: "ok WHO SECONDS BEGAN" or "failed REASON SECONDS BEGAN".
"""

import base64
import json
import logging
import signal
import sys
import threading
import time

from msrestazure.azure_active_directory import MSIAuthentication


PATIENCE_SECONDS = 10  # which the library does not have


def give_up(*_):
    raise TimeoutError(f"no reply within {PATIENCE_SECONDS} s")


def answered_by(token):
    """Who made the token, by its claims."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims.get("answered_by", "msi2imds")


def ask(resource):
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)
    try:
        return "ok " + answered_by(MSIAuthentication(resource=resource).token["access_token"])
    except Exception as error:  # whatever the library raises
        # Its text is the reply's status or what happened to the connection, never the body.
        return "failed " + " ".join(f"{type(error).__name__}: {error}".split())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main():
    resource, rate = sys.argv[1], float(sys.argv[2])
    # The library warns of each failure; the line tells it.
    logging.disable(logging.WARNING)
    signal.signal(signal.SIGALRM, give_up)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    due = time.monotonic()
    while not ended.wait(max(0, due - time.monotonic())):
        due = max(due, time.monotonic() - 1 / rate) + 1 / rate
        began, start = time.time(), time.monotonic()
        outcome = ask(resource)
        print(f"{outcome} {time.monotonic() - start:.6f} {began:.6f}", flush=True)


main()
