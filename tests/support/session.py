# SPDX-License-Identifier: MIT
"""How each suite of these tests begins."""

import os
import signal

import pytest


def begin(why_root):
    """Ends the session of anybody but root, with the reason; a terminated one cleans up like an interrupted one."""
    if os.geteuid() != 0:
        pytest.exit(why_root, returncode=1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
