# SPDX-License-Identifier: MIT
"""The cells are played two at a time, each on a machine of its own; the tests wait for their rows.

In a virtual machine one after the other, since some set its clock, which is one for all.
"""

import concurrent.futures
import dataclasses
import json
import pathlib

import pytest

import backends
import cgroup
import events
import report
import session
from cell import play
from played_table import command_of, show

AT_A_TIME = 2
LENGTHS = {1: "", 10: "--all "}  # as tests/no_gap/run has them
ROWS = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption("--times", type=int, default=1, help="how often each thing happens to a machine")
    parser.addoption("--table", type=pathlib.Path, metavar="FILE", help="write what is summed up to FILE, too")
    parser.addoption("--write", type=pathlib.Path, metavar="FILE", help="write the table to FILE, as docs/no-gap.md")
    parser.addoption(
        "--virtual-machine",
        action="store_true",
        help="play what is played in virtual machines, where the clock may be set (tests/vm/run)",
    )
    parser.addoption("--rows", type=pathlib.Path, metavar="FILE", help="write the rows to FILE, as JSON")


def pytest_generate_tests(metafunc):
    chosen = events.IN_VIRTUAL_MACHINES if metafunc.config.option.virtual_machine else events.ALL
    metafunc.parametrize("backend", backends.ALL)
    metafunc.parametrize("event", chosen, ids=lambda event: event.name)


def pytest_configure(config):
    session.begin("the table is measured in network namespaces: run it as root")
    if config.option.write and (config.option.keyword or config.option.virtual_machine):
        raise pytest.UsageError("--write writes the whole table, so leave out -k and --virtual-machine")
    config.stash[ROWS] = []


@pytest.fixture(scope="session")
def cells(request):
    """{(backend, event): the row to come} of the tests that were chosen."""
    times = request.config.option.times
    at_a_time = 1 if request.config.option.virtual_machine else AT_A_TIME
    chosen = [(item.callspec.params["backend"], item.callspec.params["event"]) for item in request.session.items]
    with cgroup.scratch(), concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        yield {
            (backend, event.name): pool.submit(play, backend, event, 1 if event.slow else times)
            for backend, event in chosen
        }
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def row(request, cells, backend, event):
    found = cells[backend, event.name].result()
    request.config.stash[ROWS].append(found)
    return found


def pytest_terminal_summary(terminalreporter, config):
    rows, options = config.stash[ROWS], config.option
    show(terminalreporter, "no gap", list(report.summary(rows)), options.table)
    if options.rows:
        told = [{key: value for key, value in dataclasses.asdict(row).items() if key != "log"} for row in rows]
        options.rows.write_text(json.dumps(told, indent=1) + "\n")
    if options.write:
        command = command_of("tests/no_gap/run", options.times, LENGTHS, "docs/no-gap.md")
        written = report.document(rows, options.times, command)
        options.write.write_text(written + report.parts(options.write)[1])
