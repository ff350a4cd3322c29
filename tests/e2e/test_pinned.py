# SPDX-License-Identifier: MIT
"""A redirection that is kept while the service restarts, since somebody else holds its sockets."""

import contextlib
import os
import re
import signal
import subprocess

import pytest

import backends
from callers import Callers
from held_sockets import HeldSockets
from kernel_state import bpf_objects, bpf_objects_of, descendants_of
from legacy_port import a_token_is_served, another_server, assert_elsewhere, assert_refused
from namespace import Namespace
from programs import CHECKOUT, program, run_in
from raw_http import RawConnection, request
from waiting import wait_until

INSTALL = CHECKOUT / "docs" / "INSTALL.md"
RESTARTS = 10
CLIENTS = 4
SECOND_PORT = 50345


@pytest.fixture(params=["sk_lookup", "cgroup_connect"])
def backend(request):
    return request.param


@pytest.fixture
def settings(backend, pins):
    return {**backends.settings(backend), "redirect.pin_directory": str(pins)}


@pytest.fixture
def service(emulator, new_service, settings, held):
    service = held.start(new_service(settings))
    yield service
    service.detach()


def pinned_links(pins):
    return sorted(pin for pin in pins.glob("*") if "_program_" not in pin.name and not pin.name.endswith("_dialled"))


def shown(pin):
    command = ["bpftool", "link", "show", "pinned", pin]
    return subprocess.run(command, capture_output=True, text=True).stdout


def links_of(pins):
    """By pin, the kernel's numbers of the link and of its program."""
    words = {pin.name: shown(pin).split() for pin in pinned_links(pins)}
    return {pin: (shown[0].rstrip(":"), shown[shown.index("prog") + 1]) for pin, shown in words.items()}


def assert_taken_over(before, after):
    assert before
    assert before.keys() == after.keys()
    for pin, (link, program_before) in before.items():
        assert after[pin][0] == link, "the link is the same"
        assert after[pin][1] != program_before, "its program was replaced"


def kill(service):
    """All of its processes at once, as the out-of-memory killer or `systemctl kill` may."""
    for pid in [service.pid, *descendants_of(service.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    service.process.wait()


def restart_under_load(service, held, host, when_stopped=lambda: None, when_started=lambda: None):
    """The callers of 127.0.0.1, afterwards."""
    with Callers(host, count=CLIENTS, pause=0) as callers:
        for _ in range(RESTARTS):
            callers.wait_for("token", 10, count=1)
            service.process.terminate()
            assert service.wait_exit() == 0
            when_stopped()
            held.start(service)
            when_started()
        callers.wait_for("token", 10)
    return callers


@pytest.mark.smoke
def test_a_restart_loses_no_connection(service, held, host, pins, capsys):
    before = links_of(pins)
    callers = restart_under_load(service, held, host)
    with capsys.disabled():
        print(f"\n{RESTARTS} restarts: {callers}")
    assert set(callers.outcomes) == {"token"}
    assert_taken_over(before, links_of(pins))


def test_a_restart_without_a_held_ipv6_socket_loses_no_connection_over_ipv4(emulator, new_service, settings, host, pins):
    """As where systemd began before the machine had IPv6."""

    def assert_ipv6_is_refused():
        with pytest.raises(ConnectionRefusedError):
            host.connect("::1")

    def assert_ipv6_is_served():
        with RawConnection(host.connect("::1")) as connection:
            assert connection.ask(request()).status == 200

    with HeldSockets(host, addresses=("127.0.0.1",)) as held:
        service = held.start(new_service(settings))
        before = links_of(pins)
        callers = restart_under_load(service, held, host, assert_ipv6_is_refused, assert_ipv6_is_served)
        assert_taken_over(before, links_of(pins))
        service.detach()
    assert set(callers.outcomes) == {"token"}


def test_a_killed_supervisor_refuses_nobody(service, held, host, pins, capsys):
    """What it had accepted is lost."""
    before = links_of(pins)
    with Callers(host, count=CLIENTS, pause=0) as callers:
        for _ in range(RESTARTS):
            callers.wait_for("token", 10, count=1)
            os.kill(service.pid, signal.SIGKILL)
            service.process.wait()
            held.start(service)
        callers.wait_for("token", 10)
    with capsys.disabled():
        print(f"\n{RESTARTS} killed supervisors: {callers}")
    assert set(callers.outcomes) <= {"token", "reset", "closed"}
    assert callers.outcomes.total() - callers.outcomes["token"] <= RESTARTS * CLIENTS
    assert_taken_over(before, links_of(pins))


def test_a_supervisor_that_is_killed_while_it_starts_refuses_nobody(service, held, host):
    with Callers(host, count=CLIENTS) as callers:
        for step in ("capabilities from here on", "serves as", "redirect with"):
            callers.wait_for("token", 10, count=1)
            os.kill(service.pid, signal.SIGKILL)
            service.process.wait()
            done = service.log_text().count(step)
            service.launch(**held.launch_options())
            wait_until(lambda step=step, done=done: service.log_text().count(step) > done, 10, f"{step!r} in the log")
            os.kill(service.pid, signal.SIGKILL)
            service.process.wait()
            held.start(service)
        callers.wait_for("token", 10)
    assert set(callers.outcomes) <= {"token", "reset", "closed"}


@pytest.mark.parametrize("backend", ["cgroup_connect"], indirect=True)
def test_the_documented_command_removes_pins_that_a_version_does_not_know(service, pins):
    """As after a downgrade to one that does not pin: nothing is left, neither of pins nor of links."""
    (command,) = re.findall(r"^rm -f (/sys/fs/bpf/msi2imds/\S+)$", INSTALL.read_text(), re.MULTILINE)
    assert service.stop() == 0
    links = {shown(pin).split(":")[0] for pin in pinned_links(pins)}
    assert links
    subprocess.run(["sh", "-c", "rm -f " + command.replace("/sys/fs/bpf/msi2imds", str(pins))], check=True)
    assert list(pins.iterdir()) == []
    left = subprocess.run(["bpftool", "link", "list"], capture_output=True, text=True).stdout
    assert not links & {line.split(":")[0] for line in left.splitlines()}


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_other_ports_lose_no_connection(service, settings, held, host, how):
    other = {**settings, "legacy.ports": [50342, SECOND_PORT]}
    with Callers(host, count=CLIENTS, pause=0) as callers:
        for turn in range(RESTARTS):
            callers.wait_for("token", 10, count=1)
            service.configure(settings if turn % 2 else other)
            if how == "reload":
                service.process.send_signal(signal.SIGHUP)
            else:
                service.process.terminate()
                assert service.wait_exit() == 0
                held.start(service)
            wait_until(lambda is_served=turn % 2 == 0: serves(host, SECOND_PORT) == is_served, 10, "the other port changes")
    assert set(callers.outcomes) == {"token"}


def serves(host, port):
    try:
        host.connect(port=port).close()
    except ConnectionRefusedError:
        return False
    return True


def test_connections_wait_while_nobody_serves(service, held, host):
    service.process.terminate()
    assert service.wait_exit() == 0
    with RawConnection(host.connect()) as ipv4, RawConnection(host.connect("::1")) as ipv6:
        for waiting in (ipv4, ipv6):
            waiting.send(request())
        held.start(service)
        for waiting in (ipv4, ipv6):
            assert waiting.read_reply().status == 200


def test_a_caller_that_waited_knows_whom_it_dialled(service, held, host):
    service.process.terminate()
    assert service.wait_exit() == 0
    with RawConnection(host.connect()) as waiting:
        waiting.send(request())
        held.start(service)
        assert waiting.read_reply().status == 200
        assert waiting.socket.getpeername() == ("127.0.0.1", 50342)


def test_what_a_killed_supervisor_left_is_found_again(service, held, host, pins):
    before = links_of(pins)
    kill(service)
    assert links_of(pins) == before
    held.start(service)
    assert_taken_over(before, links_of(pins))
    assert a_token_is_served(host)


def test_what_was_left_halfway_is_completed(service, held, host, pins):
    """A process may be killed between any two of its steps."""
    before = links_of(pins)
    kill(service)
    pinned_links(pins)[0].unlink()
    held.start(service)
    assert links_of(pins).keys() == before.keys()
    assert len(list(pins.glob("*_program_*"))) == len(before), "one program for each link"
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
    before = links_of(pins)
    service.process.terminate()
    service.wait_exit()
    assert "left as it is" in service.detach("--unless-held").stdout
    assert links_of(pins) == before


def test_detach_removes_what_nobody_listens_for(service, held, host, backend, pins):
    service.process.terminate()
    service.wait_exit()
    for listener in held.listeners:
        listener.close()
    assert_refused(host, "127.0.0.1")
    assert f"removed {backend}" in service.detach("--unless-held").stdout
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


def test_pins_that_somebody_removes_are_made_again(service, held, host, pins):
    before = links_of(pins)
    for pin in pins.iterdir():
        pin.unlink()
    wait_until(lambda: pins.exists() and links_of(pins) == before, 10, "the links are pinned again")
    assert service.status_json()["remarks"] == []
    kill(service)
    with RawConnection(host.connect()) as waiting:
        waiting.send(request())
        held.start(service)
        assert waiting.read_reply().status == 200


def test_pins_that_are_gone_at_a_stop_are_made_again(service, held, host, pins):
    """Even if that was a moment before."""
    os.kill(service.pid, signal.SIGSTOP)
    for pin in pins.iterdir():
        pin.unlink()
    service.process.terminate()
    os.kill(service.pid, signal.SIGCONT)
    assert service.wait_exit() == 0
    with RawConnection(host.connect()) as waiting:
        waiting.send(request())
        held.start(service)
        assert waiting.read_reply().status == 200


def test_without_a_bpf_file_system_it_serves_and_says_what_a_restart_costs(
    emulator, new_service, settings, held, host, tmp_path
):
    place = tmp_path / "bpf"
    place.mkdir()
    service = held.start(new_service({**settings, "redirect.pin_directory": str(place / "pins")}))
    assert a_token_is_served(host)
    (remark,) = service.status_json()["remarks"]
    assert "connections fall through while the service restarts" in remark
    assert "no BPF file system" in remark
    assert list(place.iterdir()) == []

    subprocess.run(["mount", "-t", "bpf", "bpf", place], check=True)
    try:
        wait_until(lambda: service.status_json()["remarks"] == [], 10, "it is pinned once there is one")
        subprocess.run(["umount", place], check=True)
        wait_until(lambda: service.status_json()["remarks"] != [], 10, "the missing pins are told")
        assert a_token_is_served(host)
        subprocess.run(["mount", "-t", "bpf", "bpf", place], check=True)
        wait_until(lambda: service.status_json()["remarks"] == [], 10, "it is pinned again")
        with Callers(host, count=CLIENTS, pause=0) as callers:
            callers.wait_for("token", 10, count=1)
            service.process.terminate()
            assert service.wait_exit() == 0
            held.start(service)
            callers.wait_for("token", 10)
        assert set(callers.outcomes) == {"token"}
        service.detach()
        assert not (place / "pins").exists()
    finally:
        subprocess.run(["umount", place], check=True)


def test_another_directory_leaves_no_pin_in_the_old_one(service, settings, held, host, pins):
    other = pins.with_name("others")
    with Callers(host, count=CLIENTS, pause=0) as callers:
        callers.wait_for("token", 10, count=1)
        service.configure({**settings, "redirect.pin_directory": str(other)})
        service.process.send_signal(signal.SIGHUP)
        service.wait_for_log("reload: done")
        callers.wait_for("token", 10)
    assert set(callers.outcomes) == {"token"}
    assert not pins.exists()
    assert links_of(other)
    service.detach()
    assert not other.exists()


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


@pytest.fixture
def a_pin(emulator, new_service, settings, held, pins):
    """The path of the first pin of a service that has ended."""
    service = held.start(new_service(settings))
    path = pinned_links(pins)[0]
    service.detach()
    return path


def test_a_foreign_pin_is_said_and_left_alone(a_pin, new_service, settings, held, host):
    with something_else_at(a_pin):
        service = held.start(new_service(settings))
        assert a_token_is_served(host)
        assert any("is not ours" in remark for remark in service.status_json()["remarks"])
        run_in(host, program("msi2imds"), "detach", "--config", service.config)
        assert_refused(host, "127.0.0.1")


@pytest.mark.parametrize("backend", ["sk_lookup"], indirect=True)
def test_detach_says_that_a_foreign_pin_stays(a_pin, new_service, settings, held, host):
    with something_else_at(a_pin):
        detached = held.start(new_service(settings)).detach(expect=1)
        assert "is not ours" in detached.stderr


@pytest.mark.parametrize("backend", ["sk_lookup"], indirect=True)
def test_a_stale_pin_is_replaced(emulator, new_service, settings, held, host, pins):
    with Namespace() as gone, HeldSockets(gone) as sockets:
        earlier = new_service({**settings, "imds.endpoint": "http://127.0.0.1:80"})
        earlier.namespace = gone
        sockets.start(earlier)
        assert earlier.stop() == 0
    (pin,) = pinned_links(pins)
    wait_until(lambda: "netns_ino 0" in shown(pin), 5, "its namespace is gone")
    service = held.start(new_service(settings))
    assert a_token_is_served(host)
    assert service.status_json()["remarks"] == []
    service.process.terminate()
    assert service.wait_exit() == 0
    assert serves(host, 50342)
    assert "removed sk_lookup" in service.detach().stdout


def test_a_pin_of_another_namespace_is_left_alone(service, held, settings, new_service, other_host, host, backend, pins):
    before = links_of(pins)
    with HeldSockets(other_host) as sockets:
        other = new_service({**settings, "imds.endpoint": "http://127.0.0.1:80"})
        other.namespace = other_host
        sockets.start(other)
        remarks = other.status_json()["remarks"]
        if backend == "sk_lookup":
            assert any("another network namespace" in remark for remark in remarks)
        else:
            assert remarks == []
            assert before.keys() < links_of(pins).keys()
        assert other.stop() == 0
        other.detach(expect=1 if backend == "sk_lookup" else 0)
    assert links_of(pins) == before
    assert a_token_is_served(host)
