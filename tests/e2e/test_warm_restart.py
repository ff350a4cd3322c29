# SPDX-License-Identifier: MIT
"""Tokens and the quota's memory outlast a responder that is killed, and a restart of the service."""

import os
import pathlib
import random
import re
import signal
import time

import pytest

import faults
from callers import Callers
from crowd import ask_at_once, ask_for, clients, resource_number
from descriptor_store import DescriptorStore
from programs import program
from raw_http import RawConnection, request
from service import TOKEN_MARK
from waiting import wait_until

SECRET = TOKEN_MARK.encode()
NAME = "msi2imds-tokens"
IMDS_IS_AWAY = faults.status(503)
MAX_RATE = 20
WARM = 20
# How many ends, and how many requests there are between two of them at most: with the latter, it takes six minutes.
SHORT, LONG = (30, 40), (200, 650)


def ask(host):
    with RawConnection(host.connect()) as connection:
        return connection.ask(request())


def token_of(reply):
    assert reply.status == 200
    return reply.json()["access_token"]


def memory_of(pid):
    """The descriptor's number in that process; None: it has none."""
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        if NAME in os.readlink(link):
            return link
    return None


def has_token(memory):
    """Whether there is a token in an open file, or in a path to one."""
    size = os.fstat(memory).st_size
    return SECRET in os.pread(memory, size, 0)


def kill_responder(service):
    responder = service.responder()
    os.kill(responder, signal.SIGKILL)
    wait_until(lambda: service.find_responder() not in (None, responder), 10, "another responder runs")


@pytest.fixture
def store():
    with DescriptorStore() as running:
        yield running


@pytest.fixture
def memory(held_service, store):
    """The memory that is held for the service, which is to have a token first."""
    file = store.memory()
    yield file
    os.close(file)


@pytest.fixture
def settings(pins):
    return {"redirect.backend": "sk_lookup", "redirect.pin_directory": str(pins)}


@pytest.fixture
def held_service(emulator, new_service, settings, held, store):
    """As under systemd, which holds the sockets and what it is told to hold."""
    service = held.start(new_service(settings), store)
    yield service
    if service.process.poll() is None:
        service.detach()
        service.wait_exit()


def restart(service, held, store):
    service.stop()
    return held.start(service, store)


@pytest.mark.smoke
def test_a_killed_responder_leaves_the_tokens(service, emulator, host):
    first = token_of(ask(host))
    emulator.set_faults(IMDS_IS_AWAY)
    kill_responder(service)
    assert token_of(ask(host)) == first
    assert emulator.token_requests() == 1


def test_a_restart_leaves_the_tokens(held_service, held, store, emulator, host):
    first = token_of(ask(host))
    emulator.set_faults(IMDS_IS_AWAY)
    for _ in range(3):
        restart(held_service, held, store)
        assert token_of(ask(host)) == first
    assert emulator.token_requests() == 1


def test_a_killed_supervisor_leaves_the_tokens_to_the_next(held_service, held, store, emulator, host):
    first = token_of(ask(host))
    emulator.set_faults(IMDS_IS_AWAY)
    os.kill(held_service.pid, signal.SIGKILL)
    held_service.process.wait()
    held.start(held_service, store)
    assert token_of(ask(host)) == first


def test_older_service_managers_tell_no_names(held_service, held, store, emulator, host):
    """It is known by its kind, and in any order among the sockets."""
    first = token_of(ask(host))
    emulator.set_faults(IMDS_IS_AWAY)
    held_service.stop()
    options = held.launch_options(store)
    sockets = options["wrapper"][-1].split(",")
    options["wrapper"][-1] = ",".join(reversed(sockets))
    held_service.start(**options)
    assert token_of(ask(host)) == first


# With a token in the cache nobody notices; only what was on its way at that moment is cut.
@pytest.mark.parametrize(("kills", "pause"), [SHORT, pytest.param(*LONG, marks=pytest.mark.long)])
def test_many_ends_while_imds_is_away(kills, pause, held_service, held, store, emulator, host, capsys):
    choice = random.Random(1)
    token_of(ask(host))
    emulator.set_faults(IMDS_IS_AWAY)
    began = time.monotonic()
    with Callers(host, count=4) as callers:
        for number in range(kills):
            callers.wait_for("token", 30, count=choice.randint(1, pause))
            if number % 10 == 9:
                restart(held_service, held, store)
            else:
                kill_responder(held_service)
        callers.wait_for("token", 10)
    outcomes = callers.outcomes
    with capsys.disabled():
        print(f"\n{kills} ends in {time.monotonic() - began:.0f} s without IMDS: {callers}")
    assert set(outcomes) <= {"token", "reset", "closed"}, "no request fails, is refused or times out"
    assert outcomes["reset"] + outcomes["closed"] <= kills * 4
    assert emulator.stats()["max_per_second"] <= MAX_RATE


# For whom the token is not there it has to be fetched, by one responder after the other.
def test_the_quota_holds_through_many_ends(service, emulator, host):
    for number in range(40):
        responder, before = service.responder(), emulator.token_requests()
        with clients(host, 1) as [client]:
            client.send(ask_for(resource_number(number)))
            wait_until(lambda: emulator.token_requests() > before, 10, "a request has reached IMDS")  # noqa: B023
            os.kill(responder, signal.SIGKILL)
        wait_until(lambda: service.find_responder() not in (None, responder), 10, "another one runs")  # noqa: B023
    assert emulator.stats()["max_per_second"] <= MAX_RATE


def test_only_the_responder_maps_it(service, host):
    token_of(ask(host))
    assert memory_of(service.pid), "the supervisor holds it"
    assert NAME not in pathlib.Path(f"/proc/{service.pid}/maps").read_text()
    smaps = pathlib.Path(f"/proc/{service.responder()}/smaps").read_text()
    mappings = re.findall(rf"/memfd:{NAME} .*\n(?:[A-Z]\S+:.*\n)+", smaps)
    assert any(int(re.search(r"Locked: +([0-9]+) kB", mapping)[1]) > 0 for mapping in mappings), "locked into RAM"
    assert all("dd" in re.search(r"VmFlags: (.*)", mapping)[1].split() for mapping in mappings), "left out of core dumps"
    assert os.stat(memory_of(service.pid)).st_mode & 0o777 == 0o600


def test_a_flush_wipes_it(held_service, memory, host):
    with clients(host, WARM) as crowd:
        ask_at_once(crowd, [ask_for(resource_number(number)) for number in range(WARM)])
    assert has_token(memory)
    assert held_service.flush() == WARM
    assert not has_token(memory)


@pytest.mark.parametrize("how", ["detach", "without a service manager"])
def test_a_stop_for_good_wipes_it(how, request, emulator, new_service, store, host):
    service = new_service({"redirect.backend": "sk_lookup"})
    if how == "detach":
        request.getfixturevalue("held").start(service, store)
    else:
        service.start()
    token_of(ask(host))
    memory = os.open(memory_of(service.pid), os.O_RDONLY)
    try:
        assert has_token(memory)
        if how == "detach":
            assert store.held()
            service.detach()
            service.wait_exit()
        else:
            service.stop()
        assert not has_token(memory)
        assert not store.held(), "it need not be held any longer"
    finally:
        os.close(memory)


@pytest.mark.parametrize("setting", ["tokens.survive_restart", "tokens.cache"])
def test_a_setting_turns_it_off(setting, emulator, new_service, host):
    service = new_service({setting: False}).start()
    token_of(ask(host))
    memory = os.open(memory_of(service.pid), os.O_RDONLY)
    assert not has_token(memory)
    os.close(memory)
    kill_responder(service)
    token_of(ask(host))
    assert emulator.token_requests() == 2


def reload(service, settings):
    service.configure(settings)
    before = service.log_text().count("reload: done")
    os.kill(service.pid, signal.SIGHUP)
    wait_until(lambda: service.log_text().count("reload: done") > before, 10, "it has read its configuration again")


def test_a_reload_turns_it_off_and_on(held_service, settings, memory, emulator, host):
    first = token_of(ask(host))
    reload(held_service, {**settings, "tokens.survive_restart": False})
    wait_until(lambda: not has_token(memory), 10, "the token is wiped")
    assert token_of(ask(host)) == first, "this responder goes on with its tokens"
    reload(held_service, settings)
    wait_until(lambda: has_token(memory), 10, "what was there before is kept again")
    kill_responder(held_service)
    assert token_of(ask(host)) == first
    assert emulator.token_requests() == 1


def test_turned_off_while_it_was_away_it_is_wiped(held_service, settings, memory, held, store, emulator, host):
    token_of(ask(host))
    held_service.stop()
    assert has_token(memory), "a successor is expected"
    held_service.configure({**settings, "tokens.survive_restart": False})
    held.start(held_service, store)
    assert not has_token(memory)
    token_of(ask(host))
    assert emulator.token_requests() == 2


@pytest.mark.parametrize("how", ["reload", "restart"])
@pytest.mark.parametrize("max_bytes", [65536, 64 * 1024 * 1024])
def test_another_limit_keeps_the_tokens(how, max_bytes, held_service, settings, held, store, emulator, host):
    first = token_of(ask(host))
    emulator.set_faults(IMDS_IS_AWAY)
    other = {**settings, "tokens.max_bytes": max_bytes}
    if how == "reload":
        reload(held_service, other)
        kill_responder(held_service)
    else:
        held_service.configure(other)
        restart(held_service, held, store)
    assert token_of(ask(host)) == first


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_tokens_of_another_imds_are_not_given_out(how, held_service, settings, memory, held, store, host):
    """Such as an emulator that somebody has tried first."""
    token_of(ask(host))
    other = {**settings, "imds.endpoint": "http://127.0.0.1:9", "imds.deadline": 1, "imds.connect_timeout": 1}
    if how == "reload":
        reload(held_service, other)
        wait_until(lambda: ask(host).status == 500, 10, "nobody answers there")
    else:
        held_service.configure(other)
        restart(held_service, held, store)
        assert ask(host).status == 500
    assert not has_token(memory)


@pytest.mark.parametrize("damage", ["noise", "short", "empty", "endless"])
def test_damage_means_empty(damage, held_service, memory, held, store, emulator, host):
    token_of(ask(host))
    held_service.stop()
    size = os.fstat(memory).st_size
    if damage == "noise":
        os.pwrite(memory, random.Random(2).randbytes(size), 0)
    else:
        os.ftruncate(memory, {"short": 8192, "empty": 0, "endless": 1 << 40}[damage])
    held.start(held_service, store)
    token_of(ask(host))
    kill_responder(held_service)
    token_of(ask(host))
    # Of the one that was enlarged, what was there is good.
    assert emulator.token_requests() == (1 if damage == "endless" else 2), "what was fetched then is kept again"


@pytest.mark.emulator_arguments("--token-lifetime", "2")
@pytest.mark.settings({"imds.request_timeout": 1, "imds.deadline": 3})
def test_what_has_died_meanwhile_is_not_given_out(emulator, new_service, held, store, host):
    service = held.start(new_service({"redirect.backend": "sk_lookup"}), store)
    dying = ask(host).json()
    emulator.set_faults(IMDS_IS_AWAY)
    service.stop()
    wait_until(lambda: time.time() > int(dying["expires_on"]), 10, "the token is dead")
    held.start(service, store)
    assert ask(host).status == 500


def test_kernels_without_memfd_use_a_tmpfs(emulator, new_service, host, tmp_path_factory):
    directory = pathlib.Path(f"/dev/shm/msi2imds-test-{os.getpid()}")
    service = new_service({"admin.socket": str(directory / "admin.sock"), "redirect.backend": "iptables"})
    try:
        service.start(wrapper=[program("old_syscalls"), "3.10"])
        first = token_of(ask(host))
        emulator.set_faults(IMDS_IS_AWAY)
        kill_responder(service)
        assert token_of(ask(host)) == first
        assert not list(directory.glob(".*")), "it has no name"
        service.stop()
    finally:
        directory.rmdir()
