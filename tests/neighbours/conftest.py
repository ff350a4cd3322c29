# SPDX-License-Identifier: MIT
"""One machine at a time, for all neighbours that its packages bring; the tests run in that order."""

import contextlib
import pathlib

import pytest

import neighbours
import session
import table
from machine import Machine
from played_table import command_of, show
from trial import BACKENDS, play

LENGTHS = {2: "", 10: "--all "}  # as tests/neighbours/run has them
ROWS = pytest.StashKey()
# What tests/run plays without --all: each way of losing rules once, on one machine.
SHORT_NEIGHBOURS = ("firewalld (nftables)", "nftables.service", "iptables-restore of nat")
SHORT_BACKENDS = ("sk_lookup", "nftables", "iptables-nft")


def all_of(values, short, name_of):
    marks = {True: (), False: (pytest.mark.long,)}
    return [pytest.param(value, id=name_of(value), marks=marks[name_of(value) in short]) for value in values]


def pytest_addoption(parser):
    parser.addoption("--times", type=int, default=2, help="how many things each neighbour does")
    parser.addoption("--table", type=pathlib.Path, metavar="FILE", help="write the table to FILE")
    parser.addoption("--write", type=pathlib.Path, metavar="FILE", help="write it into FILE, as docs/neighbours.md")


def pytest_generate_tests(metafunc):
    if "row" in metafunc.fixturenames:
        metafunc.parametrize("neighbour", all_of(neighbours.ALL, SHORT_NEIGHBOURS, neighbours.program_of))
        metafunc.parametrize("backend", all_of(BACKENDS, SHORT_BACKENDS, str))


def pytest_configure(config):
    session.begin("the neighbours live in containers: run them as root")
    if config.option.write and (config.option.keyword or config.option.markexpr):
        raise pytest.UsageError("--write writes the whole table, so leave out -k and -m")
    config.stash[ROWS] = []


class NeighboursMachine(Machine):
    system_calls = f"{Machine.system_calls} @keyring @mount"  # of Docker

    def __init__(self, packages):
        super().__init__()
        self.packages = packages


@pytest.fixture(scope="session")
def machine_with():
    """The machine that has these packages; the one before it is gone."""
    with contextlib.ExitStack() as stack:
        booted = {}

        def machine_with(packages):
            if packages not in booted:
                stack.close()
                booted.clear()
                booted[packages] = stack.enter_context(NeighboursMachine(packages))
            return booted[packages]

        yield machine_with


@pytest.fixture
def row(request, machine_with, neighbour, backend):
    played = play(machine_with(neighbour.packages), backend, neighbour, request.config.option.times)
    request.config.stash[ROWS].append(played)
    return played


def pytest_terminal_summary(terminalreporter, config):
    rows, options = config.stash[ROWS], config.option
    show(terminalreporter, "neighbours", list(table.lines(rows)), options.table)
    if options.write:
        command = command_of("tests/neighbours/run", options.times, LENGTHS, "docs/neighbours.md")
        table.write(options.write, rows, options.times, command)
