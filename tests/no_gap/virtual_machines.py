#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What was measured in virtual machines, as the last section of a document: virtual_machines.py ROWS DOCUMENT TIMES

ROWS is a file of tests/vm/run: {"KERNEL LAYOUT": the rows}.
"""

import datetime
import json
import os
import pathlib
import sys

import backends
import events
import report
from cell import Row

HEAD = """\

Debian's kernels, as `tests/vm/run --no-gap --write docs/no-gap.md` boots them: with cgroups of version 2 ("unified"), or
of version 1 with version 2 beside it ("hybrid"). Each thing happens {times} to a machine as above, with {rate} new
connections a second to 127.0.0.1 and ::1 by turns. qemu emulates the processors, which takes many times as long, so
whoever waits may wait ten times as long. Of the restart and of the clock the rule is: {nothing} Of the kills:
{killed}

Only here may the clock be set; that of IMDS goes on as before. A token that is over counts as failed: by its own claims,
whatever this machine's clock says, and by what the client is told and that clock. The metrics have to tell how far the
clock is from IMDS's, `status` has to find nothing amiss (both within 150 s here), and every request has to be in the audit and in the
table of callers.

Measured {date} with {cores} cores below qemu.
"""


def of_kernel(kernel, layouts, notes):
    """A table with a line for each layout and backend."""
    yield from (f"### Linux {kernel}", "")
    chosen = [event.name for event in events.IN_VIRTUAL_MACHINES]
    lines = []
    for layout, rows in layouts.items():
        found = {(row.backend, row.event): row for row in rows}
        for backend in [name for name in backends.ALL if any(row.backend == name for row in rows)]:
            lines.append((f"{layout}, {backend}", [report.cell(found.get((backend, name)), notes) for name in chosen]))
    yield from report.table("Cgroups, backend", chosen, lines)


def section(told, times):
    by_kernel, notes = {}, []
    for name, rows in told.items():
        kernel, layout = name.split(" ")
        by_kernel.setdefault(kernel, {})[layout] = [Row(**row) for row in rows]
    lines = HEAD.format(
        times=report.often(times),
        rate=events.VIRTUAL_RATE,
        nothing=events.NOTHING[1],
        killed=events.KILLED[1],
        date=datetime.date.today().isoformat(),
        cores=os.cpu_count(),
    ).splitlines()
    lines.append("")
    for kernel, layouts in by_kernel.items():
        lines += of_kernel(kernel, layouts, notes)
    return "\n".join([*lines, *report.numbers("### Numbers of this section", notes)])


def main():
    measured, document = map(pathlib.Path, sys.argv[1:3])
    text = section(json.loads(measured.read_text()), int(sys.argv[3]))
    document.write_text(f"{report.parts(document)[0]}\n{report.IN_VIRTUAL_MACHINES}{text}")


if __name__ == "__main__":
    main()
