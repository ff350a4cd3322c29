# SPDX-License-Identifier: MIT
"""Runs a command as systemd would for a socket unit: with_listen_fds.py FD[,FD...] COMMAND [ARGUMENT...]"""

import fcntl
import os
import sys

FIRST = 3
OUT_OF_THE_WAY = 100

# Copied twice: a number to be filled may be one that is still to be copied.
passed = [int(fd) for fd in sys.argv[1].split(",")]
parked = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY) for fd in passed]
for fd in passed:
    os.close(fd)
for offset, fd in enumerate(parked):
    os.dup2(fd, FIRST + offset, inheritable=True)
os.environ["LISTEN_FDS"] = str(len(parked))
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
