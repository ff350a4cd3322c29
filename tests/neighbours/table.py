# SPDX-License-Identifier: MIT
"""The rows as the table of docs/neighbours.md."""

import datetime
import os

from neighbours import ALL
from trial import BACKENDS, RATE

# Between them stands what this writes; the rest of the page is written by hand.
BEGIN, END = "<!-- table -->\n", "<!-- end of the table -->\n"
HEAD = """
A cell says how many requests failed, of how many, while the program did these things, {times} in all, and how long the
longest took. Clients dial 127.0.0.1 and ::1 by turns, {rate} new connections a second. Measured {date} on
Linux {kernel} with {cores} cores by `{command}`.

"""


def cell(row):
    if row is None:
        return "-"
    failed = ", ".join(f"{count} {kind}" for kind, count in sorted(row.failed.items())) or "0"
    text = f"{failed} of {row.sent}, {row.longest:.2f} s"
    return text if row.holds else f"**{row.problem or text}**".replace("|", "/")


def lines(rows):
    found = {(row.backend, row.neighbour): row for row in rows}
    yield f"| Neighbour | {' | '.join(BACKENDS)} |"
    yield "|---" * (len(BACKENDS) + 1) + "|"
    for neighbour in ALL:
        cells = [found.get((backend, neighbour.name)) for backend in BACKENDS]
        if any(cells):
            yield f"| {neighbour.name} | {' | '.join(map(cell, cells))} |"


def write(path, rows, times, command):
    before, _, rest = path.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    head = HEAD.format(
        times={2: "two"}.get(times, times),
        rate=RATE,
        date=datetime.date.today().isoformat(),
        kernel=os.uname().release,
        cores=os.cpu_count(),
        command=command,
    )
    path.write_text("".join([before, BEGIN, head, *(line + "\n" for line in lines(rows)), "\n", END, after]))
