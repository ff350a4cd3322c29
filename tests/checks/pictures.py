#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pictures.py: compares each docs/NAME.svg with the docs/NAME.dot that it was drawn from; with --write, draws all anew.

Two versions of dot, or two sets of fonts, draw the same text differently. So a picture carries a digest of its text and
of itself, and the check needs no dot.
"""

import hashlib
import pathlib
import re
import subprocess
import sys

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
MARK = re.compile(r"<!-- Drawn from \S+ by tests/checks/pictures\.py --write: (\w+) -->\n")


def digest(source, drawn):
    return hashlib.sha256(source.encode() + drawn.encode()).hexdigest()


def is_drawn_from(source, picture):
    mark = MARK.search(picture)
    return mark is not None and mark[1] == digest(source, MARK.sub("", picture))


def draw(path):
    source = path.read_text()
    printed = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, text=True, check=True).stdout
    drawn = re.sub(r"<!--.*?-->\n", "", printed, flags=re.DOTALL)
    mark = f"<!-- Drawn from {path.name} by tests/checks/pictures.py --write: {digest(source, drawn)} -->\n"
    path.with_suffix(".svg").write_text(drawn.replace("<svg", f"{mark}<svg", 1))


def main():
    if sys.argv[1:] not in ([], ["--write"]):
        print("usage: pictures.py [--write]", file=sys.stderr)
        return 2
    sources = sorted(DOCS.glob("*.dot"))
    if sys.argv[1:]:
        for path in sources:
            draw(path)
    faults = [
        f"docs/{path.stem}.svg is not what docs/{path.name} draws: tests/checks/pictures.py --write"
        for path in sources
        if not path.with_suffix(".svg").exists() or not is_drawn_from(path.read_text(), path.with_suffix(".svg").read_text())
    ]
    print("\n".join(faults) or f"{len(sources)} pictures are as their texts draw them")
    return 1 if faults else 0


sys.exit(main())
