# SPDX-License-Identifier: MIT
"""What the supervisor has to notice by itself: reloads at any moment, pauses, new addresses, limits, full disks."""

import contextlib
import os
import re
import signal
import subprocess

import pytest

import backends
from kernel_state import children_of, status_of
from legacy_port import PORT, a_token_is_served, ask
from raw_http import RESOURCE, RawConnection, request
from tokens import assert_legacy_success
from waiting import wait_until

ANOTHER_LISTEN_PORT = 343
# As long as a responder may be silent, and a little more.
PAUSE_SECONDS = 22
# So that nothing but the limit that is set counts.
WITHOUT_SYS_RESOURCE = ("setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource")


def catches(pid, number):
    return int(status_of(pid)["SigCgt"], 16) >> (number - 1) & 1


def sysctl(namespace, name, value):
    subprocess.run(
        ["nsenter", f"--net={namespace.path}", "sysctl", "-q", "-w", f"{name}={value}"], check=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize("backend", ["sk_lookup", "nftables", "listen"])
def test_a_reload_before_the_first_responder_is_ready_counts(emulator, new_service, host, backend):
    service = new_service(backends.settings(backend)).launch()
    wait_until(lambda: catches(service.pid, signal.SIGHUP), 10, "it takes SIGHUP")
    service.configure({**backends.settings(backend), "redirect.listen_port": ANOTHER_LISTEN_PORT})
    service.process.send_signal(signal.SIGHUP)
    service.wait_for_log("reload: done")
    service.wait_ready()
    assert_legacy_success(ask(host), RESOURCE)
    assert service.status().returncode == 0


@pytest.mark.parametrize("backend", ["sk_lookup", "nftables", "listen"])
def test_an_ipv6_loopback_address_that_comes_later_is_served(emulator, new_service, host, backend):
    sysctl(host, "net.ipv6.conf.lo.disable_ipv6", 1)
    service = new_service(backends.settings(backend)).start()
    assert_legacy_success(ask(host), RESOURCE)
    sysctl(host, "net.ipv6.conf.lo.disable_ipv6", 0)
    wait_until(lambda: a_token_is_served(host, "::1"), 10, "::1 is served")
    assert_legacy_success(ask(host), RESOURCE)
    assert service.status().returncode == 0


def open_files(pid):
    limits = open(f"/proc/{pid}/limits").read()
    return int(re.search(r"^Max open files +(\d+)", limits, re.MULTILINE)[1])


def open_and_ask(host, count, stack):
    connections = [stack.enter_context(RawConnection(host.connect("127.0.0.1", PORT, 10))) for _ in range(count)]
    for connection in connections:
        connection.send(request())
    for connection in connections:
        assert connection.read_reply().status == 200


def test_more_connections_after_a_reload_are_served_at_a_time(emulator, new_service, host):
    settings = {"responder.max_connections": 64}
    service = new_service(settings)
    service.launch(wrapper=("prlimit", "--nofile=256:4096", *WITHOUT_SYS_RESOURCE)).wait_ready()
    service.configure({"responder.max_connections": 400})
    service.process.send_signal(signal.SIGHUP)
    service.wait_for_log("reload: done")
    with contextlib.ExitStack() as stack:
        open_and_ask(host, 300, stack)


def test_a_limit_that_is_too_low_is_named_and_kept_to(emulator, new_service, host):
    service = new_service()
    service.launch(wrapper=("prlimit", "--nofile=100:100", *WITHOUT_SYS_RESOURCE)).wait_ready()
    assert "leaves room for 50 connections at a time" in service.log_text()
    with contextlib.ExitStack() as stack:
        open_and_ask(host, 45, stack)
        waiting = [stack.enter_context(RawConnection(host.connect("127.0.0.1", PORT, 10))) for _ in range(60)]
        for connection in waiting:
            connection.send(request())
        # Who is served has room. The first few may have given way before they asked, and the last ones wait.
        assert waiting[20].read_reply().status == 200
        assert "Too many open files" not in service.log_text()
    wait_until(lambda: a_token_is_served(host), 10, "a token is served")


@pytest.mark.settings({"redirect.backend": "sk_lookup"})
@pytest.mark.long
def test_a_pause_of_the_machine_is_no_hang(service, host):
    responder = service.responder()
    with RawConnection(host.connect("127.0.0.1", PORT, 60)) as connection:
        everything = [service.pid, *children_of(service.pid)]
        for pid in everything:
            os.kill(pid, signal.SIGSTOP)
        connection.send(request())
        with contextlib.suppress(TimeoutError):
            connection.socket.settimeout(PAUSE_SECONDS)
            connection.read_reply()
        for pid in everything:
            os.kill(pid, signal.SIGCONT)
        assert connection.read_reply().status == 200
    assert service.find_responder() == responder
    assert "has not answered" not in service.log_text()


# What the parent of a service leaves to it.
IGNORED_SIGCHLD = (
    "/usr/bin/python3",
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])",
)


@pytest.mark.parametrize("backend", ["sk_lookup", "nftables"])
def test_a_parent_that_ignored_sigchld_changes_nothing(emulator, new_service, host, backend):
    service = new_service(backends.settings(backend))
    service.launch(wrapper=IGNORED_SIGCHLD).wait_ready()
    responder = service.responder()
    os.kill(responder, signal.SIGKILL)
    wait_until(lambda: service.find_responder() not in (None, responder), 10, "another responder runs")
    assert_legacy_success(ask(host), RESOURCE)
    assert service.stop() == 0


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_closed_descriptor_is_nobody_elses(emulator, new_service, host, closed):
    service = new_service({"redirect.backend": "sk_lookup"})
    service.launch(wrapper=("sh", "-c", f'exec "$@" {closed}', "sh")).wait_ready()
    for pid in (service.pid, service.responder()):
        assert os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
    assert_legacy_success(ask(host), RESOURCE)


def test_a_stop_for_good_is_heard_from_the_start(emulator, new_service, host):
    service = new_service({"redirect.backend": "sk_lookup"}).launch()
    wait_until(lambda: catches(service.pid, signal.SIGUSR2), 10, "it takes SIGUSR2")
    service.process.send_signal(signal.SIGUSR2)
    assert service.wait_exit() == 0
    assert not service.admin_socket.exists()


def test_a_record_of_callers_that_cannot_be_made_is_said(emulator, new_service, host):
    service = new_service()
    service.start()
    obstacle = service.directory / f"{service.callers_state.name}.new"
    obstacle.mkdir()
    assert_legacy_success(ask(host), RESOURCE)
    said = f"who called is not kept across a restart: cannot make '{obstacle}'"
    service.wait_for_log(said, seconds=20)
    wait_until(lambda: any(said in remark for remark in service.status_json()["remarks"]), 10, "status says it")
    obstacle.rmdir()
    assert_legacy_success(ask(host), RESOURCE)  # something to save
    service.wait_for_log("who called is kept again", seconds=30)
    assert not any(said in remark for remark in service.status_json()["remarks"])


@pytest.fixture
def unreplaceable(new_service):
    """A service whose callers.state_file can be written, but not replaced."""
    service = new_service()
    service.callers_state.touch()
    subprocess.run(["mount", "--bind", service.callers_state, service.callers_state], check=True)
    yield service
    service.stop()
    subprocess.run(["umount", service.callers_state], check=True)


def test_a_record_of_callers_that_cannot_be_replaced_is_said(emulator, unreplaceable, host):
    service = unreplaceable
    service.callers_state.write_bytes(b"")
    service.start()
    assert_legacy_success(ask(host), RESOURCE)
    said = f"who called is not kept across a restart: cannot replace '{service.callers_state}'"
    service.wait_for_log(said, seconds=20)
    wait_until(lambda: any(said in remark for remark in service.status_json()["remarks"]), 10, "status says it")
    assert service.stop() == 0
    assert service.log_text().count(said) == 1, "once"
