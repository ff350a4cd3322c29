# SPDX-License-Identifier: MIT
"""A private network namespace, the machine on which a test plays."""

import contextlib
import ctypes
import itertools
import os
import signal
import socket
import subprocess

from waiting import wait_until

IMDS_ADDRESS = "169.254.169.254"
NIC_ADDRESS = "10.99.0.1"
PEER_ADDRESS = "10.99.0.2"

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


def _setns(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


class Namespace:
    """Made on entry and removed on exit, with whatever still runs in it."""

    def __init__(self):
        self.name = f"msi2imds-e2e-{os.getpid()}-{next(_numbers)}"
        self.path = f"/run/netns/{self.name}"

    def __enter__(self):
        try:
            _ip("netns", "add", self.name)
            _ip("-n", self.name, "link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if os.path.exists(self.path):
            self.kill_everything()
            _ip("netns", "delete", self.name)

    def pids(self):
        # ip prints nothing on stdout for a namespace without processes.
        listed = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def kill_everything(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.pids(), 5, f"namespace {self.name} is empty")

    def add_imds_address(self):
        _ip("-n", self.name, "address", "add", f"{IMDS_ADDRESS}/32", "dev", "lo")

    def remove_imds_address(self):
        _ip("-n", self.name, "address", "delete", f"{IMDS_ADDRESS}/32", "dev", "lo")

    def forbid_imds_without_mark(self, mark):
        """As systemd-imdsd does in its locked mode: connect() fails with EACCES unless the socket has the mark."""
        # The rule for local addresses stands before all others until it is moved.
        _ip("-n", self.name, "rule", "add", "pref", "100", "lookup", "local")
        _ip("-n", self.name, "rule", "delete", "pref", "0")
        # Only towards the server: its answers go to the same address.
        to_imds = ("to", IMDS_ADDRESS, "ipproto", "tcp", "dport", "80")
        _ip("-n", self.name, "rule", "add", "pref", "50", *to_imds, "fwmark", hex(mark), "lookup", "local")
        _ip("-n", self.name, "rule", "add", "pref", "51", *to_imds, "prohibit")

    def add_nic(self, peer):
        """A network card with NIC_ADDRESS, its cable ending in the namespace `peer`."""
        far_end = ("peer", "name", "nic0", "netns", peer.name)
        _ip("-n", self.name, "link", "add", "nic0", "type", "veth", *far_end)
        for namespace, address in ((self, NIC_ADDRESS), (peer, PEER_ADDRESS)):
            _ip("-n", namespace.name, "address", "add", f"{address}/24", "dev", "nic0")
            _ip("-n", namespace.name, "link", "set", "nic0", "up")

    def command(self, *arguments):
        """`ip netns exec` would hide cgroup2 and bpffs; nsenter keeps the mounts, and the process id."""
        return ["nsenter", f"--net={self.path}", "--", *[str(argument) for argument in arguments]]

    @contextlib.contextmanager
    def entered(self):
        """Moves the calling thread inside; sockets made there stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            inside = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(inside)
            finally:
                os.close(inside)
            try:
                yield
            finally:
                _setns(home)
        finally:
            os.close(home)

    def popen(self, *arguments, namespaces=("net",), **options):
        """As of a whole machine, of which this is the network alone."""
        assert namespaces == ("net",)
        return subprocess.Popen(self.command(*arguments), text=True, **options)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        with self.entered():
            return socket.socket(family, kind)

    def connect(self, address="127.0.0.1", port=50342, timeout=10):
        """A connected TCP socket; `address` goes through the resolver, first answer first."""
        family, kind, protocol, _, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with self.entered():
            connection = socket.socket(family, kind, protocol)
        connection.settimeout(timeout)
        try:
            connection.connect(target)
        except BaseException:
            connection.close()
            raise
        return connection

    def listen(self, address, port, backlog=128):
        """A listening socket inside, as another program of the machine would have."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = self.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(backlog)
        return listener
