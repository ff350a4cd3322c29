#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""without_sock_diag.py COMMAND [ARGUMENT...]: runs the command as if this kernel could not be asked about sockets. On x86-64,
as root."""

import errno
import socket
import sys

from without_filters import ALLOW, ARCH, FIRST, NR, THIRD, X86_64, answer, fail, go_on_if, load, run_under

SOCKET, NETLINK_SOCK_DIAG = 41, 4


def program():
    conditions = [(ARCH, X86_64), (NR, SOCKET), (FIRST, socket.AF_NETLINK), (THIRD, NETLINK_SOCK_DIAG)]
    whole = []
    for left, (offset, value) in zip(reversed(range(len(conditions))), conditions, strict=True):
        whole += [load(offset), go_on_if(value, 2 * left + 1)]
    return b"".join([*whole, fail(errno.EPROTONOSUPPORT), answer(ALLOW)])


run_under(program(), sys.argv[1:])
