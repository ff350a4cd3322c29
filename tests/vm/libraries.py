# SPDX-License-Identifier: MIT
"""What a program is linked with, also where this machine cannot run it."""

import pathlib
import re
import subprocess

# Where the libraries of a root directory are, whether or not /lib is a link to /usr/lib.
FOLDERS = ("lib/*-linux-gnu", "usr/lib/*-linux-gnu", "lib", "lib64", "usr/lib", "usr/lib64")


def _named_by(program):
    """The interpreter's path and the names of libraries in one file."""
    told = subprocess.run(["readelf", "--dynamic", "--program-headers", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"interpreter: (/[^\]]+)\]", told), re.findall(r"\(NEEDED\).*\[(.+)\]", told)


def _found(name, root):
    return next((path for folder in FOLDERS for path in sorted(root.glob(f"{folder}/{name}"))), None)


def of(program, root=pathlib.Path("/")):
    """Files of the root directory, each as a path in it."""
    found, todo = {}, [program]
    while todo:
        interpreters, names = _named_by(todo.pop())
        for path in [*(root / path.lstrip("/") for path in interpreters), *(_found(name, root) for name in names)]:
            assert path is not None, f"a library of {program} is missing in {root}: {names}"
            if path not in found:
                found[path] = f"/{path.relative_to(root)}"
                todo.append(path)
    return list(found.values())
