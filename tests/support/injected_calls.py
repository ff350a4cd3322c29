# SPDX-License-Identifier: MIT
"""System calls made inside another process, as if somebody had taken it over: by ptrace(2), of x86-64."""

import contextlib
import ctypes
import os
import signal

from waiting import wait_until

GETREGS, SETREGS, SINGLESTEP, ATTACH, DETACH = 12, 13, 9, 16, 17
NO_CALL = (1 << 64) - 1  # in orig_rax: nothing is to be begun anew
RED_ZONE = 128
SCRATCH_BYTES = 8192
SYSCALL = b"\x0f\x05"  # the instruction

NUMBERS = {
    **{"read": 0, "write": 1, "open": 2, "close": 3, "lseek": 8, "mmap": 9, "mprotect": 10, "ioctl": 16},
    **{"pwrite64": 18, "writev": 20, "mremap": 25, "shmget": 29, "dup": 32, "getpid": 39, "sendfile": 40, "socket": 41},
    **{"connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "recvmsg": 47, "shutdown": 48, "bind": 49, "listen": 50},
    **{"socketpair": 53, "setsockopt": 54, "getsockopt": 55, "clone": 56, "fork": 57, "vfork": 58, "execve": 59},
    **{"kill": 62, "fcntl": 72, "flock": 73, "ftruncate": 77, "getcwd": 79, "chdir": 80, "fchdir": 81, "chmod": 90},
    **{"fchmod": 91, "ptrace": 101, "setuid": 105, "prctl": 157, "chroot": 161, "mount": 165, "tgkill": 234},
    **{"openat": 257, "unshare": 272, "splice": 275, "fallocate": 285, "pwritev": 296, "prlimit64": 302},
    **{"sendmmsg": 307, "memfd_create": 319, "bpf": 321, "execveat": 322, "copy_file_range": 326, "pwritev2": 328},
    **{"io_uring_setup": 425, "pidfd_open": 434, "pidfd_getfd": 438, "newfstatat": 262, "fstat": 5},
}


class Registers(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_ulonglong)
        for name in (
            *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
            *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
        )
    ]


LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data=None):
    if LIBC.ptrace(request, pid, None, data) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace request {request} of process {pid}")


def wait_for_stop(pid):
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        raise ProcessLookupError(f"process {pid} has ended: status {status:#x}")
    return os.WSTOPSIG(status)


class Inside:
    """A process that is stopped in a system call, which another one takes the place of."""

    def __init__(self, pid):
        self.pid = pid
        self.before = Registers()
        ptrace(GETREGS, pid, ctypes.byref(self.before))
        self.memory = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)

    def waits_in_a_call(self):
        return os.pread(self.memory, 2, self.before.rip - 2) == SYSCALL

    def call(self, name_or_number, *arguments):
        """What the kernel returns: a number below zero is an errno. Bytes are put into the process's memory."""
        number = NUMBERS.get(name_or_number, name_or_number)
        at = (self.before.rsp - RED_ZONE - SCRATCH_BYTES) & ~15
        values = []
        for argument in arguments:
            if isinstance(argument, bytes):
                os.pwrite(self.memory, argument, at)
                values.append(at)
                at += (len(argument) + 15) & ~15
            else:
                values.append(argument & NO_CALL)
        registers = Registers.from_buffer_copy(self.before)
        registers.rip = self.before.rip - 2
        registers.rax = number
        registers.orig_rax = NO_CALL
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), values + [0] * (6 - len(values))):
            setattr(registers, name, value)
        ptrace(SETREGS, self.pid, ctypes.byref(registers))
        ptrace(SINGLESTEP, self.pid)
        stopped_by = wait_for_stop(self.pid)
        assert stopped_by == signal.SIGTRAP, signal.Signals(stopped_by).name
        ptrace(GETREGS, self.pid, ctypes.byref(registers))
        return ctypes.c_longlong(registers.rax).value

    def scratch(self, offset=0):
        """An address that may be written to, for what a call returns."""
        return ((self.before.rsp - RED_ZONE - 2 * SCRATCH_BYTES) & ~15) + offset

    def put(self, content):
        """The address of `content` in the process, until the next put()."""
        address = self.scratch()
        os.pwrite(self.memory, content, address)
        return address

    def leave(self):
        """Its own call was interrupted, as by a signal. It may have ended by now."""
        os.close(self.memory)
        self.before.rax = -4 & NO_CALL  # EINTR
        self.before.orig_rax = NO_CALL
        with contextlib.suppress(ProcessLookupError):
            ptrace(SETREGS, self.pid, ctypes.byref(self.before))


def detach(pid):
    try:
        ptrace(DETACH, pid)
    except OSError:  # it has ended, which its parent learns once we know it
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def stopped_in_a_call(pid):
    """The process, stopped; None, and not stopped, where it is at its own work."""
    ptrace(ATTACH, pid)
    try:
        wait_for_stop(pid)
        taken = Inside(pid)
        if taken.waits_in_a_call():
            return taken
        os.close(taken.memory)
    except BaseException:
        detach(pid)
        raise
    detach(pid)
    return None


@contextlib.contextmanager
def inside(pid):
    taken = wait_until(lambda: stopped_in_a_call(pid), 10, "it waits in a system call")
    try:
        try:
            yield taken
        finally:
            taken.leave()
    finally:
        detach(pid)
