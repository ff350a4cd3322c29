#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fails on statements that g++ 12 miscompiles: it destroys some temporaries of a co_await statement twice.

Found are aggregates and initializer lists (`Foo{...}`, `({...})`) and lambdas that capture by value within a
statement that holds co_await. Name them first, then move them in. So are a co_await in an arm of `?:`, and one beside
an object that is made behind `&&` or `||`, whose destruction it mixes up: use if and else.

Fails as well where userspace/ starts a coroutine by itself in a way that drops its exceptions.
"""

import pathlib
import re
import sys

STATEMENT = re.compile(r"[^;{}]*\bco_await\b[^;]*;")
TEMPORARY = re.compile(r"\b[A-Za-z_:]+(<[^;]*>)?\{|[(,]\s*\{|\[(?:[^]&]*\b\w+\b\s*(?:=|\.\.\.)|=)[^]]*\]\s*\(")

CHOICE = re.compile(r"\?\s*co_await\b|\?[^;]*[^:]:\s*co_await\b|\bco_await\b[^;?]*(&&|\|\|)[^;]*\b[A-Z]\w*\(")


def without_comments(text):
    return re.sub(r"//[^\n]*", "", text)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    faults = []
    for source in sorted([*root.glob("userspace/**/*.[hc]pp"), *root.glob("tests/**/*.[hc]pp")]):
        text = without_comments(source.read_text())
        for statement in STATEMENT.finditer(text):
            if TEMPORARY.search(statement.group()) or CHOICE.search(statement.group()):
                line = text.count("\n", 0, statement.start() + len(statement.group()) - len(statement.group().lstrip())) + 1
                faults.append(f"{source.relative_to(root)}:{line}: name the temporary before co_await")
        if source.is_relative_to(root / "userspace") and "asio::detached" in text:
            faults.append(f"{source.relative_to(root)}: asio::detached drops exceptions; see base/spawn.hpp")
    print("\n".join(faults) or "no temporaries that g++ 12 would destroy twice, and no exceptions that are dropped")
    return 1 if faults else 0


sys.exit(main())
