# SPDX-License-Identifier: MIT
"""What tests/soak/run says: random events on one machine, a client's view of them, and what is left at the end."""

import argparse
import collections
import contextlib
import random
import signal
import sys
import time

import backends
import cgroup
import events
from cell import Cell, clock, describe
from firewall import our_rules
from kernel_state import (
    bpf_objects,
    bpf_objects_of,
    children_of,
    descendants_of,
    descriptors_of,
    namespaces_in_use,
    namespaces_of,
)
from memory import resident_bytes
from waiting import wait_until

# The machine: sockets held on port 342 alone, as the packages do, and nobody else on the legacy port.
LIFE = events.Event("soak", events.NOTHING, lambda cell: None, patience=60)
# Descriptors come and go with connections, and memory with what was asked.
SPARE_DESCRIPTORS = 16
SPARE_MEMORY = 32 << 20
IMDS_FAULTS = ({"kind": "status", "status": 500}, {"kind": "reset"}, {"kind": "close"}, {"kind": "delay", "ms": 1500})


def imds_faults(cell, chance):
    """One fault of IMDS while no token is cached: callers wait until it is over."""
    cell.emulator.add_faults(chance.choice(IMDS_FAULTS))
    cell.service.flush()
    cell.settle()
    cell.emulator.clear_faults()


def detach(cell):
    """Without an extension beside it, nobody serves until it is back."""
    with cell.fault("refused", "reset"):
        cell.service.detach()
        assert cell.service.wait_exit() == 0
        events.start_again(cell)
    cell.settle()


def action(name, times=1):
    """An event of the table, so many times as likely as others."""
    return [next(event for event in events.SINGLE if event.name == name)] * times


ACTIONS = [
    *action("responder killed", 3),
    *action("responder paused", 2),
    *action("restart", 2),
    *action("restart with other ports"),
    *action("upgrade and downgrade"),
    *action("supervisor killed, next one at once"),
    *action("supervisor killed, next one after 50 ms"),
    *action("reload", 2),
    *action("reload with other ports"),
    *action("nft flush ruleset", 2),
    *action("iptables -t nat -F", 2),
    *action("lo down and up"),
    *action("::1 away and back"),
    *action("IMDS away and back, no token cached"),
    *action("a cgroup removed and made again"),
    *action("bpffs unmounted and mounted"),
    *events.RELOADS.values(),
    *events.RESTARTS.values(),
]
CHANGES = {event.name: new for by_name in (events.RELOADS, events.RESTARTS) for new, event in by_name.items()}


class Soak:
    def __init__(self, cell, chance):
        self.cell = cell
        self.chance = chance
        self.done = []  # (when it began, what)
        self.leaks = []
        self.objects = set()  # programs, maps and links that any supervisor has held
        self.namespaces = set()  # in which any of its children was, and it was not
        self.baseline = None
        self.start = cell.start
        cell.start = self.start_and_remember

    def start_and_remember(self):
        self.start()
        self.remember()

    def remember(self):
        supervisor = self.cell.service.pid
        self.objects |= bpf_objects_of(supervisor)
        for child in descendants_of(supervisor):
            self.namespaces |= namespaces_of(child) - namespaces_of(supervisor)

    def step(self):
        choice = self.chance.choice([*ACTIONS, "IMDS faults", "detach"])
        name = choice if isinstance(choice, str) else choice.name
        if CHANGES.get(name) == self.cell.backend:
            return
        self.done.append((time.monotonic(), f"{self.cell.backend}: {name}"))
        print(f"{len(self.done):4} {clock(self.done[-1][0])} {self.done[-1][1]}", flush=True)
        with self.allowance(name):
            if choice == "IMDS faults":
                imds_faults(self.cell, self.chance)
            elif choice == "detach":
                detach(self.cell)
            else:
                choice.play(self.cell)
        self.cell.backend = CHANGES.get(name, self.cell.backend)
        self.remember()

    def allowance(self, name):
        """`listen` has sockets of its own, which go with the process."""
        own_sockets = self.cell.backend == "listen" and name.startswith(("restart", "upgrade", "supervisor killed"))
        return self.cell.fault(*(("refused", "reset") if own_sockets else ()))

    def look(self):
        """Measures what the processes hold, with the first backend in force, as at the beginning."""
        if self.cell.backend != backends.ALL[0]:
            with self.allowance(f"reload to {backends.ALL[0]}"):
                events.reload(self.cell, self.cell.settings(backends.ALL[0]))
            self.cell.backend = backends.ALL[0]
        supervisor, responder = self.cell.service.pid, self.cell.service.responder()
        held = {
            "descriptors of the supervisor": len(descriptors_of(supervisor)),
            "descriptors of the responder": len(descriptors_of(responder)),
            "memory of the supervisor": resident_bytes(supervisor),
            "memory of the responder": resident_bytes(responder),
            "BPF objects": len(bpf_objects_of(supervisor)),
            "children": len(children_of(supervisor)),
        }
        self.baseline = self.baseline or held
        spare = {"BPF objects": 0, "children": 1}
        for name, count in held.items():
            room = spare.get(name, SPARE_MEMORY if name.startswith("memory") else SPARE_DESCRIPTORS)
            if count > self.baseline[name] + room:
                self.leaks.append(f"{name}: {self.baseline[name]} at first, {count} after {len(self.done)} events")
        return held

    def what_is_left(self):
        """What is left in the kernel and of processes after the service has ended."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not (our_rules(self.cell.host) or self.objects & bpf_objects()), 10, "all is gone")
        self.leaks += [f"a rule: {line}" for line in our_rules(self.cell.host)]
        self.leaks += [f"a BPF object: {kind} {number}" for kind, number in sorted(self.objects & bpf_objects())]
        self.leaks += [f"a pin: {path}" for path in (self.cell.bpffs / "pins").rglob("*")]
        allowed = {self.cell.emulator.pid}
        with contextlib.suppress(AssertionError):
            wait_until(lambda: set(self.cell.host.pids()) <= allowed, 10, "all processes are gone")
        self.leaks += [f"a process: {pid}" for pid in set(self.cell.host.pids()) - allowed]
        self.leaks += [f"a namespace: {name}" for _, name in sorted(self.namespaces & namespaces_in_use())]

    def told(self, sent):
        """The events after which a request that failed was dialled, and ended."""
        names = []
        for moment in (sent.began, sent.ended):
            before = [what for began, what in self.done if began <= moment]
            names.append(before[-1] if before else "the beginning")
        return " to ".join(dict.fromkeys(names))


def play(minutes, seed):
    """How many problems there were."""
    chance = random.Random(seed)
    problem = ""
    with contextlib.ExitStack() as stack:
        stack.enter_context(cgroup.scratch())
        cell = Cell(stack, backends.ALL[0], LIFE)
        soak = Soak(cell, chance)
        try:
            cell.start()
            with cell.load:
                cell.settle()
                first, end = soak.look(), time.monotonic() + minutes * 60
                while time.monotonic() < end:
                    soak.step()
                    if len(soak.done) % 20 == 0:
                        soak.look()
                last = soak.look()
            cell.service.detach()
            assert cell.service.wait_exit() == 0
            soak.what_is_left()
        except (AssertionError, OSError) as failure:
            problem = f"{soak.done[-1][1] if soak.done else 'the start'}: {failure}"
            print(cell.service.log_text()[-4000:], file=sys.stderr)
            first = last = {}
        row = cell.row("soak", len(soak.done), problem)
        broken = [
            sent
            for sent in cell.load.requests
            if not sent.is_served and not any(fault.excuses(sent) for fault in cell.faults)
        ]
    allowed = {kind: count - row.broken.get(kind, 0) for kind, count in row.failed.items()}
    print(f"\n{minutes:g} minutes, seed {seed}: {len(soak.done)} events, {row.sent} requests, the longest {row.longest:.2f} s")
    print(f"failed as docs/no-gap.md allows: {', '.join(f'{n} {kind}' for kind, n in allowed.items() if n) or 'none'}")
    print(f"failed otherwise: {', '.join(f'{n} {kind}' for kind, n in row.broken.items()) or 'none'}")
    for sent in broken:
        print(f"    {soak.told(sent)}: {describe(sent)}", end="")
    for name in first:
        print(f"{name}: {first[name]} at first, {last[name]} at the end")
    print(f"left behind: {', '.join(soak.leaks) or 'nothing'}")
    if problem:
        print(f"it ended early: {problem}")
    return not (broken or soak.leaks or problem)


def main():
    parser = argparse.ArgumentParser(prog="tests/soak/run", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3, metavar="N")
    parser.add_argument("--seed", type=int, default=None, metavar="S", help="the same events in the same order")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    sys.exit(0 if play(options.minutes, seed) else 1)


main()
