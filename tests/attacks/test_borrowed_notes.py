# SPDX-License-Identifier: MIT
"""What the kernel has noted of one client's connection is of no use to the next one that has its port."""

import json
import pathlib
import struct
import subprocess
import tempfile

import pytest

from kernel_state import bpf_objects_of
from legacy_port import PORT
from line_process import run_script
from many_calls import have_connections_noted

ALLOWED, OTHER = 20001, 20002
# bpf/abi.h
CLIENT_PORT, FIRST_SEQUENCE, PID = 40, 48, 64 + 24


@pytest.fixture
def directory():
    """Where every user may read."""
    with tempfile.TemporaryDirectory(prefix="msi2imds-clients-") as made:
        path = pathlib.Path(made)
        path.chmod(0o755)
        yield path


def bpftool(*arguments):
    return json.loads(subprocess.check_output(["bpftool", "-j", *map(str, arguments)]))


def notes_of(service, pid):
    """Port and first sequence number of each connection of that process, as root can read them."""
    ours = [number for kind, number in bpf_objects_of(service.pid) if kind == "map"]
    (notes,) = [number for number in ours if bpftool("map", "show", "id", number)["name"] == "seen_connection"]
    for entry in bpftool("map", "dump", "id", notes):
        note = bytes(int(byte, 16) for byte in entry["value"])
        if struct.unpack_from("=I", note, PID)[0] == pid:
            yield struct.unpack_from("!H", note, CLIENT_PORT)[0], struct.unpack_from("=I", note, FIRST_SEQUENCE)[0]


def test_who_has_the_port_and_the_sequence_number_of_another_is_not_taken_for_him(start_with_rules, host, directory, row):
    """A reviewer got a token like this while a note was believed for both."""
    service = start_with_rules(f"[[allow]]\nuid = {ALLOWED}\n")
    before = len(service.wait_for_audit(have_connections_noted(service)))
    victims = run_script(host, directory, "closing_client.py", PORT, uid=ALLOWED)
    with victims as victim, run_script(host, directory, "note_thief.py", PORT, uid=OTHER) as thief:
        assert victim.tell("ask") == "200"
        ((port, sequence),) = notes_of(service, victim.pid)
        assert thief.tell(f"prepare {sequence} {port}") == "prepared"
        assert victim.tell("ask") == "200", "so that he is known"
        status = thief.tell("go")
    outcomes = [(line["pid"], line["uid"], line["outcome"]) for line in service.wait_for_audit(before + 3)[before:]]
    assert outcomes == [(victim.pid, ALLOWED, "token")] * 2 + [(thief.pid, OTHER, "denied")]
    row("a token by port and sequence number of a client that was allowed", "403", status, status == "403")
