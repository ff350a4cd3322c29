# SPDX-License-Identifier: MIT
"""Who is calling, under the shipped units: systemd's limits must not be in the way."""

import json

from waiting import wait_until

OBSERVER = "msi2imds-observe.service"


def rows(machine):
    shown = machine.attempt("msi2imds", "callers", "--json")
    return json.loads(shown.stdout)["callers"] if shown.returncode == 0 else []


# No other program holds the connection at first, and the unit is there for a while even if nobody listens.
CALL = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/50342
printf 'GET /oauth2/token?resource=https://management.azure.com/ HTTP/1.1\\r\\nHost: localhost\\r\\nMetadata: true\\r\\n\\r\\n' >&3
read -r -d '' -t 3 -u 3
sleep 3
"""


def call_from_a_unit(machine, unit):
    """Ends with or without an answer."""
    machine.write("/usr/local/sbin/call-legacy", CALL)
    start = "ExecStart=/bin/bash /usr/local/sbin/call-legacy"
    machine.write(f"/etc/systemd/system/{unit}.service", f"[Service]\nType=oneshot\n{start}\n")
    machine.run("systemctl", "daemon-reload")
    machine.attempt("systemctl", "start", unit)


def test_a_unit_and_its_program_are_named(service):
    service.start()
    call_from_a_unit(service.machine, "backup-e2e")
    wait_until(lambda: rows(service.machine), 15, "a caller is known")
    row = rows(service.machine)[0]
    assert row["unit"] == "backup-e2e.service"
    assert row["program"].endswith("/bash")
    audit = service.machine.run("cat", "/var/log/msi2imds/audit.log")
    assert "unit=backup-e2e.service" in audit and "outcome=token" in audit
    service.stop()
    assert rows(service.machine), "kept in /var/lib/msi2imds"


def test_the_observer_records_and_redirects_nothing(service):
    machine = service.machine
    service.configure("auto")
    started = machine.attempt("systemctl", "start", OBSERVER)
    try:
        assert started.returncode == 0, started.stderr
        call_from_a_unit(machine, "observed-e2e")
        wait_until(lambda: "observed-e2e.service" in [row["unit"] for row in rows(machine)], 15, "the call is recorded")
        assert json.loads(machine.attempt("msi2imds", "status", "--json").stdout)["intercepting"] is False
    finally:
        machine.run("systemctl", "stop", OBSERVER)
    verified = machine.attempt("systemd-analyze", "verify", "--man=no", OBSERVER)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
