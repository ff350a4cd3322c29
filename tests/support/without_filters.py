#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""without_filters.py lack|refuse COMMAND [ARGUMENT...]: runs the command as if this kernel had no filters of system calls,
or as if somebody forbade to put one in force. On x86-64, as root."""

import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
X86_64 = 0xC000003E
SECCOMP, PRCTL = 317, 157
NR, ARCH, FIRST, THIRD = 0, 4, 16, 32  # in struct seccomp_data
ALLOW = 0x7FFF0000


def load(offset):
    return struct.pack("=HBBI", 0x20, 0, 0, offset)


def go_on_if(value, otherwise):
    """Skips so many instructions where it is another one."""
    return struct.pack("=HBBI", 0x15, 0, otherwise, value)


def answer(what):
    return struct.pack("=HBBI", 0x06, 0, 0, what)


def fail(err):
    return answer(0x00050000 | err)


def program(mode):
    head = [load(ARCH), go_on_if(X86_64, 0), load(NR), go_on_if(SECCOMP, 1), fail(errno.ENOSYS), go_on_if(PRCTL, 0)]
    head += [load(FIRST), go_on_if(PR_SET_SECCOMP, 0)]
    last = [fail(errno.EINVAL)] if mode == "lack" else [load(THIRD), go_on_if(0, 1), answer(ALLOW), fail(errno.EACCES)]
    whole = head + last + [answer(ALLOW)]
    for at in (1, 5, 7):  # to the end: it is nothing that we know
        whole[at] = whole[at][:3] + bytes([len(whole) - 2 - at]) + whole[at][4:]
    return b"".join(whole)


def run_under(code, command):
    """Puts the program in force and becomes the command."""
    code = ctypes.create_string_buffer(code)
    described = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", (len(code) - 1) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described, 0, 0) != 0:
        sys.exit(f"cannot filter system calls: {os.strerror(ctypes.get_errno())}")
    os.execv(command[0], command)


if __name__ == "__main__":
    run_under(program(sys.argv[1]), sys.argv[2:])
