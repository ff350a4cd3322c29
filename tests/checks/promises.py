#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""promises.py: compares the table of docs/SECURITY.md with tests/checks/promises.tsv (a promise and its tests in a line),
and looks whether each of these tests exists. What attacks measured is from tests/attacks/figures.json.

promises.py --write [ROWS]: writes the table; with ROWS, which `tests/attacks/run --rows` made, its figures, too.
promises.py --compare ROWS: whether a run tried what the figures tell of, with the same bounds.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/SECURITY.md"
PROMISES = ROOT / "tests/checks/promises.tsv"
FIGURES = ROOT / "tests/attacks/figures.json"
BEGIN, END = "<!-- promises: written by tests/checks/promises.py --write -->\n", "<!-- end of promises -->\n"


def promises():
    """(promise, [tests]) of each line."""
    lines = [line for line in PROMISES.read_text().splitlines() if line and not line.startswith("#")]
    return [(promise, tests.split()) for promise, tests in (line.split("\t") for line in lines)]


def googletests():
    """Suite.Name of all tests in C++."""
    pattern = re.compile(r"\bTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\s*\)")
    sources = [*(ROOT / "tests/unit").rglob("*_test.cpp"), *(ROOT / "tests/kernel").rglob("*.cpp")]
    return {".".join(names) for source in sources for names in pattern.findall(source.read_text())}


def exists(test, known):
    """A test is tests/FILE::function, Suite.Name, or fuzz.NAME."""
    if "::" in test:
        file, function = test.split("::")
        path = ROOT / "tests" / file
        return path.is_file() and re.search(rf"^(async )?def {function}\(", path.read_text(), re.MULTILINE) is not None
    if test.startswith("fuzz."):
        return (ROOT / f"tests/fuzz/{test.removeprefix('fuzz.')}_fuzzer.cpp").is_file()
    return test in known


def figures():
    return json.loads(FIGURES.read_text()) if FIGURES.exists() else []


def test_of(row):
    """"test_cage.py::test_it[parameter]" is of "attacks/test_cage.py::test_it"."""
    return "attacks/" + row["test"].split("[")[0].removeprefix("tests/attacks/")


def cell(text):
    return text.replace("|", "\\|")


def table():
    rows = figures()
    lines = ["| Promise | Shown by | Measured |", "|---|---|---|"]
    for promise, tests in promises():
        measured = [
            f"{row['attack']}: {row['measured']} (bound: {row['bound']})" for row in rows if test_of(row) in tests
        ]
        names = "<br>".join(f"`{test}`" for test in tests)
        lines.append(f"| {cell(promise)} | {names} | {cell('<br>'.join(measured))} |")
    return "\n".join(lines) + "\n"


def parts(document):
    """What stands before the table, the table, and what stands behind it."""
    before, rest = document.split(BEGIN)
    written, after = rest.split(END)
    return before + BEGIN, written, END + after


def check():
    known = googletests()
    missing = [(promise, test) for promise, tests in promises() for test in tests if not exists(test, known)]
    for promise, test in missing:
        print(f"{PROMISES.relative_to(ROOT)}: there is no test {test}, which is to show: {promise}")
    is_current = parts(DOCUMENT.read_text())[1] == table()
    if not is_current:
        print(f"{DOCUMENT.relative_to(ROOT)}: the table of promises is not as tests/checks/promises.py --write makes it")
    if missing or not is_current:
        sys.exit(1)
    print(f"{len(promises())} promises with their tests")


def write(rows):
    if rows:
        FIGURES.write_text(pathlib.Path(rows).read_text())
    before, _, after = parts(DOCUMENT.read_text())
    DOCUMENT.write_text(before + table() + after)


def compare(rows):
    def bounds(of):
        return {(test_of(row), row["attack"]): row["bound"] for row in of}

    tried, told = bounds(json.loads(pathlib.Path(rows).read_text())), bounds(figures())
    wrong = [key for key, bound in told.items() if tried.get(key) != bound]
    for test, attack in wrong:
        print(f"{test}: '{attack}' was not tried with the bound {told[test, attack]}, which docs/SECURITY.md tells of")
    sys.exit(1 if wrong else 0)


if sys.argv[1:2] == ["--write"] and len(sys.argv) <= 3:
    write(sys.argv[2] if len(sys.argv) == 3 else None)
elif sys.argv[1:2] == ["--compare"] and len(sys.argv) == 3:
    compare(sys.argv[2])
elif len(sys.argv) == 1:
    check()
else:
    sys.exit(__doc__)
