#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whether the tests leave the machine as it was: `save FILE` before them, `compare FILE` after them. Needs root.

Compared: files below /etc, /var/lib and /run; what the tests call by our name in /tmp, /dev/shm and among cgroups; BPF
programs, maps and links; firewall rules; mounts; network namespaces and interfaces; reserved ports; processes of ours.
Exit status: 0 nothing is left, 1 something is (each thing on a line), 2 wrong usage.
"""

import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import time

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
# What the machine's package manager and its other services keep there; a name of ours is told even there.
NOT_OURS = [
    "/etc/ld.so.cache", "/etc/mtab", "/etc/resolv.conf", "/run/NetworkManager", "/run/chrony", "/run/cloud-init",
    "/run/credentials", "/run/dhclient", "/run/lock", "/run/log", "/run/motd.dynamic", "/run/resolvconf", "/run/snapd",
    "/run/sudo", "/run/systemd", "/run/udev", "/run/user", "/run/utmp", "/run/waagent.pid", "/run/xtables.lock",
    "/var/lib/NetworkManager", "/var/lib/PackageKit", "/var/lib/apt", "/var/lib/chrony", "/var/lib/cloud",
    "/var/lib/command-not-found", "/var/lib/containerd", "/var/lib/dhcp", "/var/lib/docker", "/var/lib/dpkg",
    "/var/lib/logrotate", "/var/lib/man-db", "/var/lib/plocate", "/var/lib/private", "/var/lib/snapd", "/var/lib/sudo",
    "/var/lib/systemd", "/var/lib/waagent",
]  # fmt: skip
# Made by `ip netns` when it is first used, and kept by it.
OF_IPROUTE = ("/run/netns",)
OUR_NAME = re.compile(r"msi2imds|imds-emulator|ManagedIdentity-Settings")
NAMED = {"/tmp": 1, "/var/cache": 1, "/var/log": 1, "/var/tmp": 1, "/dev/shm": 1, "/sys/fs/cgroup": 2, "/sys/fs/bpf": 3}
SECONDS_TO_END = 20
COMMANDS = {
    "nftables": ("nft", "list", "ruleset"),
    "iptables": ("iptables-legacy-save",),
    "ip6tables": ("ip6tables-legacy-save",),
    "interface": ("ip", "-brief", "address", "show"),
}


def is_of_others(path):
    return any(path == name or path.startswith(f"{name}/") for name in NOT_OURS) and not OUR_NAME.search(path)


def description(path):
    """What changes when a file is written or replaced. A directory changes with what is in it, which is told anyway."""
    found = os.lstat(path)
    kind = stat.S_IFMT(found.st_mode)
    same = [oct(found.st_mode), found.st_uid, found.st_gid]
    if stat.S_ISLNK(kind):
        return [*same, os.readlink(path)]
    return [*same, found.st_size, found.st_mtime_ns] if stat.S_ISREG(kind) else same


def files(top):
    for directory, directories, names in os.walk(top):
        for name in [*directories, *names]:
            path = os.path.join(directory, name)
            if not is_of_others(path) and path not in OF_IPROUTE:
                try:
                    yield path, description(path)
                except FileNotFoundError:
                    pass


def named(top, depth):
    """What is called by our name, so deep below `top`."""
    pattern = pathlib.Path(top)
    for level in range(1, depth + 1):
        for path in pattern.glob("/".join("*" * level)):
            if OUR_NAME.search(path.name):
                yield str(path)


def lines_of(command):
    if not shutil.which(command[0]):
        return []
    printed = subprocess.run(command, capture_output=True, text=True).stdout
    # Counters and time stamps move by themselves.
    lines = [re.sub(r"packets \d+ bytes \d+|\[\d+:\d+\]", "", line).strip() for line in printed.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def bpf_objects():
    if not shutil.which("bpftool"):
        return
    for kind, keys in (("prog", ("type", "name", "tag")), ("map", ("type", "name")), ("link", ("type", "prog_id", "cgroup_id"))):
        shown = subprocess.run(["bpftool", "--json", kind, "show"], capture_output=True, text=True)
        found = json.loads(shown.stdout) if shown.returncode == 0 and shown.stdout else []
        for entry in found if isinstance(found, list) else []:
            words = [str(entry[key]) for key in keys if key in entry]
            if not words[1:] or not words[1].startswith("sd_"):  # systemd's own come and go with its units
                yield f"{kind} {entry['id']} {' '.join(words)}"


def stat_of(process):
    """The fields of /proc/PID/stat behind the name: state, parent, ..."""
    return (process / "stat").read_text().rsplit(")", 1)[1].split()


def is_ours(process, command, cgroup):
    """It runs a program of ours, works in this checkout, or is of this session but in another network namespace."""
    places = [os.readlink(process / name) for name in ("exe", "cwd")]
    if any(f"{place}/".startswith(f"{CHECKOUT}/") for place in places) or str(CHECKOUT) in command:
        return True
    of_session = cgroup == pathlib.Path("/proc/self/cgroup").read_text()
    elsewhere = os.readlink(process / "ns/net") != os.readlink("/proc/self/ns/net")
    return OUR_NAME.search(command) or OUR_NAME.search(cgroup) or (of_session and elsewhere)


def processes():
    """Those of ours, but not the runner that called this."""
    runner = set()
    pid = os.getpid()
    while pid > 1:
        runner.add(pid)
        pid = int(stat_of(pathlib.Path(f"/proc/{pid}"))[1])
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            cgroup = (process / "cgroup").read_text()
            begun = int(stat_of(process)[19]) / os.sysconf("SC_CLK_TCK")  # seconds after the boot
            if command and int(process.name) not in runner and is_ours(process, command, cgroup):
                yield f"process {process.name}: {command[:120]}", begun
        except OSError:  # it has ended, or is nobody's to look at
            continue


def mounts():
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        place, kind = words[4], words[words.index("-") + 1]
        if place not in OF_IPROUTE and not is_of_others(place):
            yield f"mount {kind} on {place}"


def state():
    things = {path: found for top in ("/etc", "/var/lib", "/run") for path, found in files(top)}
    for top, depth in NAMED.items():
        things.update({path: [] for path in named(top, depth)})
    for name, command in COMMANDS.items():
        lines = lines_of(command)
        # Equal lines, such as closing braces, are numbered.
        things.update({f"{name} {line} ({lines[:place].count(line)})": [] for place, line in enumerate(lines)})
    for line in (*bpf_objects(), *mounts()):
        things[line] = []
    things.update(processes())
    reserved = pathlib.Path("/proc/sys/net/ipv4/ip_local_reserved_ports").read_text().strip()
    things[f"reserved ports: {reserved or 'none'}"] = []
    return things


def with_contents(name):
    """A directory of the tests has a random name, and what is in it tells whose it was."""
    return f"{name} (with: {', '.join(sorted(os.listdir(name))[:5]) or 'nothing'})" if os.path.isdir(name) else name


def compare(before, after, saved_at):
    """What is different, a line each. A process counts if it was started since, and never by its end."""
    new = [
        f"left behind: {with_contents(name)}"
        for name, found in after.items()
        if name not in before and not (name.startswith("process ") and found < saved_at)
    ]
    gone = [f"gone: {name}" for name in before if name not in after and not name.startswith("process ")]
    changed = [f"changed: {name}" for name in before if name in after and before[name] != after[name]]
    return sorted(new + gone + changed)


def uptime():
    return float(pathlib.Path("/proc/uptime").read_text().split()[0])


def now():
    # Through JSON, so that both sides of a comparison are of the same types.
    return json.loads(json.dumps(state()))


def main(arguments):
    if len(arguments) != 2 or arguments[0] not in ("save", "compare"):
        print("usage: machine_state.py save FILE | compare FILE", file=sys.stderr)
        return 2
    file = pathlib.Path(arguments[1])
    if arguments[0] == "save":
        file.write_text(json.dumps({"saved_at": uptime(), "state": now()}))
        return 0
    saved = json.loads(file.read_text())
    deadline = time.monotonic() + SECONDS_TO_END
    # What a test has ended may take a moment to be gone.
    while different := compare(saved["state"], now(), saved["saved_at"]):
        if time.monotonic() > deadline:
            break
        time.sleep(1)
    print("\n".join(different) or "the machine is as it was")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
