# SPDX-License-Identifier: MIT
"""What the table is known to miss: known.json, by backend and event the kinds of failures that may be, and why.

`seconds` says for how long after the event, which only the soak needs to know.
"""

import json
import pathlib

KNOWN = json.loads(pathlib.Path(__file__).with_name("known.json").read_text())


def miss(backend, event):
    """The entry of a cell, or None where its rule has to hold."""
    return next((entry for entry in KNOWN if (entry["backend"], entry["event"]) == (backend, event)), None)


def beyond(row):
    """What is worse than what is known, as text; empty if nothing is."""
    entry = miss(row.backend, row.event) or {"kinds": []}
    worse = [f"{count} {kind} of {row.sent}" for kind, count in row.broken.items() if kind not in entry["kinds"]]
    if row.problem and "problem" not in entry["kinds"]:
        worse.append(row.problem)
    return ", ".join(worse)
