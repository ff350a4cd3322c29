# SPDX-License-Identifier: MIT
"""A responder that was taken over: whatever it asks of the kernel from inside its cage, it serves on, dials nobody, and the
audit keeps what it has."""

import errno
import fcntl
import mmap
import os
import pathlib
import platform
import socket
import struct

import pytest

from injected_calls import inside
from kernel_state import status_of
from legacy_port import ask
from many_calls import have_connections_noted
from programs import CHECKOUT
from raw_http import RESOURCE
from tokens import assert_legacy_success

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="system calls are injected by x86-64's registers")

FORBIDDEN = (-errno.EPERM, -errno.EACCES)
MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN_CONNECT = 30
TCP_LISTEN = "0A"
AT_FDCWD = -100
RWF_NOAPPEND = 0x20
FS_IOC_SETFLAGS = 0x40086602
AUDIT_NAME = "audit"
WITHOUT_FILTERS = CHECKOUT / "tests" / "support" / "without_filters.py"


def descriptors(pid):
    """What each of its descriptors is, by number."""
    found = {}
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(entry.name)] = os.readlink(entry)
        except FileNotFoundError:
            continue
    return found


def listeners(pid):
    """The descriptors of the TCP sockets that clients wait in."""
    listening = set()
    for family in ("tcp", "tcp6"):
        rows = pathlib.Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:]
        listening |= {f"socket:[{row.split()[9]}]" for row in rows if row.split()[3] == TCP_LISTEN}
    return [number for number, target in descriptors(pid).items() if target in listening]


def descriptor_of(pid, name):
    return next(number for number, target in descriptors(pid).items() if target.endswith("/" + name))


def sockaddr(port):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, socket.inet_aton("127.0.0.1"))


@pytest.fixture
def responder(service, host):
    """The number of a responder that has served."""
    assert_legacy_success(ask(host), RESOURCE)
    service.wait_for_audit(1)
    return service.responder()


def message_to(taken, address):
    """A msghdr with one byte to `address`, for sendmsg."""
    place = taken.put(bytes(256))
    content = struct.pack("=QQ", place + 128, 1).ljust(64, b"\0")  # an iovec
    header = struct.pack("=QIIQQQQii", place + 192, len(address), 0, place, 1, 0, 0, 0, 0)
    taken.put(content + header.ljust(64, b"\0") + b"x".ljust(64, b"\0") + address)
    return place + 64


def test_a_taken_over_responder_does_not_end_the_listeners_for_others(service, host, responder, row):
    found = listeners(responder)
    assert found, "it accepts somewhere"
    with inside(responder) as taken:
        for listener in found:
            for how in (socket.SHUT_RD, socket.SHUT_RDWR):
                assert taken.call("shutdown", listener, how) in FORBIDDEN
            assert taken.call("shutdown", listener, socket.SHUT_WR) in (0, *FORBIDDEN)
            assert taken.call("listen", listener, 0) in FORBIDDEN
            assert taken.call("connect", listener, struct.pack("=H14x", socket.AF_UNSPEC), 16) in FORBIDDEN
            assert taken.call("bind", listener, sockaddr(0), 16) in FORBIDDEN
    assert service.responder() == responder
    assert_legacy_success(ask(host), RESOURCE)
    row("taken-over responder shuts down the shared listeners", "refused, it serves on", "refused, it serves on", True)


SOCKET_OPTIONS = {
    "a filter that drops all": (socket.SOL_SOCKET, 26, struct.pack("=HxxxxxxQ", 0, 0)),
    "a lock of the filter": (socket.SOL_SOCKET, 44, struct.pack("=i", 1)),
    "another device": (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0"),
    "no room": (socket.SOL_SOCKET, socket.SO_RCVBUF, struct.pack("=i", 1)),
    "a mark": (socket.SOL_SOCKET, socket.SO_MARK, struct.pack("=i", 1)),
    "fast open": (socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, struct.pack("=i", 1)),
    "a late accept": (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, struct.pack("=i", 3600)),
    "a small segment": (socket.IPPROTO_TCP, socket.TCP_MAXSEG, struct.pack("=i", 88)),
    "a far hop": (socket.IPPROTO_IP, 21, struct.pack("=i", 255)),
    "a time to live": (socket.IPPROTO_IP, socket.IP_TTL, struct.pack("=i", 1)),
    "repair": (socket.IPPROTO_TCP, 19, struct.pack("=i", 1)),
}


def test_nor_does_it_change_what_it_shares(service, host, responder):
    with inside(responder) as taken:
        for listener in listeners(responder):
            for name, (level, option, value) in SOCKET_OPTIONS.items():
                assert taken.call("setsockopt", listener, level, option, value, len(value)) in FORBIDDEN, name
    assert_legacy_success(ask(host), RESOURCE)


def test_it_dials_nobody(service, host, responder, row):
    with host.listen("127.0.0.1", 0) as other:
        other.setblocking(False)
        address = sockaddr(other.getsockname()[1])
        with inside(responder) as taken:
            listener = listeners(responder)[0]
            taken.call("shutdown", listener, socket.SHUT_RDWR)
            for flags in (MSG_FASTOPEN, MSG_FASTOPEN | socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT, socket.MSG_DONTWAIT):
                assert taken.call("sendto", listener, b"x", 1, flags, address, len(address)) in FORBIDDEN
            assert taken.call("sendto", listener, b"x", 1, MSG_FASTOPEN, 0, 0) in FORBIDDEN
            assert taken.call("sendmsg", listener, message_to(taken, address), MSG_FASTOPEN) in FORBIDDEN
            assert taken.call("sendmmsg", listener, message_to(taken, address), 1, MSG_FASTOPEN) in FORBIDDEN
            assert taken.call("connect", listener, address, len(address)) in FORBIDDEN
            for family in (socket.AF_INET, socket.AF_UNIX, socket.AF_NETLINK, 38, 40):
                assert taken.call("socket", family, socket.SOCK_STREAM, 0) in FORBIDDEN
            assert taken.call("socketpair", socket.AF_UNIX, socket.SOCK_STREAM, 0, bytes(8)) in FORBIDDEN
            assert taken.call("io_uring_setup", 8, bytes(120)) in (-errno.ENOSYS, *FORBIDDEN)
        with pytest.raises(BlockingIOError):
            other.accept()
    row("taken-over responder dials another service (fast open)", "refused, nobody is dialled", "nobody was dialled", True)


def test_it_changes_no_note_of_who_dialled(service, host, responder):
    have_connections_noted(service)
    maps = pathlib.Path(f"/proc/{responder}/maps").read_text().splitlines()
    notes = next(line.split() for line in maps if line.endswith("bpf-map"))
    assert notes[1] == "r--s"
    first, end = (int(address, 16) for address in notes[0].split("-"))
    with inside(responder) as taken:
        assert taken.call("mprotect", first, end - first, mmap.PROT_READ | mmap.PROT_WRITE) in FORBIDDEN
        assert taken.call("bpf", 2, bytes(128), 128) in FORBIDDEN
    assert_legacy_success(ask(host), RESOURCE)


def test_it_changes_no_line_of_the_audit(service, host, responder, row):
    before = service.audit.read_bytes()
    junk = b"forged" * 8
    audit = descriptor_of(responder, AUDIT_NAME)
    with inside(responder) as taken:
        flags = taken.call("fcntl", audit, fcntl.F_GETFL)
        assert flags & os.O_APPEND and flags & os.O_ACCMODE == os.O_WRONLY
        for new in (os.O_NONBLOCK, 0, os.O_APPEND):
            assert taken.call("fcntl", audit, fcntl.F_SETFL, new) in FORBIDDEN
        assert taken.call("lseek", audit, 0, os.SEEK_SET) in FORBIDDEN
        assert taken.call("ftruncate", audit, 0) in FORBIDDEN
        assert taken.call("fallocate", audit, 3, 0, len(before)) in FORBIDDEN  # a hole
        assert taken.call("fchmod", audit, 0o666) in FORBIDDEN
        assert taken.call("flock", audit, fcntl.LOCK_EX) in FORBIDDEN
        assert taken.call("fcntl", audit, fcntl.F_SETLK, bytes(32)) in FORBIDDEN
        assert taken.call("ioctl", audit, FS_IOC_SETFLAGS, bytes(8)) in FORBIDDEN
        for protection in (2, 3):
            assert taken.call("mmap", 0, 4096, protection, 1, audit, 0) in FORBIDDEN
        assert taken.call("sendfile", audit, audit, 0, 1) in FORBIDDEN
        assert taken.call("splice", audit, 0, audit, 0, 1, 0) in FORBIDDEN
        assert taken.call("copy_file_range", audit, 0, audit, 0, 1, 0) in FORBIDDEN
        vector = struct.pack("=QQ", taken.put(junk), len(junk))
        assert taken.call("pwritev", audit, vector, 1, 0, 0) in FORBIDDEN
        assert taken.call("pwritev2", audit, vector, 1, 0, 0, RWF_NOAPPEND) in FORBIDDEN
        # What is left to it: a line more, wherever it wants to write it.
        taken.call("pwrite64", audit, junk, len(junk), 0)
    kept = service.audit.read_bytes().startswith(before)
    row("taken-over responder overwrites lines of the audit", "old lines stay", "they stayed" if kept else "gone", kept)


def test_it_has_no_path_no_process_and_no_privilege(service, host, responder):
    with inside(responder) as taken:
        for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_PATH):
            assert taken.call("openat", AT_FDCWD, b"/etc/passwd\0", flags, 0o600) in FORBIDDEN
        assert taken.call("newfstatat", AT_FDCWD, b"/etc/passwd\0", bytes(144), 0) in FORBIDDEN
        assert taken.call("newfstatat", AT_FDCWD, b"/etc/passwd\0", bytes(144), 0x1000) in (-errno.ENOENT, *FORBIDDEN)
        for name in ("fork", "vfork", "execve", "execveat", "ptrace", "setuid", "prctl", "chroot", "mount", "unshare"):
            assert taken.call(name, 0, 0, 0, 0, 0) in FORBIDDEN, name
        for name in ("bpf", "memfd_create", "shmget", "chmod", "chdir", "fchdir", "dup", "pidfd_open", "pidfd_getfd"):
            assert taken.call(name, 0, 0, 0, 0, 0) in (-errno.ENOSYS, *FORBIDDEN), name
        assert taken.call("kill", service.pid, 0) in FORBIDDEN
        assert taken.call("tgkill", service.pid, service.pid, 0) in FORBIDDEN
        for protection in (4, 5, 7):  # as code
            assert taken.call("mmap", 0, 4096, protection, 0x22, -1, 0) in FORBIDDEN
            assert taken.call("mprotect", taken.scratch() & ~4095, 4096, protection) in FORBIDDEN
        assert taken.call("ioctl", 2, 0x5412, b"x") in FORBIDDEN  # TIOCSTI: types for whoever reads the terminal
        assert taken.call("prlimit64", 0, 7, bytes(16), 0) in FORBIDDEN
    assert service.responder() == responder


def test_it_passes_no_descriptor_on(service, host, responder):
    """Somebody less confined could do with it what the responder cannot."""
    channel = next(number for number, target in descriptors(responder).items() if number == 3)
    with inside(responder) as taken:
        place = taken.put(bytes(512))
        rights = struct.pack("=QiiI", 20, socket.SOL_SOCKET, socket.SCM_RIGHTS, listeners(responder)[0])
        header = struct.pack("=QIIQQQQii", 0, 0, 0, place, 1, place + 256, len(rights), 0, 0)
        taken.put(
            struct.pack("=QQ", place + 128, 32).ljust(64, b"\0")
            + header.ljust(64, b"\0")
            + bytes(128)
            + rights.ljust(64, b"\0")
        )
        assert taken.call("sendmsg", channel, place + 64, socket.MSG_NOSIGNAL) in FORBIDDEN
    assert_legacy_success(ask(host), RESOURCE)


# The most that a responder may call, whatever the arguments. Each of them is in responder/cage.cpp for a reason.
MOST_CALLS = 50
CALLS = (*range(335), *range(424, 470))  # between them there are none; two of them trap
ENDS_OR_WAITS = {
    *(15, 60, 231),  # rt_sigreturn, exit, exit_group
    *(7, 232, 271, 281, 202, 219),  # poll, epoll_wait, ppoll, epoll_pwait, futex, restart_syscall
}


def test_it_has_few_calls(service, host, responder, row):
    nothing = [-1] * 6
    with inside(responder) as taken:
        allowed = [
            number
            for number in CALLS
            if number in ENDS_OR_WAITS or taken.call(number, *nothing) not in (-errno.EPERM,)
        ]
    row("system calls that a responder has", f"<= {MOST_CALLS}", str(len(allowed)), len(allowed) <= MOST_CALLS)
    assert service.responder() == responder
    assert_legacy_success(ask(host), RESOURCE)


def wrapper(mode):
    return ["/usr/bin/python3", "-B", WITHOUT_FILTERS, mode]


def test_a_filter_that_is_refused_is_an_error(emulator, new_service):
    service = new_service()
    service.launch(wrapper=wrapper("refuse"))
    assert service.wait_exit() == 1
    assert "cannot confine the responder: cannot put the system call filter in force" in service.log_text()
    assert "serves as" not in service.log_text()


def test_a_kernel_without_filters_is_said(emulator, new_service, host):
    service = new_service()
    service.start(wrapper=wrapper("lack"))
    assert_legacy_success(ask(host), RESOURCE)
    assert status_of(service.responder())["CapBnd"].strip("0") == ""
    assert service.status_json()["responder"]["confinement"]["system_call_filter"] is False
    assert "confined by            NO system call filter, which this kernel does not have" in service.status().stdout
    assert "serving without a system call filter, which this kernel does not have" in service.log_text()


def test_it_lives_in_an_empty_root(service, host, responder):
    root = os.readlink(f"/proc/{responder}/root")
    assert root.endswith(" (deleted)"), root
    assert os.listdir(f"/proc/{responder}/root/") == []
    with pytest.raises(FileNotFoundError):
        open(f"/proc/{responder}/root/file", "w")
    confinement = service.status_json()["responder"]["confinement"]
    assert confinement["system_call_filter"] is True
    assert confinement["empty_root"] is True
    # A supervisor that has given up CAP_SYS_ADMIN has none to give; the status tells what there is.
    for name, entry in (("mount", "mnt"), ("ipc", "ipc"), ("uts", "uts")):
        own = os.readlink(f"/proc/{responder}/ns/{entry}") != os.readlink(f"/proc/{service.pid}/ns/{entry}")
        assert own == (name in confinement["own_namespaces"]), name
    assert "confined by            a system call filter" in service.status().stdout
    assert status_of(responder)["NoNewPrivs"] == "1"
