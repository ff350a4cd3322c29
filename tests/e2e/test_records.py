# SPDX-License-Identifier: MIT
"""What outlives a request: the table of callers, the metrics, and observing without serving."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from callers import Callers
from extension import Extension
from legacy_port import ask, another_server
from named_client import NamedClient
from programs import CHECKOUT
from raw_http import RESOURCE, RawConnection, request
from test_old_kernels import on_old_kernel
from tokens import assert_legacy_success
from waiting import wait_until


def callers_of(service):
    ended = service.run("callers", "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def requests_of(service):
    return sum(row["requests"] for row in callers_of(service)["callers"])


def test_callers_survive_a_restart(service, host):
    assert_legacy_success(ask(host), RESOURCE)
    wait_until(lambda: requests_of(service) == 1, 10, "the request is counted")
    assert service.stop() == 0
    assert (service.callers_state.stat().st_mode & 0o777) == 0o600
    assert requests_of(service) == 1, "from the file"
    before = int(callers_of(service)["callers"][0]["last_seen"])
    service.start()
    assert f"\nmsi2imds_last_request_timestamp_seconds {before}\n" in service.run("metrics").stdout
    assert_legacy_success(ask(host), RESOURCE)
    wait_until(lambda: requests_of(service) == 2, 10, "both requests are there")


def true_series(service, metric):
    """The label values whose series of the metric is 1."""
    return re.findall(rf'^{metric}{{\w+="(\w+)"}} 1$', service.run("metrics").stdout, re.MULTILINE)


def test_metrics_tell_how_far_the_machine_is(emulator, new_service, host):
    """Stage, the extension's state as it is now, the verdict, and when each caller last asked."""
    service = new_service()
    with Extension(host, root=service.waagent) as extension:
        service.options = ["--observe"]
        service.start()
        assert true_series(service, "msi2imds_stage") == ["observe"]
        assert true_series(service, "msi2imds_extension_state") == ["Enabled"]
        assert true_series(service, "msi2imds_endpoint_verdict") == ["not_known"]
        assert service.stop() == 0
        service.options = []
        service.start()
        assert true_series(service, "msi2imds_stage") == ["cut_over"]
        extension.uninstall()
    assert true_series(service, "msi2imds_stage") == ["retired"]
    assert true_series(service, "msi2imds_extension_state") in (["none"], ["NotInstalled"])
    assert_legacy_success(ask(host), RESOURCE)
    wait_until(lambda: requests_of(service) == 1, 10, "the request is counted")
    assert true_series(service, "msi2imds_endpoint_verdict") == ["in_use"]
    [caller] = callers_of(service)["callers"]
    series = f'msi2imds_caller_last_request_timestamp_seconds{{unit="{caller.get("unit", "")}",program="{caller["program"]}"}}'
    assert f"\n{series} {caller['last_seen']}\n" in service.run("metrics").stdout


def tokens_in_table(service):
    return sum(row["outcomes"]["token"] for row in callers_of(service)["callers"])


@pytest.mark.settings({"audit.max_rate": 1_000_000})
@pytest.mark.parametrize("rounds", [3, pytest.param(15, marks=pytest.mark.long)])
def test_a_stop_under_load_loses_no_record(service, host, rounds):
    """As many tokens as clients got are in the audit and in the table, whatever waits for a look-up at the stop."""
    got = 0
    for number in range(rounds):
        with contextlib.ExitStack() as stack:
            crowds = [stack.enter_context(Callers(host, count=4, pause=0)) for _ in range(3)]
            for crowd in crowds:
                crowd.wait_for("token", 20, count=50)
            service.process.terminate()
            assert service.wait_exit() == 0
        got += sum(crowd.outcomes["token"] for crowd in crowds)
        told = sum(line["outcome"] == "token" for line in service.audit_lines())
        assert (told, tokens_in_table(service)) == (got, got), f"round {number}"
        assert not pathlib.Path(f"{service.callers_state}.new").exists()
        service.start()


def test_a_stop_waits_for_what_is_still_being_found_out(service, host):
    """Who called is not known yet when the stop comes, since whoever reads /proc stands still."""
    reader = service.reader_of_proc()
    os.kill(reader, signal.SIGSTOP)
    for _ in range(5):
        assert_legacy_success(ask(host), RESOURCE)
    service.process.terminate()
    service.wait_for_log("stop: drain for up to")
    with contextlib.suppress(ProcessLookupError):
        os.kill(reader, signal.SIGCONT)
    assert service.wait_exit() == 0
    outcomes = [line["outcome"] for line in service.audit_lines()]
    assert (outcomes, tokens_in_table(service)) == (["token"] * 5, 5)


@pytest.mark.parametrize("damaged", [b"", b"{", b"\x00" * 100, b'{"version":1}'], ids=["empty", "cut", "zeros", "poor"])
def test_a_damaged_file_is_set_aside_and_said(emulator, new_service, host, damaged):
    service = new_service()
    service.callers_state.write_bytes(damaged)
    service.start()
    service.wait_for_log("began a new record of who calls")
    aside = pathlib.Path(f"{service.callers_state}.damaged")
    assert aside.read_bytes() == damaged
    assert_legacy_success(ask(host), RESOURCE)
    wait_until(lambda: requests_of(service) == 1, 10, "counting goes on")


def test_a_link_in_the_place_of_a_file_is_not_followed(emulator, new_service, host):
    service = new_service()
    target = service.directory / "target"
    target.write_text("not ours")
    for place in (service.audit, service.callers_state):
        place.symlink_to(target)
    service.start()
    assert_legacy_success(ask(host), RESOURCE)
    service.wait_for_log("audit: ")
    assert service.stop() == 0
    assert target.read_text() == "not ours"


def test_a_reload_opens_the_audit_again(service, host):
    assert_legacy_success(ask(host), RESOURCE)
    service.wait_for_audit(1)
    rotated = service.audit.rename(service.directory / "audit.1")
    service.process.send_signal(signal.SIGHUP)
    service.wait_for_log("reload: done")
    wait_until(service.audit.exists, 10, "a new file")
    assert_legacy_success(ask(host), RESOURCE)
    service.wait_for_audit(1)
    assert len(rotated.read_text().splitlines()) == 1
    assert (service.audit.stat().st_mode & 0o777) == 0o600


def promtool():
    unpacked = CHECKOUT / "build" / "promtool" / "usr" / "bin" / "promtool"
    found = str(unpacked) if unpacked.exists() else shutil.which("promtool")
    assert found, "promtool is missing: tests/support/setup-promtool"
    return found


def test_metrics_are_as_prometheus_wants_them(service, host):
    assert_legacy_success(ask(host), RESOURCE)
    service.wait_for_audit(1)
    text = service.run("metrics").stdout
    checked = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, text=True)
    assert checked.returncode == 0 and not checked.stdout + checked.stderr, checked.stdout + checked.stderr
    for line in (
        'msi2imds_requests_total{outcome="token",source="imds"} 1',
        'msi2imds_requests_total{outcome="denied",source="none"} 0',
        'msi2imds_upstream_requests_total{status="200"} 1',
        'msi2imds_backend_info{backend="sk_lookup"} 1',
        "msi2imds_intercepting 1",
        "msi2imds_responder_restarts_total 0",
        "msi2imds_callers 1",
    ):
        assert line + "\n" in text, line
    os.kill(service.responder(), signal.SIGKILL)
    wait_until(lambda: "restarts_total 1\n" in service.run("metrics").stdout, 10, "a restart is counted")


def is_refused(host, port):
    try:
        host.connect(port=port).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.settings({"metrics.port": 9342})
def test_metrics_are_on_a_port_if_wanted_and_nothing_else(service, host):
    def get(target):
        with RawConnection(host.connect(port=9342)) as connection:
            return connection.ask(request(target=target, host="localhost:9342"))

    assert b"msi2imds_build_info" in get("/metrics").body
    assert get("/status").status == 404
    assert get("/callers").status == 404
    service.configure({"metrics.port": 0})
    service.process.send_signal(signal.SIGHUP)
    service.wait_for_log("reload: done")
    wait_until(lambda: is_refused(host, 9342), 10, "the port is closed")


@pytest.fixture
def observing(new_service):
    service = new_service()
    service.options = ["--observe"]
    return service


def test_observing_records_and_redirects_nothing(observing, host, scripts):
    observing.start()
    status = observing.status_json()
    assert status["observing"] and not status["intercepting"]
    with another_server(host, "127.0.0.1"):
        with RawConnection(host.connect()) as connection:
            assert connection.ask(request()).body == b"elsewhere"
        with NamedClient(host, scripts, uid=20001) as client:
            client.ask()
            pid = client.pid
    lines = observing.wait_for_audit(2)
    assert {line["outcome"] for line in lines} == {"observed"}
    assert lines[1]["pid"] == pid and lines[1]["uid"] == 20001
    assert requests_of(observing) == 2
    with pytest.raises(ConnectionRefusedError):
        host.connect()
    wait_until(lambda: requests_of(observing) == 3, 10, "a call that nobody answers is seen too")


def test_what_was_observed_before_a_stop_is_kept(observing, host):
    observing.start()
    os.kill(observing.pid, signal.SIGSTOP)
    try:
        with another_server(host, "127.0.0.1"):
            for _ in range(200):
                host.connect().close()
        observing.process.terminate()
    finally:
        os.kill(observing.pid, signal.SIGCONT)
    assert observing.wait_exit() == 0
    rows = json.loads(observing.callers_state.read_text())["callers"]
    assert sum(row["requests"] for row in rows) == 200


def test_observing_without_bpf_says_what_it_misses(observing, host):
    observing.start(wrapper=on_old_kernel("3.10"))
    assert "what is shorter is missed" in observing.log_text()
    with another_server(host, "127.0.0.1"), host.connect() as connection:
        line = observing.wait_for_audit(1)[0]
        assert line["pid"] == os.getpid()
        connection.sendall(request())


def test_commands_say_what_is_wrong(new_service, host):
    service = new_service()
    for command in ("callers", "metrics"):
        ended = service.run(command)
        assert ended.returncode == 1, command
        assert f"msi2imds: cannot show {command}: " in ended.stderr
    assert service.run("callers", "--jsn").returncode == 2
