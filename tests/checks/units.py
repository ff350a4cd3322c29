#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fails when a unit has a line that an old systemd would take the wrong way (docs/units.md).

Units are read by systemd 208 and later, and drop-ins in packaging/systemd/NNN by systemd NNN and later. Which version
knows a directive stands in systemd-directives.tsv. The check first checks itself: that it finds each kind of bad line.
"""

import pathlib
import sys
import typing

HERE = pathlib.Path(__file__).resolve().parent
UNITS = HERE.parents[1] / "packaging" / "systemd"
OLDEST = 208

LESS_PROTECTION = "one protection less"
# What a unit may say to versions that do not know it, and what comes of that there.
HARMLESS_IF_IGNORED = {
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
KNOWN_TYPES = {"exec": 240, "notify-reload": 253}
KNOWN_CAPABILITIES = {"CAP_BPF": 247, "CAP_PERFMON": 247, "CAP_CHECKPOINT_RESTORE": 249}
# Groups of system calls that came after those that 239 knows.
KNOWN_GROUPS = {"@known": 250, "@sandbox": 254}
GROUPS_SINCE = 239


class Line(typing.NamedTuple):
    number: int
    directive: str
    value: str

    def __str__(self):
        return f"{self.directive}={self.value}"


def read_directives():
    lines = (HERE / "systemd-directives.tsv").read_text().splitlines()
    return {name: int(since) for name, since in (line.split("\t") for line in lines if not line.startswith("#"))}


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


def groups_that_are_skipped(lines, version, _):
    """An allow-list of which a part is unknown kills what needs that part."""
    for line in lines:
        if line.directive == "SystemCallFilter":
            groups = [word for word in line.value.lstrip("~").split() if word.startswith("@")]
            newest = max([KNOWN_GROUPS.get(group, GROUPS_SINCE) for group in groups], default=OLDEST)
            if newest > version:
                yield line, f"an older systemd skips a group and keeps the rest of the list: use a drop-in for {newest}"


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


def types_that_are_simple(lines, version, _):
    for line in lines:
        if line.directive == "Type" and KNOWN_TYPES.get(line.value, OLDEST) > version:
            yield line, f"simple before systemd {KNOWN_TYPES[line.value]}: nobody waits until the service is ready"


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
    """An unknown name is skipped, and before kernel 5.8 only CAP_SYS_ADMIN may load BPF."""
    bounds = [line for line in lines if line.directive == "CapabilityBoundingSet"]
    if version == OLDEST and len(bounds) > 1:
        yield bounds[1], "to old versions a second line is a further limit: write one line"
    for line in bounds:
        names = set(line.value.lstrip("~").split())
        if version == OLDEST and "CAP_SYS_ADMIN" not in names:
            yield line, "without CAP_SYS_ADMIN no kernel before 5.8 loads BPF"
        newest = max([KNOWN_CAPABILITIES.get(name, OLDEST) for name in names], default=OLDEST)
        if newest > version:
            yield line, f"it names what systemd before {newest} may not know"
        if line.value.startswith("~") and "CAP_SYS_ADMIN" in names and version < 247:
            yield line, "a systemd before 247 may run on a kernel before 5.8, which needs CAP_SYS_ADMIN"


RULES = (
    unknown,
    groups_that_are_skipped,
    strict_alone,
    rejected_commands,
    types_that_are_simple,
    directories_that_are_not_there,
    capabilities_that_are_skipped,
)

# Each rule, and what it must find.
BAD = (
    (unknown, OLDEST, "RestrictFileSystems=~ext4"),
    (unknown, OLDEST, "ProtectEverything=yes"),
    (unknown, 235, "ProtectProc=invisible"),
    (groups_that_are_skipped, OLDEST, "SystemCallFilter=@system-service"),
    (groups_that_are_skipped, 235, "SystemCallFilter=@system-service bpf"),
    (strict_alone, OLDEST, "ProtectSystem=strict"),
    (strict_alone, OLDEST, "ProtectSystem=strict\nProtectSystem=full\nProtectSystem=yes\nProtectSystem=strict"),
    (rejected_commands, OLDEST, "ExecStart=+/usr/sbin/msi2imds run"),
    (rejected_commands, OLDEST, "ExecStartPre=-+/bin/true"),
    (rejected_commands, 231, "ExecStart=!/usr/sbin/msi2imds run"),
    (types_that_are_simple, OLDEST, "Type=exec"),
    (types_that_are_simple, 247, "Type=notify-reload"),
    (directories_that_are_not_there, OLDEST, "RuntimeDirectory=msi2imds"),
    (directories_that_are_not_there, OLDEST, "ReadWriteDirectories=-/run /var/lib/waagent"),
    (directories_that_are_not_there, OLDEST, "ReadWriteDirectories=-/run\nStateDirectory=msi2imds"),
    (capabilities_that_are_skipped, OLDEST, "CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN"),
    (capabilities_that_are_skipped, OLDEST, "CapabilityBoundingSet=CAP_SYS_ADMIN \\\n CAP_KILL\n" * 2),
    (capabilities_that_are_skipped, 239, "CapabilityBoundingSet=CAP_SYS_ADMIN CAP_BPF"),
    (capabilities_that_are_skipped, 239, "CapabilityBoundingSet=~CAP_SYS_ADMIN"),
)


def findings_in(path, directives):
    version = int(path.parent.name) if path.parent.name.isdigit() else OLDEST
    lines = parse(path.read_text())
    return [f"{path.relative_to(UNITS.parents[1])}:{line.number}: {line}: {reason}"
            for rule in RULES for line, reason in rule(lines, version, directives)]


def main():
    directives = read_directives()
    findings = [f"{pathlib.Path(__file__).name}: {rule.__name__} does not find, for systemd {version}: {text!r}"
                for rule, version, text in BAD if not list(rule(parse(text), version, directives))]
    paths = sorted(path for path in UNITS.rglob("*") if path.is_file())
    for path in paths:
        findings += findings_in(path, directives)
    print("\n".join(findings) or f"{len(paths)} units and drop-ins say nothing that an old systemd takes the wrong way")
    return 1 if findings else 0


sys.exit(main())
