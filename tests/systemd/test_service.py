# SPDX-License-Identifier: MIT
"""The units on a machine with systemd: start, restart, reload, and what an operator does with them."""

import json
import re

import pytest

import faults
from callers import Callers
from emulator import EmulatorControls
from legacy_port import PORT
from programs import CHECKOUT
from raw_http import RawConnection, request, token_target
from tokens import assert_legacy_error
from waiting import wait_until


def test_units_are_without_a_fault(machine):
    verified = machine.attempt("systemd-analyze", "verify", "--man=no", "msi2imds.service", "msi2imds.socket")
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_is_ready_once_connections_are_intercepted(service, backend):
    service.start(backend)
    assert service.state() == "active"
    status = service.status("--json")
    assert status.returncode == 0, status.stdout + status.stderr
    assert json.loads(status.stdout)["backend"] == backend
    with Callers(service.machine, count=1) as callers:
        callers.wait_for("token", 10, count=1)
    assert callers.outcomes == {"token": len(callers.results)}


def test_makes_the_file_for_older_clients(service):
    service.machine.run("rm", "-rf", "/var/lib/waagent")
    service.start()
    service.wait_intercepting()
    path = "/var/lib/waagent/ManagedIdentity-Settings"
    assert service.machine.run("cat", path) == '{"url":"http://localhost:50342"}'
    assert service.machine.run("stat", "-c", "%a %u", "/var/lib/waagent", path).split() == ["755", "0", "644", "0"]
    service.stop()
    assert "removed" in service.machine.run("msi2imds", "detach", "--purge")
    assert service.machine.attempt("test", "-e", path).returncode == 1


def test_detach_says_that_the_socket_would_start_it_again(service):
    service.start()
    service.wait_intercepting()
    assert "the next connection to it starts msi2imds again" in service.machine.run("msi2imds", "detach")
    service.stop()
    assert "starts msi2imds again" not in service.machine.run("msi2imds", "detach")


def test_enabling_the_service_enables_its_socket(service):
    machine = service.machine
    machine.run("systemctl", "enable", "msi2imds")
    assert machine.run("systemctl", "is-enabled", "msi2imds.service", "msi2imds.socket").split() == ["enabled"] * 2
    machine.run("systemctl", "disable", "msi2imds")
    disabled = machine.attempt("systemctl", "is-enabled", "msi2imds.service", "msi2imds.socket")
    assert disabled.stdout.split() == ["disabled"] * 2


def test_reload_reads_the_configuration(service):
    service.start()
    pid = service.pid
    service.machine.write("/etc/msi2imds/conf.d/test.toml", "[legacy]\nports = [50342, 50343]\n")
    try:
        service.machine.run("systemctl", "reload", "msi2imds")
        with Callers(service.machine, port=50343, count=1, pause=0.05) as callers:
            callers.wait_for("token", 10, count=1)
    finally:
        service.machine.run("rm", "-r", "/etc/msi2imds/conf.d")
    assert service.pid == pid


def test_a_wrong_file_keeps_nobody_from_seeing_that_callers_are_served(service):
    service.start("nftables")
    service.wait_intercepting()
    wrong = "/etc/msi2imds/conf.d/wrong.toml"
    service.machine.write(wrong, "[redirect\n")
    try:
        for command in ("status", "health"):
            told = service.machine.attempt("msi2imds", command)
            assert told.returncode == 2
            assert f"{wrong}:1:" in told.stderr
            assert "Meanwhile msi2imds intercepts with nftables, by the configuration that it has read" in told.stderr
    finally:
        service.machine.run("rm", wrong)


def test_restarts_lose_no_request(service):
    service.start("sk_lookup")
    with Callers(service.machine) as callers:
        callers.wait_for("token", 10)
        for _ in range(5):
            service.machine.run("systemctl", "restart", "msi2imds")
            # More starts in a minute than systemd lets pass.
            service.machine.run("systemctl", "reset-failed", "msi2imds")
            callers.wait_for("token", 10)
    print(f"five restarts: {callers}")
    assert callers.outcomes == {"token": len(callers.results)}
    assert callers.longest_wait < 2


@pytest.fixture
def emulator(machine):
    controls = EmulatorControls(machine.network)
    controls.reset()
    yield controls
    controls.clear_faults()


def test_restarts_and_crashes_keep_tokens_while_imds_is_away(service, emulator):
    service.start("sk_lookup")
    with Callers(service.machine, count=1) as callers:
        callers.wait_for("token", 10, count=1)
    emulator.set_faults(faults.status(503))
    with Callers(service.machine) as callers:
        for way in (("restart", "msi2imds"), ("kill", "--signal=SIGKILL", "--kill-who=main", "msi2imds")) * 2:
            before = service.pid
            service.machine.run("systemctl", *way)
            wait_until(lambda: service.pid not in (0, before), 15, "another process runs")  # noqa: B023
            service.wait_intercepting()
            service.machine.run("systemctl", "reset-failed", "msi2imds")
            callers.wait_for("token", 10)
    print(f"two restarts and two crashes without IMDS: {callers}")
    assert set(callers.outcomes) <= {"token", "reset", "closed"}
    assert service.show("NFileDescriptorStore") == "1"


def test_a_stop_for_good_keeps_no_token(service, emulator):
    service.start()
    with Callers(service.machine, count=1) as callers:
        callers.wait_for("token", 10, count=1)
    service.stop()
    assert service.show("NFileDescriptorStore") == "0"
    before = emulator.token_requests()
    service.start()
    with Callers(service.machine, count=1) as callers:
        callers.wait_for("token", 10, count=1)
    assert emulator.token_requests() == before + 1


def test_a_restart_waits_for_nobody_who_waits_for_imds(service, emulator):
    network = service.machine.network
    held = "https://held.example/"
    service.configure("sk_lookup", {"responder.drain_timeout": 60})
    service.machine.run("systemctl", "start", "msi2imds")
    service.wait_intercepting()
    emulator.set_faults({"kind": "hang", "match": "held.example"})
    with RawConnection(network.connect("127.0.0.1", PORT, 30)) as waiting, Callers(service.machine) as callers:
        waiting.send(request(target=token_target(held)))
        wait_until(lambda: held in [one["resource"] for one in emulator.requests()], 10, "the request is at IMDS")
        callers.wait_for("token", 10)
        service.machine.run("systemctl", "restart", "msi2imds")
        assert_legacy_error(waiting.read_reply(), 500, "unknown")
        callers.wait_for("token", 10)
    print(f"a restart while somebody waits for IMDS: {callers}")
    assert callers.outcomes == {"token": len(callers.results)}
    assert callers.longest_wait < 2


def test_supervisor_that_hangs_is_replaced(service):
    service.override("[Service]\nWatchdogSec=2\n")
    service.start()
    hung = service.pid
    service.machine.run("kill", "-STOP", str(hung))
    wait_until(lambda: service.pid not in (0, hung), 15, "another supervisor runs")
    service.wait_intercepting()
    assert "Watchdog timeout" in service.journal()


def unit_findings(service):
    """What doctor says of the units: exit status, level and text of each."""
    told = service.machine.attempt("msi2imds", "doctor", "--json")
    findings = json.loads(told.stdout)["findings"]
    return told.returncode, [(one["level"], one["text"]) for one in findings if one["check"] == "unit"]


def test_doctor_is_content_with_good_units(service):
    assert unit_findings(service)[1] == [("ok", "No unit of msi2imds has failed.")]
    service.start()
    assert unit_findings(service)[1] == [("ok", "No unit of msi2imds has failed.")]


def test_doctor_names_the_unit_and_the_step_that_failed(service):
    service.override("[Service]\nReadWritePaths=/not/there\nRestart=no\n")
    service.configure("auto")
    assert service.machine.attempt("systemctl", "start", service.unit).returncode != 0
    exit_status, told = unit_findings(service)
    failed = "msi2imds.service has failed at step NAMESPACE (exit-code, status=226/NAMESPACE)."
    assert exit_status == 1
    assert ("error", failed) in told


def test_doctor_names_the_units_that_gave_up(service):
    service.override("[Service]\nExecStart=\nExecStart=/not/there\n")
    service.configure("auto")
    assert service.machine.attempt("systemctl", "start", service.unit).returncode != 0
    service.wait_for_state("failed", 30)
    service.wait_for_state("failed", 30, "msi2imds.socket")
    exit_status, told = unit_findings(service)
    assert exit_status == 1
    assert [text for _, text in told if text.startswith("msi2imds.service has failed at step EXEC (")]
    assert [text for _, text in told if text.startswith("msi2imds.socket has failed (service-start-limit-hit")]


def test_another_backend_takes_over_with_a_restart(service):
    """The new way in is open before the old one closes, and nothing of the old one stays."""
    service.start("nftables")
    with Callers(service.machine) as callers:
        for backend in ("iptables", "sk_lookup", "nftables", "listen"):
            callers.wait_for("token", 10)
            service.configure(backend)
            service.machine.run("systemctl", "restart", "msi2imds")
            service.machine.run("systemctl", "reset-failed", "msi2imds")
            callers.wait_for("token", 10)
            assert json.loads(service.status("--json").stdout)["backend"] == backend
            service.wait_for_traces_of(backend)
    print(f"four changes of the backend: {callers}")
    assert callers.outcomes == {"token": len(callers.results)}


def test_lines_in_the_journal_have_fields(service):
    service.start()
    service.wait_intercepting()
    lines = service.machine.run("journalctl", "--output=json", f"--after-cursor={service._began}", "-t", "msi2imds").splitlines()
    entries = [json.loads(line) for line in lines]
    ours = [entry for entry in entries if entry.get("_COMM") == "msi2imds"]
    assert ours and {entry["_TRANSPORT"] for entry in ours} == {"journal"}
    assert {entry["_SYSTEMD_UNIT"] for entry in ours} == {"msi2imds.service"}
    [redirected] = [entry for entry in ours if entry.get("MESSAGE_ID") == "0b18aa4d82a84b2b88bac72dbdf36936"]
    assert redirected["MESSAGE"].startswith("redirect with ") and redirected["PRIORITY"] == "6"
    assert int(redirected["_PID"]) == service.pid or redirected["_UID"] == "0"


def test_the_timer_brings_metrics_to_node_exporter(service):
    service.start()
    service.wait_intercepting()
    path = "/var/lib/prometheus/node-exporter/msi2imds.prom"
    service.machine.run("systemctl", "start", "msi2imds-textfile.service")
    assert "msi2imds_intercepting 1" in service.machine.run("cat", path)
    assert service.machine.run("stat", "-c", "%a", path).strip() == "644"
    assert service.machine.run("ls", "-A", "/var/lib/prometheus/node-exporter").split() == ["msi2imds.prom"]
    service.machine.run("rm", "-r", "/var/lib/prometheus")
    # The drop-in of docs/monitoring.md, for another directory.
    page = (CHECKOUT / "docs/monitoring.md").read_text()
    (drop_in,) = re.findall(r"^```\n(\[Service\]\n.*?)^```", page, re.MULTILINE | re.DOTALL)
    [file] = re.findall(r"`(/etc/systemd/system/msi2imds-textfile\S*)`", page)
    service.machine.write(file, drop_in)
    service.machine.run("systemctl", "daemon-reload")
    service.machine.run("systemctl", "start", "msi2imds-textfile.service")
    directory = drop_in.split("DIRECTORY=")[1].strip()
    assert "msi2imds_intercepting 1" in service.machine.run("cat", f"{directory}/msi2imds.prom")
    service.machine.run("rm", "-r", file, "/var/lib/node_exporter")
    service.machine.run("systemctl", "daemon-reload")
    verified = service.machine.attempt("systemd-analyze", "verify", "--man=no", "msi2imds-textfile.timer", "msi2imds-textfile.service")
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
