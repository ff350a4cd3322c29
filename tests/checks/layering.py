#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fails when a module of userspace/ includes one that it may not know (docs/ARCHITECTURE.md, "Modules"), or when the
files of a module include each other in a circle, a header and the .cpp file of its name taken as one."""

import graphlib
import pathlib
import re
import sys

MAY_INCLUDE = {
    "base": set(),
    "accounts": {"base"},
    "confinement": {"base"},
    "loader": {"base"},
    "token": {"base"},
    "netlink": {"base"},
    "caller": {"base", "netlink"},
    "broker": {"base", "token"},
    "http": {"base"},
    "control": {"base"},
    "config": {"base", "accounts", "token"},
    "policy": {"base", "token", "caller"},
    "audit": {"base", "caller"},
    "usage": {"base", "caller", "token"},
    "metrics": {"base"},
    "admin": {"base", "http"},
    "waagent": {"base", "config", "netlink", "resolver"},
    "redirect": {"base", "loader", "netlink"},
    "observer": {"base", "caller", "loader"},
    "resolver": {"base", "accounts", "caller", "confinement"},
    "legacy": {"base", "http", "token"},
    "imds": {"base", "http", "token"},
    "responder": {
        *("base", "confinement", "http", "token", "legacy", "control", "admin", "netlink", "caller", "policy", "audit", "usage", "metrics")
    },
    "supervisor": {
        *("base", "accounts", "confinement", "loader", "config", "control", "redirect", "netlink", "caller", "observer", "policy", "resolver"),
        *("admin", "imds", "waagent"),
    },
    "migration": {*("base", "config", "http", "imds", "netlink", "resolver", "waagent", "usage", "admin", "token")},
    "doctor": {
        *("base", "accounts", "loader", "config", "http", "imds", "migration", "netlink", "redirect", "resolver", "usage", "waagent")
    },
}
KNOWS_ALL = {"cli"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z0-9_]+)/([a-z0-9_/]+)\.hpp"', re.MULTILINE)


def circle_in(module):
    """The names of files that include each other in a circle, the first one once more at the end; none: []."""
    includes = {}
    for source in module.rglob("*.[hc]pp"):
        name = str(source.relative_to(module).with_suffix(""))
        others = {file for folder, file in INCLUDE.findall(source.read_text()) if folder == module.name and file != name}
        includes.setdefault(name, set()).update(others)
    try:
        graphlib.TopologicalSorter(includes).prepare()
    except graphlib.CycleError as error:
        return error.args[1][::-1]
    return []


def main():
    userspace = pathlib.Path(__file__).resolve().parents[2] / "userspace"
    modules = {path.name for path in userspace.iterdir() if path.is_dir()}
    faults = [f"userspace/{name}: not in the table of {__file__}" for name in modules - MAY_INCLUDE.keys() - KNOWS_ALL]
    for name in sorted(modules & MAY_INCLUDE.keys()):
        for source in sorted((userspace / name).rglob("*.[hc]pp")):
            included = {folder for folder, _ in INCLUDE.findall(source.read_text())} & modules
            for other in sorted(included - MAY_INCLUDE[name] - {name}):
                faults.append(f"{source.relative_to(userspace.parent)}: {name} must not include {other}")
    for name in sorted(modules):
        if circle := circle_in(userspace / name):
            faults.append(f"userspace/{name}: files include each other in a circle: {' includes '.join(circle)}")
    print("\n".join(faults) or f"{len(modules)} modules include only what they may")
    return 1 if faults else 0


sys.exit(main())
