# SPDX-License-Identifier: MIT
"""A cell of the table: a machine with one backend, what happens to it, and how each request meanwhile ended."""

import collections
import contextlib
import dataclasses
import datetime
import itertools
import pathlib
import subprocess
import sys
import tempfile
import time

import cgroup
from emulator import Emulator
from extension import Extension
from held_sockets import LISTEN_PORT, HeldSockets
from legacy_port import PORT, another_server
from namespace import Namespace
from programs import CHECKOUT, run_in
from service import Service
from steady_load import SERVED

FIRST_SOURCE_PORT = 40000
KEPT = 10  # connections to each address that are open while the backend changes
KEEPING = CHECKOUT / "tests" / "support" / "keeping.py"
_numbers = itertools.count(1)


@dataclasses.dataclass
class Row:
    backend: str
    event: str
    times: int = 0
    sent: int = 0
    failed: dict = dataclasses.field(default_factory=dict)  # by kind, all of them
    broken: dict = dataclasses.field(default_factory=dict)  # those of them that the rule does not allow
    longest: float = 0
    problem: str = ""
    reason: str = ""  # why there is nothing to measure
    log: str = dataclasses.field(default="", repr=False)

    @property
    def holds(self):
        return not self.broken and not self.problem

    @property
    def worse(self):
        """What is not as the rule says, as text."""
        kinds = [f"{count} {kind} of {self.sent}" for kind, count in sorted(self.broken.items())]
        return ", ".join([*kinds, *filter(None, [self.problem])])

    def add(self, other):
        """What another round on another machine had."""
        self.times += other.times
        self.sent += other.sent
        for mine, theirs in ((self.failed, other.failed), (self.broken, other.broken)):
            for kind, count in theirs.items():
                mine[kind] = mine.get(kind, 0) + count
        self.longest = max(self.longest, other.longest)
        self.problem = self.problem or other.problem
        self.log = self.log or other.log


@dataclasses.dataclass
class Fault:
    """From `begin` to `end` these outcomes may be had, at one address or at both."""

    allowed: tuple
    address: str | None
    begin: float
    end: float = float("inf")

    def excuses(self, sent):
        return (
            sent.outcome in self.allowed
            and self.address in (None, sent.address)
            and sent.began <= self.end
            and sent.ended >= self.begin
        )


def clock(moment):
    """A moment of the monotonic clock as the log has it."""
    at = datetime.datetime.fromtimestamp(time.time() - time.monotonic() + moment, datetime.UTC)
    return at.time().isoformat(timespec="milliseconds")


def describe(sent):
    return f"{clock(sent.began)} to {clock(sent.ended)}, {sent.address}: {sent.outcome}\n"


class Cell:
    def __init__(self, stack, backend, event):
        self.backend = backend
        self._stack = stack
        self.host = stack.enter_context(Namespace())
        self.host.add_imds_address()
        ports = f"{FIRST_SOURCE_PORT} {FIRST_SOURCE_PORT + event.source_ports - 1}"
        narrowed = run_in(self.host, "sh", "-c", f"echo {ports} > /proc/sys/net/ipv4/ip_local_port_range")
        assert narrowed.returncode == 0, narrowed.stderr
        self._make_cgroups()
        self.bpffs = self._mount_bpffs()
        self.clock_ahead = 0  # of IMDS's, in seconds
        self.emulator = Emulator(self.host)
        stack.callback(lambda: self.emulator.stop())
        # As the socket unit: where the first backend listens, whichever comes later.
        self._held_port = PORT if backend == "listen" else LISTEN_PORT
        self.hold_sockets()
        self.service = self.new_service()
        self.service.configure(self.settings())
        self.load = event.load(self, event)
        self.faults = []

    def _make_cgroups(self):
        """One for the clients, and one that may come and go."""
        self.cgroup = f"{cgroup.own_scratch()}/cell-{next(_numbers)}"
        self.clients, self.canary = f"{self.cgroup}/clients", f"{self.cgroup}/canary"
        for path in (self.cgroup, self.clients, self.canary):
            cgroup.make(path)
            self._stack.callback(lambda path=path: cgroup.directory_of(path).exists() and cgroup.remove(path))

    def _mount_bpffs(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="msi2imds-bpffs-", dir="/tmp"))
        self._stack.callback(directory.rmdir)
        self._stack.callback(lambda: subprocess.run(["umount", "-l", directory], check=False, capture_output=True))
        subprocess.run(["mount", "-t", "bpf", "bpf", directory], check=True)
        return directory

    def hold_sockets(self):
        self.held = self._stack.enter_context(HeldSockets(self.host, self._held_port))

    def new_service(self):
        service = Service(self.host)
        self._stack.callback(service.close)
        return service

    def settings(self, backend=None, **more):
        """Written as keys of the configuration, with "__" for a dot."""
        chosen = {
            "redirect.backend": backend or self.backend,
            "redirect.pin_directory": str(self.bpffs / "pins"),
            "callers.cgroup": self.cgroup,
            "legacy.ports": [PORT],
            # The tests' own rate is far above what the audit keeps for one caller.
            "log.level": "info",
        }
        if chosen["redirect.backend"] == "cgroup_connect":
            chosen["redirect.cgroups"] = [self.clients, self.canary]
        return {**chosen, **{key.replace("__", "."): value for key, value in more.items()}}

    @contextlib.contextmanager
    def fault(self, *allowed, address=None):
        """Within, requests may end like this. A request belongs to it if it was under way at any moment of it."""
        fault = Fault(allowed, address, time.monotonic())
        self.faults.append(fault)
        yield
        fault.end = time.monotonic()

    def beside_extension(self):
        """Another server on the legacy port of both addresses; not where the backend takes that port itself."""
        for address in ("127.0.0.1", "::1") if self.backend != "listen" else ():
            self._stack.enter_context(another_server(self.host, address))

    def install_extension(self):
        """The extension itself, which answers on 127.0.0.1 alone; it comes and goes as a test wants it."""
        self.extension = self._stack.enter_context(Extension(self.host, root=self.service.waagent))

    def release_sockets(self):
        """As when the socket unit is stopped."""
        for listener in self.held.listeners:
            listener.close()

    def start(self):
        self.held.start(self.service)

    def settle(self, *outcomes, count=10):
        """Until so many more requests to each address are served."""
        self.load.wait_for(*(outcomes or ("token",)), count=count)

    @contextlib.contextmanager
    def kept_connections(self):
        """Connections that have been served, and stay open until the end of it."""
        # It dials at once, and is to be redirected from there.
        in_its_cgroup = ["sh", "-c", 'read -r moved && exec "$@"', "sh"]
        command = [*in_its_cgroup, *self.host.command(sys.executable, "-B", KEEPING, PORT, KEPT)]
        with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            cgroup.move(process.pid, self.clients)
            process.stdin.write("moved\n")
            process.stdin.flush()
            assert process.stdout.readline() == "kept\n", "connections are served that are to stay open"
            yield

    def row(self, event, times, problem):
        failed = [sent for sent in self.load.requests if not sent.is_served]
        broken = [sent for sent in failed if not any(fault.excuses(sent) for fault in self.faults)]
        return Row(
            self.backend,
            event,
            times,
            len(self.load.requests),
            dict(collections.Counter(sent.outcome for sent in failed)),
            dict(collections.Counter(sent.outcome for sent in broken)),
            round(self.load.longest_wait, 2),
            problem,
            log=self.service.log_text() + "".join(map(describe, broken)) if broken or problem else "",
        )


def play_once(backend, event, times):
    """Plays an event so many times on one machine."""
    problem = ""
    with contextlib.ExitStack() as stack:
        cell = Cell(stack, backend, event)
        try:
            event.prepare(cell)
            with cell.load:
                cell.settle(*SERVED)
                for _ in range(times):
                    event.play(cell)
        except (AssertionError, OSError, subprocess.SubprocessError) as failure:
            problem = (str(failure) or repr(failure)).splitlines()[0]
        row = cell.row(event.name, times, problem)
        try:
            if cell.service.process is not None and cell.service.process.poll() is None:
                cell.service.detach()
        except AssertionError as failure:
            row.problem = row.problem or f"detach: {failure}"
    return row


def play(backend, event, times):
    """The row of a cell; an event that cannot be undone gets a machine for each time."""
    reason = event.reason(backend)
    if reason:
        return Row(backend, event.name, reason=reason)
    if not event.once_a_machine:
        return play_once(backend, event, times)
    row = Row(backend, event.name)
    for _ in range(max(1, times // 2)):
        row.add(play_once(backend, event, 1))
    return row
