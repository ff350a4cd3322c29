# SPDX-License-Identifier: MIT
"""Cgroups of version 2 that the tests make."""

import contextlib
import errno
import os
import pathlib

from waiting import wait_until


def _find_root():
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if (pathlib.Path(place) / "cgroup.subtree_control").exists():
            return pathlib.Path(place)
    return None


ROOT = _find_root()


def _own():
    lines = pathlib.Path("/proc/self/cgroup").read_text().splitlines()
    return next(line[len("0::") :] for line in lines if line.startswith("0::"))


def directory_of(path):
    """The directory of a cgroup that is named from the root of the hierarchy."""
    return ROOT / path.lstrip("/")


def move(pid, path):
    (directory_of(path) / "cgroup.procs").write_text(str(pid))


def make(path):
    directory_of(path).mkdir()


def remove(path):
    """Moves what is still in it to the root, then removes it. A task that is exiting cannot be moved, and is waited for."""
    directory = directory_of(path)
    for pid in (directory / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            move(pid, "/")
    wait_until(lambda: _is_removed(directory), 10, f"nothing is left in cgroup {path}")


@contextlib.contextmanager
def made(*paths):
    """Outer ones first; they are removed at the end."""
    for path in paths:
        make(path)
    try:
        yield
    finally:
        for path in reversed(paths):
            remove(path)


def _is_removed(directory):
    try:
        directory.rmdir()
    except OSError as failure:
        if failure.errno != errno.EBUSY:
            raise
        return False
    return True


def own_scratch():
    """The path of the cgroup that scratch() made for this process."""
    return f"/msi2imds-e2e-{os.getpid()}"


@contextlib.contextmanager
def scratch():
    """A cgroup of this process and its children, so that what a test attaches sees nobody else; its path."""
    home, path = _own(), own_scratch()
    make(path)
    move(os.getpid(), path)
    try:
        yield path
    finally:
        move(os.getpid(), home)
        remove(path)
