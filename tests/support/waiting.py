# SPDX-License-Identifier: MIT
"""The one way to wait in these tests: for a condition, with a deadline."""

import time

POLL_SECONDS = 0.01


def wait_until(condition, seconds, what):
    """Returns the first true value of condition(); fails after `seconds`, saying `what` did not happen."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(POLL_SECONDS)
