# SPDX-License-Identifier: MIT
"""Each attack is a test, with rows of a table: what was tried, the bound, and what was measured."""

import json
import pathlib

import pytest

pytest_plugins = ["service_fixtures"]

TITLE = ("attack", "bound", "measured")
ROWS = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption("--table", type=pathlib.Path, metavar="FILE", help="write the table to FILE, too")
    parser.addoption("--rows", type=pathlib.Path, metavar="FILE", help="write the rows to FILE, as JSON")


def pytest_configure(config):
    config.stash[ROWS] = []


@pytest.fixture
def row(request):
    """row(attack, bound, measured, holds): a row of the table. A bound that does not hold fails the test at once; None
    is for times, which depend on the machine: they are printed, and decide nothing."""

    def add(attack, bound, measured, holds):
        request.config.stash[ROWS].append(
            {"test": request.node.nodeid, "attack": attack, "bound": bound, "measured": measured, "holds": holds}
        )
        assert holds is None or holds, f"{attack}: {measured}, where the bound is {bound}"

    return add


def table_of(rows):
    lines = [TITLE] + [(row["attack"], row["bound"], row["measured"] + ("" if row["holds"] in (True, None) else "  BROKEN"))
                       for row in rows]  # fmt: skip
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    return [f"{attack:{widths[0]}}  {bound:{widths[1]}}  {measured}".rstrip() for attack, bound, measured in lines]


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash[ROWS]
    if not rows:
        return
    table = table_of(rows)
    terminalreporter.section("attacks")
    for line in table:
        terminalreporter.line(line)
    if config.option.table:
        config.option.table.write_text("\n".join(table) + "\n")
    if config.option.rows:
        config.option.rows.write_text(json.dumps(rows, indent=2) + "\n")
