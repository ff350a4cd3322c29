# SPDX-License-Identifier: MIT
"""The rows as docs/no-gap.md."""

import datetime
import os

import backends
import events
import library_load

HEAD = """# What callers notice, by backend and event

For operators, and for whoever is on call: what a restart, an upgrade or a crash costs clients.

Clients dial 127.0.0.1 and ::1 by turns, {rate} new connections a second at an even rate, each with one request, and wait
for 10 s at most, while the thing in the first column happens {times}. Each cell is a machine of its own (a network
namespace with IMDS on its loopback).

- The listening sockets are held for the next process, as `msi2imds.socket` does: on port 342, and for `listen` on the
  legacy port itself (`ListenStream=127.0.0.1:50342` and `[::1]:50342` in a drop-in).
- "Detach", "socket unit stopped" and "both units enabled" play beside the extension, which answers on the legacy port.
- Where the backend changes, half as often and each time on a fresh machine, 20 connections stay open meanwhile, and
  their ports are soon used again, since there are {ports} in all.
- "Cut-over" goes by [MIGRATION.md](MIGRATION.md): observer, `verify`, service. In place of the even load three real clients
  ask `localhost`, {library_rate} times a second each: go-autorest (Go), which keeps its connection for as long as it may, msrestazure
  (Python) and ms-rest-azure (Node), which make one for each request. Between them and IMDS stands a simulated extension.
- A responder that hangs is killed after 20 s, so this happens once, with {slow_rate} connections a second that wait for 60 s at
  most. They wait as long while IMDS is away.

A cell says how many requests failed, of how many, and how long the longest took. What the rule above the table does not
allow stands in **bold**. A number in brackets leads to the reason for an exception.

Measured {date} on Linux {kernel} with {cores} cores by `{command}`.
`tests/run`, as CI calls it, plays all of it in some six minutes; `tests/run --all` plays each thing ten times. It fails
where a cell has a failure that neither its rule nor a number allows. Times depend on the machine, and no test depends on them.
"""


def cell(row, notes):
    """`notes` collects what has a number."""
    if row is None:
        return ""
    if row.reason:
        return "-"
    event = next(event for event in (*events.ALL, *events.CLOCK) if event.name == row.event)
    kinds = []
    for kind, count in sorted(row.failed.items()):
        kinds.append(f"**{count} {kind}**" if row.broken.get(kind) else f"{count} {kind}")
    text = f"{', '.join(kinds) or '0'} of {row.sent}, {row.longest:.2f} s"
    if row.problem:
        text = f"**{row.problem}**; {text}"
    note = event.note(row.backend)
    if note:
        if note not in notes:
            notes.append(note)
        text += f" [{notes.index(note) + 1}]"
    return text.replace("|", "/")


def table(title, columns, lines):
    yield f"| {title} | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for name, cells in lines:
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""


def often(times):
    return {1: "once", 2: "twice"}.get(times, f"{times} times")


def numbers(title, notes):
    return [title, "", *[f"{number}. {note}" for number, note in enumerate(notes, 1)], ""] if notes else []


def document(rows, times, command):
    found = {(row.backend, row.event): row for row in rows}
    notes = []

    def line(event):
        return [cell(found.get((backend, event.name)), notes) for backend in backends.ALL]

    head = HEAD.format(
        rate=events.RATE,
        slow_rate=events.SLOW_RATE,
        ports=events.FEW_SOURCE_PORTS,
        library_rate=library_load.RATE,
        times=often(times),
        date=datetime.date.today().isoformat(),
        kernel=os.uname().release,
        cores=os.cpu_count(),
        command=command,
    )
    lines = head.splitlines() + [""]
    for rule in events.RULES:
        title, text = rule
        lines += [f"## {title}", "", text, ""]
        of_rule = [event for event in events.SINGLE if event.rule == rule]
        lines += table("Event", backends.ALL, [(event.name, line(event)) for event in of_rule])
    for what, by_backend in (("Reload", events.RELOADS), ("Restart", events.RESTARTS)):
        lines += [f"## {what} with another backend", "", f"{events.NOTHING[1]} Down: from; across: to.", ""]
        lines += table(
            "From",
            backends.ALL,
            [
                (old, [cell(found.get((old, by_backend[new].name)), notes) for new in backends.ALL])
                for old in backends.ALL
            ],
        )
    return "\n".join([*lines, *numbers("## Numbers", notes)])


# Begins what another command writes.
IN_VIRTUAL_MACHINES = "## In virtual machines\n"


def parts(path):
    """A document's table of this machine, and what follows of virtual ones; each is written without the other."""
    text = path.read_text() if path.exists() else ""
    first, title, rest = text.partition(f"\n{IN_VIRTUAL_MACHINES}")
    return first, title + rest


def summary(rows):
    """For a terminal: all cells in a line, then those that are not as their rule says."""
    measured = [row for row in rows if not row.reason]
    sent, missed = sum(row.sent for row in measured), sum(not row.holds for row in measured)
    yield f"{len(measured)} cells, {sent} requests; {missed} not as the rule says"
    for row in measured:
        if not row.holds:
            yield f"{row.backend}, {row.event}: {row.worse}"
