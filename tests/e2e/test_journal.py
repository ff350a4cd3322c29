# SPDX-License-Identifier: MIT
"""Where stderr is journald's, lines go to it with fields; the real journald is in tests/systemd."""

import contextlib
import json
import os
import pathlib
import re
import socket

import pytest

from raw_http import RawConnection, request
from service import TOKEN_MARK
from waiting import wait_until

# A machine whose journald is the test: its socket is in the directory $0.
WITH_JOURNALD = 'mount -t tmpfs none /run; mkdir -p /run/systemd/journal; mount --bind "$0" /run/systemd/journal; exec "$@"'
HEADERS = [pathlib.Path(__file__).parents[2] / "userspace" / name for name in ("base/log.hpp", "audit/log.hpp")]
IDS = dict(re.findall(r'(k\w+) = "([0-9a-f]{32})"', "".join(header.read_text() for header in HEADERS)))


class Journald:
    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(directory / "socket"))
        self.socket.setblocking(False)
        (directory / "socket").chmod(0o666)
        self.seen = []

    def entries(self):
        """All that came so far, each a dictionary."""
        with contextlib.suppress(BlockingIOError):
            while True:
                fields = self.socket.recv(65536).decode("ascii").splitlines()
                self.seen.append(dict(field.split("=", 1) for field in fields))
        return self.seen

    def wait_for(self, message_id):
        return wait_until(
            lambda: next((entry for entry in self.entries() if entry.get("MESSAGE_ID") == IDS[message_id]), None), 20, message_id
        )


@pytest.fixture
def journald(new_service):
    """journald and a service that writes to it."""
    service = new_service({"imds.request_timeout": 1, "imds.deadline": 2, "audit.file": ""})
    journald = Journald(service.directory / "journal")
    with journald.socket:
        log = os.stat(service.log)
        service.launch(
            wrapper=["unshare", "--mount", "sh", "-ec", WITH_JOURNALD, journald.directory],
            environment={"JOURNAL_STREAM": f"{log.st_dev}:{log.st_ino}"},
        )
        service.wait_ready()
        yield journald, service


def test_lines_come_with_fields(journald, host, emulator):
    journald, service = journald
    assert journald.wait_for("kRedirected")["PRIORITY"] == "6"
    emulator.add_faults({"kind": "status", "status": 500, "count": 0})
    with RawConnection(host.connect()) as connection:
        assert connection.ask(request()).status == 500
    failed = journald.wait_for("kTokenFailed")
    assert failed["PRIORITY"] == "4" and failed["SYSLOG_IDENTIFIER"] == "msi2imds"
    assert failed["OUTCOME"] == "failed" and failed["RESOURCE"].startswith("https://")
    assert failed["PROGRAM"].startswith("/usr/bin/python3") and failed["PROGRAM"] in failed["MESSAGE"]
    assert failed["RESOURCE"] in failed["MESSAGE"]
    audited = journald.wait_for("kAuditLine")
    assert json.loads(audited["MESSAGE"].partition("audit: ")[2])["outcome"] == "failed" and audited["PRIORITY"] == "6"
    assert [audited[field] for field in ("OUTCOME", "PROGRAM", "RESOURCE")] == [failed[field] for field in ("OUTCOME", "PROGRAM", "RESOURCE")]
    assert service.log_text() == "", "each line is there once"
    assert TOKEN_MARK not in str(journald.entries())


def test_a_journald_that_has_ended_costs_no_line(journald):
    journald, service = journald
    journald.wait_for("kRedirected")
    journald.socket.close()
    os.kill(service.pid, 1)
    wait_until(lambda: "<6>reload: done" in service.log_text(), 10, "the line is on stderr")
