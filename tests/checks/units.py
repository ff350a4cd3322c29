#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fails when a unit has a line that an old systemd would take the wrong way (docs/units.md).

Units are read by systemd 208 and later, and drop-ins in packaging/systemd/NNN by systemd NNN and later. Which version
knows a directive stands in systemd-directives.tsv, which one knows a value of it in systemd-values.tsv. The check first
checks itself: that it finds each kind of bad line.
"""

import pathlib
import posixpath
import re
import shlex
import sys
import typing

HERE = pathlib.Path(__file__).resolve().parent
UNITS = HERE.parents[1] / "packaging" / "systemd"
OLDEST = 208

LESS_PROTECTION = "one protection less"
# What a unit may say to versions that do not know it, and what comes of that there.
HARMLESS_IF_IGNORED = {
    "FileDescriptorStoreMax": "tokens do not outlast a restart",
    **dict.fromkeys(("StateDirectory", "StateDirectoryMode", "LogsDirectory", "LogsDirectoryMode"), "setup makes them"),
    **dict.fromkeys(
        (
            *("KeyringMode", "LockPersonality", "MemoryDenyWriteExecute", "PrivateDevices", "PrivateMounts"),
            *("ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs"),
            *("ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "ProtectSystem"),
            *("RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
            "SystemCallArchitectures",
        ),
        LESS_PROTECTION,
    ),
}
# Commands with a prefix that old versions reject: they skip such a line. Without ExecStart= there is no service.
MAY_BE_SKIPPED = {"ExecStartPre=+-/bin/mkdir -m 0755 -p /var/lib/waagent"}  # before 231 the program can make it
KNOWN_PREFIXES = {"+": 231, "!": 235}

# The kinds of value of which any one will do (systemd-values.tsv). A time of 0 is none of them: before systemd 229 it
# meant "never", and since then "at once".
NUMBER = r"[0-9]+"
KINDS = {
    "<address>": r"[0-9a-f.:]+(/[0-9]+)?",
    "<bytes>": rf"{NUMBER}[KMGT]?",
    "<binding>": r"-?/\S*(:/\S*)?(:\w+)?",
    "<boolean>": r"yes|no|true|false|on|off|1|0",
    "<directory>": r"[\w.-]+(/[\w.-]+)*",
    "<errno>": r"E[A-Z0-9]+",
    "<mode>": r"[0-7]{3,4}",
    "<name>": r"[\w.-]+",
    "<number>": rf"-?{NUMBER}",
    "<path>": r"-?/\S*",
    "<path-in-root>": r"-?\+/\S*",
    "<system-call>": r"[a-z][a-z0-9_]*",
    "<text>": r".*",
    "<time>": r"[1-9][0-9]*(us|ms|s|min|h)?",
    "<two-limits>": rf"({NUMBER}|infinity):({NUMBER}|infinity)",
    "<unit>": r"[\w@.:-]+\.(service|socket|target|timer)",
}
# These take one value, which may contain blanks.
ONE_VALUE = {"Description", "DeviceAllow", "Environment", "ExecReload", "ExecStart", "ExecStartPre", "ExecStopPost"}
# What becomes of a value that a systemd does not know; by default the line is as if it were not there.
IF_UNKNOWN = {
    "CapabilityBoundingSet": "an older one may skip the name",
    "SystemCallFilter": "an older one skips it and keeps the rest of the list, which kills what needs it",
    "Type": "an older one takes it for simple: nobody waits until the service is ready",
}
# Values that a version may ignore, and why the unit is right there all the same.
RIGHT_IF_IGNORED = {
    ("KillMode", "mixed"): "SIGTERM reaches all processes, and all but the supervisor ignore it (base/signals.hpp)",
    ("ProtectSystem", "strict"): "what was said before stays in force: strict_alone() wants it to be full",
}

# What is made a mount of its own, by whatever name.
MOUNTED = {
    *("BindPaths", "BindReadOnlyPaths", "ExecPaths", "InaccessibleDirectories", "InaccessiblePaths", "NoExecPaths"),
    *("ReadOnlyDirectories", "ReadOnlyPaths", "ReadWriteDirectories", "ReadWritePaths", "TemporaryFileSystem"),
}
# What may be one there. Whether a path is a directory does not show in its name, and the machine of the check may lack
# it (a container, another kernel): so they are listed, and only compared with the machine where it has them.
KERNEL_DIRECTORIES = {
    *("/proc/sys", "/proc/sys/kernel", "/proc/sys/net", "/proc/sys/net/core", "/proc/sys/net/ipv4"),
    *("/proc/sys/net/ipv6", "/proc/sys/vm", "/sys", "/sys/fs", "/sys/fs/bpf", "/sys/fs/bpf/msi2imds"),
    *("/sys/fs/cgroup", "/sys/kernel", "/sys/module"),
}


class Line(typing.NamedTuple):
    number: int
    directive: str
    value: str

    def __str__(self):
        return f"{self.directive}={self.value}"


def read_directives():
    lines = (HERE / "systemd-directives.tsv").read_text().splitlines()
    return {name: int(since) for name, since in (line.split("\t") for line in lines if not line.startswith("#"))}


def read_values():
    """For each directive, its values and the version that knows each."""
    values = {}
    for line in (HERE / "systemd-values.tsv").read_text().splitlines():
        if not line.startswith("#"):
            directives, known, since = line.split("\t")
            for directive in directives.split():
                values.setdefault(directive, {}).update(dict.fromkeys(known.split(), int(since)))
    return values


VALUES = read_values()


def parse(text):
    lines, joined, first = [], "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not joined:
            first = number
        if line.startswith(("#", ";", "[")) or not line.strip():
            continue
        joined += line.removesuffix("\\")
        if not line.endswith("\\"):
            directive, value = joined.split("=", 1)
            lines.append(Line(first, directive.strip(), " ".join(value.split())))
            joined = ""
    return lines


def unknown(lines, version, directives):
    for line in lines:
        if line.directive not in directives:
            yield line, "not in systemd-directives.tsv: look up which version knows it"
        elif directives[line.directive] > version and not (version == OLDEST and line.directive in HARMLESS_IF_IGNORED):
            yield line, f"known from systemd {directives[line.directive]} on"


def words_of(line):
    """What of a line is a value of its own."""
    if line.directive in ONE_VALUE:
        return [line.value]
    return line.value.removeprefix("~").split()


def known_since(directive, word):
    """The systemd that knows this value; None: none that is listed does."""
    known = VALUES.get(directive, {})
    if word in known:
        return known[word]
    kinds = [since for kind, since in known.items() if kind in KINDS and re.fullmatch(KINDS[kind], word)]
    return min(kinds, default=None)


def unknown_values(lines, version, directives):
    for line in lines:
        if line.directive not in directives:
            continue  # unknown() says so
        for word in words_of(line):
            since = known_since(line.directive, word)
            if since is None:
                yield line, f"{word} is not in systemd-values.tsv: look up which version knows it"
            # Where the directive itself is not known, its value does no harm either.
            elif since > max(version, directives[line.directive]) and (line.directive, word) not in RIGHT_IF_IGNORED:
                consequence = IF_UNKNOWN.get(line.directive, "an older one ignores it")
                yield line, f"{word} is known from systemd {since} on, and {consequence}: use a drop-in for {since}"


def mount_points(line):
    try:
        words = shlex.split(line.value)
    except ValueError:  # a quotation mark that is alone
        words = line.value.split()
    for word in words:
        path = word.lstrip("-+")
        if line.directive.startswith("Bind"):
            path = (path.split(":") + [""])[1] or path.split(":")[0]
        elif line.directive == "TemporaryFileSystem":
            path = path.split(":")[0]
        yield posixpath.normpath(path).replace("//", "/")


def mounts_on_kernel_files(lines, _, __):
    """SELinux's policies let systemd mount on the kernel's directories, but not on the files in them."""
    for line in lines:
        if line.directive in MOUNTED:
            for path in mount_points(line):
                if path.startswith(("/proc/", "/sys/")) and path not in KERNEL_DIRECTORIES:
                    yield line, (f"{path}: with SELinux, systemd may mount on directories there, and not on files: "
                                 f"name the directory, and list it in KERNEL_DIRECTORIES")


def strict_alone(lines, version, _):
    """Before 232 `strict` keeps what was said before."""
    seen = ""
    for line in lines:
        if line.directive == "ProtectSystem":
            if line.value == "strict" and seen != "full" and version < 232:
                yield line, "say ProtectSystem=full before it, which systemd before 232 keeps"
            seen = line.value


def rejected_commands(lines, version, _):
    for line in lines:
        if not line.directive.startswith("Exec") or str(line) in MAY_BE_SKIPPED:
            continue
        prefix = line.value[: len(line.value) - len(line.value.lstrip("@-+!:"))]
        for sign, since in KNOWN_PREFIXES.items():
            if sign in prefix and since > version:
                yield line, f"rejected before systemd {since}, because of the {sign}"


def directories_that_are_not_there(lines, version, _):
    """What newer versions make and open by themselves has to be opened for the older ones, if it is there."""
    if version != OLDEST:
        return
    opened = [path for line in lines if line.directive == "ReadWriteDirectories" for path in line.value.split()]
    for line in lines:
        if line.directive in ("RuntimeDirectory", "ReadWritePaths", "ReadOnlyPaths"):
            yield line, "before systemd 235 it is not made, kept or opened: use a drop-in for 235"
        elif line.directive == "ReadWriteDirectories" and not all(path.startswith("-/") for path in line.value.split()):
            yield line, "the service does not start where a path is missing: write a - before it"
        elif line.directive in ("StateDirectory", "LogsDirectory"):
            path = {"StateDirectory": "-/var/lib/", "LogsDirectory": "-/var/log/"}[line.directive] + line.value
            if path not in opened:
                yield line, f"systemd 232 to 234 does not open it: add {path} to ReadWriteDirectories"


def capabilities_that_are_skipped(lines, version, _):
    """Before kernel 5.8 only CAP_SYS_ADMIN may load BPF."""
    bounds = [line for line in lines if line.directive == "CapabilityBoundingSet"]
    if version == OLDEST and len(bounds) > 1:
        yield bounds[1], "to old versions a second line is a further limit: write one line"
    for line in bounds:
        names = set(line.value.lstrip("~").split())
        if version == OLDEST and "CAP_SYS_ADMIN" not in names:
            yield line, "without CAP_SYS_ADMIN no kernel before 5.8 loads BPF"
        if line.value.startswith("~") and "CAP_SYS_ADMIN" in names and version < 247:
            yield line, "a systemd before 247 may run on a kernel before 5.8, which needs CAP_SYS_ADMIN"


def new_privileges(lines, version, _):
    """Before it, SELinux's policies keep a service with no_new_privs in init's domain; a command is well there."""
    if any(str(line) == "Type=oneshot" for line in lines):
        return
    for line in lines:
        if line.directive == "NoNewPrivileges" and version < 239:
            yield line, "the SELinux policy of EL 7 keeps such a service from a domain of its own: use a drop-in for 239"


RULES = (
    unknown,
    unknown_values,
    mounts_on_kernel_files,
    strict_alone,
    rejected_commands,
    directories_that_are_not_there,
    capabilities_that_are_skipped,
    new_privileges,
)

# Each rule, and what it must find.
BAD = (
    (unknown, OLDEST, "RestrictFileSystems=~ext4"),
    (unknown, OLDEST, "ProtectEverything=yes"),
    (unknown, 235, "ProtectProc=invisible"),
    (unknown_values, OLDEST, "SystemCallFilter=@system-service"),
    (unknown_values, 235, "SystemCallFilter=@system-service bpf"),
    (unknown_values, 247, "SystemCallFilter=~bpf @sandbox"),
    (unknown_values, 258, "SystemCallFilter=@no-such-group"),
    (unknown_values, OLDEST, "Type=exec"),
    (unknown_values, 247, "Type=notify-reload"),
    (unknown_values, OLDEST, "Type=sinple"),
    (unknown_values, OLDEST, "KillMode=mixd"),
    (unknown_values, OLDEST, "Restart=on-abnormal"),
    (unknown_values, OLDEST, "Restart=allways"),
    (unknown_values, OLDEST, "NotifyAccess=exec"),
    (unknown_values, 235, "ProtectHome=tmpfs"),
    (unknown_values, OLDEST, "ProtectSystem=strictly"),
    (unknown_values, 247, "RestrictAddressFamilies=none"),
    (unknown_values, 247, "RestrictAddressFamilies=AF_UNIX AF_INTE"),
    (unknown_values, OLDEST, "LimitNOFILE=1024:1048576"),
    (unknown_values, OLDEST, "TimeoutStopSec=infinity"),
    (unknown_values, OLDEST, "TimeoutStopSec=0"),
    (unknown_values, OLDEST, "TimeoutStopSec=90 seconds"),
    (unknown_values, OLDEST, "CapabilityBoundingSet=CAP_SYS_ADMIN CAP_NET_ADMN"),
    (unknown_values, OLDEST, "CapabilityBoundingSet=CAP_SYS_ADMIN CAP_BPF"),
    (unknown_values, 239, "CapabilityBoundingSet=~CAP_PERFMON"),
    (unknown_values, 247, "CapabilityBoundingSet=CAP_CHECKPOINT_RESTORE"),
    (unknown_values, 247, "ProtectControlGroups=strict"),
    (unknown_values, OLDEST, "PrivateDevices=maybe"),
    (mounts_on_kernel_files, 247, "ReadWritePaths=/proc/sys/net/ipv4/ip_local_reserved_ports"),
    (mounts_on_kernel_files, 247, "ReadWritePaths=-/var/lib/waagent -/proc/sys/net/ipv4/ip_local_reserved_ports"),
    (mounts_on_kernel_files, OLDEST, "ReadWriteDirectories=-/sys/kernel/uevent_helper"),
    (mounts_on_kernel_files, OLDEST, "ReadOnlyDirectories=/sys/power/state"),
    (mounts_on_kernel_files, OLDEST, "InaccessibleDirectories=-/proc/sysrq-trigger"),
    (mounts_on_kernel_files, 247, "ReadOnlyPaths=-+/proc/sys/kernel/core_pattern"),
    (mounts_on_kernel_files, 247, "InaccessiblePaths=/proc/kcore"),
    (mounts_on_kernel_files, 247, "BindPaths=/run/ports:/proc/sys/net/ipv4/ip_local_reserved_ports:rbind"),
    (mounts_on_kernel_files, 247, 'BindReadOnlyPaths=/run "-/sys/power/state"'),
    (mounts_on_kernel_files, 247, "ReadWritePaths=/proc/sys/net/ipv4/../ipv4//ip_forward"),
    (mounts_on_kernel_files, 247, "ReadWritePaths=/run \\\n  /proc/sys/net/ipv4/ip_forward"),
    (strict_alone, OLDEST, "ProtectSystem=strict"),
    (strict_alone, OLDEST, "ProtectSystem=strict\nProtectSystem=full\nProtectSystem=yes\nProtectSystem=strict"),
    (rejected_commands, OLDEST, "ExecStart=+/usr/sbin/msi2imds run"),
    (rejected_commands, OLDEST, "ExecStartPre=-+/bin/true"),
    (rejected_commands, 231, "ExecStart=!/usr/sbin/msi2imds run"),
    (directories_that_are_not_there, OLDEST, "RuntimeDirectory=msi2imds"),
    (directories_that_are_not_there, OLDEST, "ReadWriteDirectories=-/run /var/lib/waagent"),
    (directories_that_are_not_there, OLDEST, "ReadWriteDirectories=-/run\nStateDirectory=msi2imds"),
    (capabilities_that_are_skipped, OLDEST, "CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN"),
    (capabilities_that_are_skipped, OLDEST, "CapabilityBoundingSet=CAP_SYS_ADMIN \\\n CAP_KILL\n" * 2),
    (capabilities_that_are_skipped, 239, "CapabilityBoundingSet=~CAP_SYS_ADMIN"),
    (new_privileges, OLDEST, "NoNewPrivileges=yes"),
)


# What the rules must let pass.
GOOD = (
    (OLDEST, "KillMode=mixed\nProtectSystem=full\nProtectSystem=strict\nRestart=on-failure\nWatchdogSec=30\n"),
    (OLDEST, "ExecStart=/usr/sbin/msi2imds run\nSystemCallFilter=~mount umount2\nProtectProc=invisible\n"),
    (247, "ReadWritePaths=\nReadWritePaths=-/sys/fs/bpf/msi2imds -/proc/sys/net/ipv4/ /var/lib/waagent\n"),
    (247, "BindPaths=/proc/sys/net/ipv4:/run/ipv4 -/run\nReadWritePaths=/procession /system\n"),
)


def findings_in(path, directives):
    version = int(path.parent.name) if path.parent.name.isdigit() else OLDEST
    lines = parse(path.read_text())
    return [f"{path.relative_to(UNITS.parents[1])}:{line.number}: {line}: {reason}"
            for rule in RULES for line, reason in rule(lines, version, directives)]


def main():
    directives = read_directives()
    name = pathlib.Path(__file__).name
    findings = [f"{name}: {rule.__name__} does not find, for systemd {version}: {text!r}"
                for rule, version, text in BAD if not list(rule(parse(text), version, directives))]
    findings += [f"{name}: {rule.__name__} finds, for systemd {version}: {line}: {reason}" for version, text in GOOD
                 for rule in RULES for line, reason in rule(parse(text), version, directives)]
    findings += [f"systemd-values.tsv: it has no value of {directive}"
                 for directive in sorted(directives.keys() - VALUES.keys())]
    findings += [f"{name}: {path} is no directory on this machine" for path in sorted(KERNEL_DIRECTORIES)
                 if pathlib.Path(path).exists() and not pathlib.Path(path).is_dir()]
    paths = sorted(path for path in UNITS.rglob("*") if path.is_file())
    for path in paths:
        findings += findings_in(path, directives)
    print("\n".join(findings) or f"{len(paths)} units and drop-ins say nothing that an old systemd takes the wrong way")
    return 1 if findings else 0


sys.exit(main())
