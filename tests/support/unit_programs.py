#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the unit tests of a build, those of a module in one process.

A process for each test is what ctest makes of them. Under a sanitizer a process takes a third of a second to begin, and there
are two thousand tests; and tests that share one find what an earlier one leaves behind. Tests are named MODULE.SUITE.TEST,
as by ctest.
"""

import argparse
import concurrent.futures
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import typing
import xml.etree.ElementTree

SECONDS = 600  # for a process


class Run(typing.NamedTuple):
    """A process to be: a program and the tests that it runs, SUITE.TEST."""

    program: pathlib.Path
    tests: list[str]
    under: list[str]


def module_of(program):
    return program.name.removesuffix("_test")


def tests_of(program, under):
    listed = subprocess.run([*under, program, "--gtest_list_tests"], check=True, capture_output=True, text=True).stdout
    suite, names = "", []
    for line in listed.splitlines():
        word = line.partition("#")[0].rstrip()
        if line.startswith("  "):
            names.append(suite + word.strip())
        elif word.endswith("."):
            suite = word
    return [name for name in names if "DISABLED_" not in name]


def plan(programs, under, exclude, alone):
    runs = []
    for program in programs:
        named = {f"{module_of(program)}.{test}": test for test in tests_of(program, under)}
        kept = {name: test for name, test in named.items() if not (exclude and re.search(exclude, name))}
        apart = [test for name, test in kept.items() if alone and re.search(alone, name)]
        together = [test for test in kept.values() if test not in apart]
        runs += [Run(program, tests, under) for tests in ([together] if together else []) + [[test] for test in apart]]
    return runs


def failed_case(run, why):
    case = xml.etree.ElementTree.Element("testcase", name=", ".join(run.tests[:3]), classname=module_of(run.program))
    xml.etree.ElementTree.SubElement(case, "failure", message=why)
    return [case]


def play(run):
    """The run's test cases as JUnit has them, and what it printed if anything is wrong."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [*run.under, run.program.resolve(), f"--gtest_filter={':'.join(run.tests)}", f"--gtest_output=xml:{report.name}", "--gtest_brief=1"]
        try:
            ended = subprocess.run(
                command, cwd=run.program.parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", timeout=SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            printed = (late.stdout or b"").decode(errors="replace")
            return failed_case(run, f"not done after {SECONDS} s"), printed
        try:
            cases = list(xml.etree.ElementTree.parse(report.name).iter("testcase"))
        except xml.etree.ElementTree.ParseError:
            cases = []
    is_failed = any(case.find("failure") is not None for case in cases)
    if len(cases) != len(run.tests) or (ended.returncode != 0 and not is_failed):
        cases += failed_case(run, f"{len(cases)} of {len(run.tests)} tests were told of, exit status {ended.returncode}")
    for case in cases:
        case.set("classname", f"{module_of(run.program)}.{case.get('classname', '')}")
    return cases, "" if ended.returncode == 0 else ended.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path, help="where the programs MODULE_test are")
    parser.add_argument("modules", nargs="*", help="all of them by default")
    parser.add_argument("--junit", type=pathlib.Path, required=True, help="the report to write")
    parser.add_argument("--exclude", help="a regular expression of tests to leave out")
    parser.add_argument("--alone", help="a regular expression of tests that need a process of their own")
    parser.add_argument("--under", type=shlex.split, default=[], help="a command that runs them, such as an emulator")
    parser.add_argument("--parallel", type=int, default=2, help="processes at a time; default 2")
    options = parser.parse_args()
    programs = [options.directory / f"{module}_test" for module in options.modules] or sorted(options.directory.glob("*_test"))
    if not programs:
        parser.exit(2, f"unit_programs.py: no programs MODULE_test in {options.directory}\n")
    cases = []
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        # The largest ones first, so that none of them is waited for alone at the end.
        runs = sorted(plan(programs, options.under, options.exclude, options.alone), key=lambda run: -len(run.tests))
        for run, (told, printed) in zip(runs, pool.map(play, runs), strict=True):
            cases += told
            wrong = sum(case.find("failure") is not None for case in told)
            print(f"{module_of(run.program)}: {len(told) - wrong} passed, {wrong} failed\n{printed}", end="", flush=True)
    suite = xml.etree.ElementTree.Element("testsuite", name=str(options.directory))
    suite.extend(cases)
    xml.etree.ElementTree.ElementTree(suite).write(options.junit)
    failed = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    print(f"{len(cases) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
