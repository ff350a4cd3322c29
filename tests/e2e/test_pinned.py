# SPDX-License-Identifier: MIT
"""A redirection that is kept while the service restarts, since somebody else holds its sockets."""

import contextlib
import os
import signal
import subprocess

import pytest

from callers import Callers
from held_sockets import HeldSockets
from kernel_state import bpf_objects, bpf_objects_of
from legacy_port import a_token_is_served, another_server, assert_elsewhere, assert_refused
from namespace import Namespace
from programs import program, run_in
from raw_http import RawConnection, request
from waiting import wait_until

RESTARTS = 10
CLIENTS = 4


@pytest.fixture
def settings(pins):
    return {"redirect.backend": "sk_lookup", "redirect.pin_directory": str(pins)}


@pytest.fixture
def service(emulator, new_service, settings, held):
    service = held.start(new_service(settings))
    yield service
    service.detach()


def shown(pins):
    command = ["bpftool", "link", "show", "pinned", pins / "sk_lookup"]
    return subprocess.run(command, capture_output=True, text=True).stdout


def link_of(pins):
    """The kernel's numbers of the pinned link and of its program."""
    words = shown(pins).split()
    return words[0].rstrip(":"), words[words.index("prog") + 1]


@pytest.mark.smoke
def test_a_restart_loses_no_connection(service, held, host, pins, capsys):
    link, program_before = link_of(pins)
    with Callers(host, count=CLIENTS, pause=0) as callers:
        for _ in range(RESTARTS):
            callers.wait_for("token", 10, count=1)
            service.process.terminate()
            assert service.wait_exit() == 0
            held.start(service)
        callers.wait_for("token", 10)
    with capsys.disabled():
        print(f"\n{RESTARTS} restarts: {callers}")
    assert set(callers.outcomes) == {"token"}
    link_after, program_after = link_of(pins)
    assert link_after == link, "the link is the same"
    assert program_after != program_before, "its program was replaced"


def test_connections_wait_while_nobody_serves(service, held, host):
    service.process.terminate()
    assert service.wait_exit() == 0
    with RawConnection(host.connect()) as waiting:
        waiting.send(request())
        held.start(service)
        assert waiting.read_reply().status == 200


def test_what_a_killed_supervisor_left_is_found_again(service, held, host, pins):
    link, _ = link_of(pins)
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    assert link_of(pins)[0] == link
    held.start(service)
    assert link_of(pins)[0] == link
    assert a_token_is_served(host)


def test_detach_gives_connections_back(service, host, pins):
    objects = bpf_objects_of(service.pid)
    with another_server(host, "127.0.0.1"):
        assert a_token_is_served(host)
        said = service.detach().stdout
        assert "stopping msi2imds" in said
        assert_elsewhere(host, "127.0.0.1")
    wait_until(lambda: not objects & bpf_objects(), 5, "the BPF objects are gone")
    assert "nothing of msi2imds is left" in service.detach().stdout


def test_detach_can_leave_alone_what_waits_for_the_next_start(service, host, pins):
    service.process.terminate()
    service.wait_exit()
    assert "left as it is" in service.detach("--unless-held").stdout
    assert (pins / "sk_lookup").exists()


def test_detach_removes_what_nobody_listens_for(service, held, pins):
    service.process.terminate()
    service.wait_exit()
    for listener in held.listeners:
        listener.close()
    assert "removed sk_lookup" in service.detach("--unless-held").stdout
    assert not pins.exists()


def test_a_start_that_fails_lets_connections_through(service, held, host, settings, pins):
    service.process.terminate()
    service.wait_exit()
    service.configure({**settings, "responder.user": "nobody-of-that-name"})
    service.launch(**held.launch_options())
    assert service.wait_exit() == 1
    assert not pins.exists()
    assert_refused(host, "127.0.0.1")
    service.configure(settings)


@contextlib.contextmanager
def something_else_at(path):
    """A pin of somebody else."""
    path.parent.mkdir()
    size = ("type", "array", "key", "4", "value", "4", "entries", "1")
    subprocess.run(["bpftool", "map", "create", path, *size, "name", "foreign"], check=True)
    try:
        yield
    finally:
        assert path.exists()
        path.unlink()
        path.parent.rmdir()


def test_a_foreign_pin_is_said_and_left_alone(emulator, new_service, settings, held, host, pins):
    with something_else_at(pins / "sk_lookup"):
        service = held.start(new_service(settings))
        assert a_token_is_served(host)
        assert any("is not ours" in remark for remark in service.status_json()["remarks"])
        detached = run_in(host, program("msi2imds"), "detach", "--config", service.config)
        assert detached.returncode == 1
        assert "is not ours" in detached.stderr
        assert_refused(host, "127.0.0.1")


def test_a_stale_pin_is_said_and_removed_by_detach(emulator, new_service, settings, held, host, pins):
    with Namespace() as gone, HeldSockets(gone) as sockets:
        earlier = new_service({**settings, "imds.endpoint": "http://127.0.0.1:80"})
        earlier.namespace = gone
        sockets.start(earlier)
        assert earlier.stop() == 0
    wait_until(lambda: "netns_ino 0" in shown(pins), 5, "its namespace is gone")
    service = held.start(new_service(settings))
    assert a_token_is_served(host)
    assert any("namespace is gone" in remark for remark in service.status_json()["remarks"])
    assert "removed sk_lookup" in service.detach().stdout


def test_a_pin_of_another_namespace_is_said_and_left_alone(service, held, settings, new_service, other_host, pins):
    link, _ = link_of(pins)
    with HeldSockets(other_host) as sockets:
        other = new_service({**settings, "imds.endpoint": "http://127.0.0.1:80"})
        other.namespace = other_host
        sockets.start(other)
        assert any("another network namespace" in remark for remark in other.status_json()["remarks"])
        assert other.stop() == 0
    assert link_of(pins)[0] == link
