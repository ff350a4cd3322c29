# SPDX-License-Identifier: MIT
"""The two processes: what each may do, and what happens when one of them dies."""

import contextlib
import os
import pathlib
import pwd
import resource
import signal

import pytest

from callers import Callers
from kernel_state import bpf_objects, bpf_objects_of, children_of, is_running, pinned_paths, status_of, uid_of
from legacy_port import a_token_is_served, another_server, assert_elsewhere, assert_refused
from programs import run_in, start_in, stop
from raw_http import RESOURCE, RawConnection, request, token_target
from tokens import assert_legacy_error, assert_legacy_success
from waiting import wait_until

sk_lookup = pytest.mark.settings({"redirect.backend": "sk_lookup"})
KILLS = 50
CLIENTS = 4
NO_CAPABILITIES = "0" * 16


def test_the_responder_may_do_nothing(service):
    status = status_of(service.responder())
    user = pwd.getpwnam("nobody")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[name] == NO_CAPABILITIES, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"  # confined by a filter
    assert set(status["Uid"].split()) == {str(user.pw_uid)}
    assert set(status["Gid"].split()) == {str(user.pw_gid)}
    assert status["Groups"] in ("", str(user.pw_gid))


@sk_lookup
def test_the_responder_holds_no_bpf_object(service):
    assert {kind for kind, _ in bpf_objects_of(service.pid)} >= {"prog", "map", "link"}
    assert bpf_objects_of(service.responder()) == set()


def kill_responder(service):
    responder = service.responder()
    os.kill(responder, signal.SIGKILL)
    wait_until(lambda: service.find_responder() not in (None, responder), 10, "another responder runs")


@pytest.mark.smoke
def test_a_killed_responder_costs_only_what_it_had_accepted(service, host, capsys):
    with Callers(host, count=CLIENTS, pause=0) as callers:
        for _ in range(KILLS):
            callers.wait_for("token", 10, count=1)
            kill_responder(service)
        callers.wait_for("token", 10, count=1)

    with capsys.disabled():
        print(f"\n{KILLS} killed responders: {callers}")
    assert set(callers.outcomes) <= {"token", "reset", "closed"}, "no connection is refused or times out"
    assert callers.outcomes["reset"] + callers.outcomes["closed"] <= KILLS * CLIENTS
    assert service.process.poll() is None


def test_a_responder_that_hangs_is_replaced(service, host):
    responder = service.responder()
    os.kill(responder, signal.SIGSTOP)
    wait_until(lambda: service.find_responder() not in (None, responder), 60, "another responder runs")
    wait_until(lambda: a_token_is_served(host), 10, "a token is served")


def test_a_responder_that_had_no_memory_for_another_connection_serves_again(service, host):
    responder = service.responder()

    def is_replaced():
        return service.find_responder() not in (None, responder)

    def has_run_out():
        return is_replaced() or "serve a connection: std::bad_alloc" in service.log_text()

    with contextlib.ExitStack() as connections:
        used = int(pathlib.Path(f"/proc/{responder}/statm").read_text().split()[0]) * resource.getpagesize()
        as_itself = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")
        run_in(host, *as_itself, "prlimit", f"--pid={responder}", f"--as={used}").check_returncode()
        for _ in range(4000):  # fewer than responder.max_connections
            if has_run_out():
                break
            with contextlib.suppress(ConnectionError):
                connections.enter_context(host.connect())
        wait_until(has_run_out, 10, "it has no memory left")
    # Where a connection's own part fails, the others are not concerned; where accepting does, nobody could be served.
    if is_replaced():
        service.wait_for_log("bad_alloc")
    wait_until(lambda: a_token_is_served(host), 10, "a token is served")


@sk_lookup
def test_a_killed_supervisor_leaves_nothing(service, host):
    responder, objects, pins = service.responder(), bpf_objects_of(service.pid), pinned_paths()
    assert {kind for kind, _ in objects} >= {"prog", "map", "link"}
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()

    wait_until(lambda: not is_running(responder), 5, "the responder leaves")
    wait_until(lambda: not objects & bpf_objects(), 5, "the BPF objects are gone")
    assert not [pin for pin in pins if "msi2imds" in pin]
    assert_refused(host, "127.0.0.1")
    with another_server(host, "127.0.0.1"):
        assert_elsewhere(host, "127.0.0.1")


def test_a_killed_supervisor_can_be_followed_at_once(service, host):
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    service.start()
    assert a_token_is_served(host)


def test_a_start_waits_until_a_killed_supervisors_responder_has_left(service, host):
    responder = service.responder()
    os.kill(responder, signal.SIGSTOP)
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    service.launch()
    try:
        wait_until(lambda: "to leave admin socket" in service.log_text(), 10, "the start waits")
    finally:
        os.kill(responder, signal.SIGCONT)
    service.wait_ready()
    assert a_token_is_served(host)


@sk_lookup
def test_a_user_without_a_process_left_gets_its_responder(service, host):
    """It is executed by root, and becomes that user afterwards."""
    _, hard = resource.prlimit(service.pid, resource.RLIMIT_NPROC)
    as_nobody = ("setpriv", "--reuid=nobody", "--clear-groups", "--")
    occupant = start_in(host, *as_nobody, "sleep", "infinity")
    wait_until(lambda: uid_of(occupant.pid) not in (0, None), 5, "nobody has a process")
    resource.prlimit(service.pid, resource.RLIMIT_NPROC, (0, hard))
    try:
        kill_responder(service)
        wait_until(lambda: a_token_is_served(host), 10, "a token is served")
    finally:
        stop(occupant)


@contextlib.contextmanager
def no_memory_for_the_binary(host, supervisor):
    """The responder's exec goes through, and then the program dies before its first step, as a damaged one would."""
    _, hard = resource.prlimit(supervisor, resource.RLIMIT_AS)
    resource.prlimit(supervisor, resource.RLIMIT_AS, (1 << 20, hard))
    try:
        yield
    finally:
        resource.prlimit(supervisor, resource.RLIMIT_AS, (hard, hard))


@sk_lookup
@pytest.mark.parametrize("obstacle", [no_memory_for_the_binary])
def test_callers_fall_through_when_the_responder_cannot_start(service, host, obstacle):
    def falls_through():
        try:
            host.connect(timeout=0.2).close()
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            pass
        return False

    with obstacle(host, service.pid):
        os.kill(service.responder(), signal.SIGKILL)
        wait_until(falls_through, 10, "connections fall through")
        with another_server(host, "127.0.0.1"):
            assert_elsewhere(host, "127.0.0.1")
        assert service.status().returncode == 1
        assert service.status_json()["intercepting"] is False

    wait_until(lambda: a_token_is_served(host), 10, "the service comes back")
    assert service.status().returncode == 0


@pytest.mark.smoke
def test_sigterm_answers_what_is_in_flight(service, host, emulator, connect):
    objects = bpf_objects_of(service.pid)
    idle = connect()
    assert_legacy_success(idle.ask(request()), RESOURCE)
    busy = connect()
    emulator.set_faults({"kind": "delay", "ms": 2000})
    asked = emulator.token_requests()
    busy.send(request(target=token_target("https://vault.azure.net")))
    wait_until(lambda: emulator.token_requests() > asked, 5, "the request is in flight")

    service.process.terminate()
    assert_legacy_success(busy.read_reply(), "https://vault.azure.net")
    assert service.wait_exit() == 0
    assert idle.is_closed_within(1)
    # The kernel frees them a little later.
    wait_until(lambda: not objects & bpf_objects(), 5, "the BPF objects are gone")
    assert_refused(host, "127.0.0.1")
    assert not service.admin_socket.exists()


def test_the_drain_ends(new_service, emulator, host):
    service = new_service({"responder.drain_timeout": 1, "imds.request_timeout": 60}).start()
    emulator.set_faults({"kind": "hang"})
    with RawConnection(host.connect()) as connection:
        connection.send(request())
        wait_until(lambda: emulator.token_requests() == 1, 5, "the request is in flight")
        service.process.terminate()
        assert_legacy_error(connection.read_reply(), 500)
        assert service.wait_exit(8) == 0
    [line] = service.audit_lines()
    assert line["outcome"] == "failed"


def test_processes_are_gone_after_a_stop(service):
    started = [service.pid, *children_of(service.pid)]
    assert service.stop() == 0
    assert not [pid for pid in started if is_running(pid)]
