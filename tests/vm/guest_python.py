# SPDX-License-Identifier: MIT
"""Python and pytest of this machine, for a virtual one that has neither, and the suite that they run there."""

import json
import pathlib
import shutil
import subprocess

import libraries

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = pathlib.Path("/usr/bin/python3")
# What no test needs, and compiled files, which are made anew.
LEFT_OUT = shutil.ignore_patterns(
    "config-*", "test", "idlelib", "lib2to3", "distutils", "pydoc_data", "ensurepip", "tkinter", "turtledemo", "__pycache__"
)
# Where its standard library is, and the files and folders beside that which pytest has imported.
ASK = """
import json, pathlib, sys, sysconfig
import pytest
stdlib = pathlib.Path(sysconfig.get_path("stdlib"))
files = [pathlib.Path(m.__file__) for m in list(sys.modules.values()) if getattr(m, "__file__", None)]
packages = pathlib.Path(pytest.__file__).parents[1]
others = {str(packages / f.relative_to(packages).parts[0]) for f in files if packages in f.parents}
print(json.dumps([str(stdlib), sorted(others)]))
"""
SUITE = ("tests/support", "tests/no_gap")


def _copy(source, root):
    target = root / str(source).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=LEFT_OUT)
    else:
        shutil.copy(source, target)
    return target


def _compile(directory):
    """Compiled files that are believed whatever the sources' dates are, which the kernel may not keep."""
    subprocess.run(
        [PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", directory],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def build(root):
    shutil.rmtree(root, ignore_errors=True)
    asked = subprocess.run([PYTHON, "-c", ASK], check=True, capture_output=True, text=True)
    stdlib, others = json.loads(asked.stdout)
    for name in ("lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    program = _copy(PYTHON.resolve(), root)
    program.with_name(PYTHON.name).symlink_to(program.name)
    for directory in (stdlib, *others):
        _compile(_copy(pathlib.Path(directory), root))
    shared = [PYTHON.resolve(), *pathlib.Path(stdlib, "lib-dynload").glob("*.so")]
    for library in {library for file in shared for library in libraries.of(file)}:
        _copy(pathlib.Path(library), root)
    for directory in SUITE:
        shutil.copytree(CHECKOUT / directory, root / "suite" / directory, ignore=LEFT_OUT)
    _compile(root / "suite")
