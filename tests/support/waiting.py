# SPDX-License-Identifier: MIT
"""The one way to wait in these tests: for a condition, with a deadline."""

import os
import time

POLL_SECONDS = 0.01
# How many times as long as elsewhere whatever is waited for may take here, as where processors are emulated.
SLOWNESS = float(os.environ.get("MSI2IMDS_SLOWNESS", "1"))


def wait_until(condition, seconds, what):
    """Returns the first true value of condition(); fails after `seconds`, saying `what` did not happen."""
    seconds *= SLOWNESS
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(POLL_SECONDS)
