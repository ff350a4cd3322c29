# SPDX-License-Identifier: MIT
"""What stands in the memory of a process, read as root from /proc/PID/mem."""

import dataclasses
import pathlib
import re

_SHOWN = 48


@dataclasses.dataclass
class Find:
    address: int
    mapping: str
    # The bytes before and after, the searched text and what may be a token left out.
    before: bytes
    after: bytes

    def __str__(self):
        return f"{self.address:#x} in {self.mapping}: {self.before!r} ... {self.after!r}"


def _mappings(pid):
    """(start, end, description) of each readable mapping."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        addresses, rights, _, _, _, *name = line.split(maxsplit=5)
        start, end = (int(address, 16) for address in addresses.split("-"))
        if rights.startswith("r") and name not in (["[vvar]"], ["[vsyscall]"], ["[vvar_vclock]"]):
            yield start, end, f"{addresses} {rights} {' '.join(name) or 'anonymous'}"


def _redacted(data):
    return re.sub(rb"[A-Za-z0-9_-]{16,}", b"<token?>", data)


def _places(content, text):
    at = content.find(text)
    while at >= 0:
        yield at
        at = content.find(text, at + 1)


def search(pid, *texts):
    """Every place in the readable memory of the process where one of the texts stands."""
    finds, unread = [], []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, mapping in _mappings(pid):
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except OSError:
                unread.append(mapping)
                continue
            for text in texts:
                for at in _places(content, text):
                    end_of_text = at + len(text)
                    before = _redacted(content[max(at - _SHOWN, 0) : at])
                    after = _redacted(content[end_of_text : end_of_text + _SHOWN])
                    finds.append(Find(start + at, mapping, before, after))
    assert not unread, f"memory that could not be read: {unread}"
    return finds


def resident_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s*(\d+) kB$", status, re.MULTILINE)[1]) * 1024


def flags_of_mappings(pid):
    """{(start, end): set of VmFlags} of /proc/PID/smaps."""
    flags, key = {}, None
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        header = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if header:
            key = int(header[1], 16), int(header[2], 16)
        elif line.startswith("VmFlags:"):
            flags[key] = set(line.split()[1:])
    return flags
