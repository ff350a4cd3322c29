# SPDX-License-Identifier: MIT
"""What the kernel says of processes, sockets and BPF objects."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

TRIES = 50


def children_of(pid):
    """The children of all threads of a process, none when it is gone."""
    try:
        tasks = [task / "children" for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
        return [int(child) for task in tasks for child in task.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants_of(pid):
    """Its children, theirs, and so on."""
    found = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return found


def kill_all(pids):
    """Kills them; one that is gone already, such as a tool that somebody ran for a moment, is no fault."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def status_of(pid):
    """/proc/PID/status as a dictionary, empty when the process is gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def uid_of(pid):
    uids = status_of(pid).get("Uid")
    return int(uids.split()[1]) if uids else None


def name_of(pid):
    """As the process calls itself; None when it is gone."""
    return status_of(pid).get("Name")


def is_running(pid):
    return not status_of(pid).get("State", "Z").startswith("Z")


def _fd_entries(pid, folder):
    try:
        return list(pathlib.Path(f"/proc/{pid}/{folder}").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []


def socket_inodes_of(pid):
    """The inodes of the sockets that a process holds."""
    inodes = set()
    for entry in _fd_entries(pid, "fd"):
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(int(target[len("socket:[") : -1]))
    return inodes


def descriptors_of(pid):
    """What the kernel tells of each descriptor of a process, as text; those that are closed meanwhile are left out."""
    texts = []
    for entry in _fd_entries(pid, "fdinfo"):
        try:
            texts.append(entry.read_text())
        except FileNotFoundError:
            continue
    return texts


def bpf_objects_of(pid):
    """The BPF objects that a process holds, as pairs such as ("prog", 17)."""
    found = re.findall(r"^(prog|map|link)_id:\s*(\d+)$", "\n".join(descriptors_of(pid)), re.MULTILINE)
    return {(kind, int(number)) for kind, number in found}


def bpf_objects():
    """All BPF objects of the machine."""
    return {(kind, entry["id"]) for kind in ("prog", "map", "link") for entry in bpftool(kind, "show")}


def namespaces_of(pid):
    """Pairs such as ("mnt", "mnt:[4026531841]")."""
    found = set()
    for entry in _fd_entries(pid, "ns"):
        with contextlib.suppress(OSError):
            found.add((entry.name, os.readlink(entry)))
    return found


def namespaces_in_use():
    """Those that some process of the machine is in."""
    pids = [entry.name for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()]
    return set().union(*map(namespaces_of, pids))


def bpftool(*arguments):
    """bpftool fails when something of somebody else's goes while it lists: then once more, and again."""
    for _ in range(TRIES):
        shown = subprocess.run(["bpftool", "-j", *arguments], capture_output=True, text=True)
        if shown.returncode == 0:
            break
    shown.check_returncode()
    return json.loads(shown.stdout or "[]")


def pinned_paths():
    """Everything that is pinned in the BPF file system."""
    return {str(path) for path in pathlib.Path("/sys/fs/bpf").rglob("*")}
