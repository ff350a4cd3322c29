# SPDX-License-Identifier: MIT
"""No token is printed, whatever IMDS does, and none stays in memory longer than it is of use."""

import base64
import os
import pathlib
import re

import pytest

import faults
import memory
from crowd import ask_at_once, ask_for, clients, resource_number
from kernel_state import status_of
from programs import program, run_in
from raw_http import RESOURCE, request
from service import TOKEN_MARK
from tokens import assert_legacy_success
from waiting import wait_until

SECRET = TOKEN_MARK.encode()
START_OF_TOKEN = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"RS256","x5t"')[:-4]
PIECE = 32
# One attempt, and for the quick faults a second.
HASTY = pytest.mark.settings({"imds.request_timeout": 1, "imds.deadline": 6})


def resource_of(fault):
    return "https://" + "-".join(fault.replace(",", "").lower().split()) + ".example/"


@pytest.fixture
def meet_all_faults(host, emulator):
    """Clients ask, each of them while IMDS has another fault; returns the replies."""

    def meet(*each):
        emulator.add_faults(*[{**fault, **amount(name)} for name, fault in faults.ALL.items() for amount in each])
        with clients(host, len(faults.ALL)) as crowd:
            return ask_at_once(crowd, [ask_for(resource_of(name)) for name in faults.ALL])

    return meet


def for_good(name):
    return {"match": resource_of(name)[len("https://") : -1], "count": 0}


def once(name):
    return {"match": resource_of(name)[len("https://") : -1], "count": 1}


def outputs(service):
    """{source: everything that the programs printed, or show of themselves}"""
    responder, supervisor = service.responder(), service.pid
    commands = [("status",), ("status", "--json"), ("check-config",), ("flush",), ("status", "--json")]
    shown = {"log": service.log.read_bytes(), "stdout": service.stdout.read_bytes()}
    for number, arguments in enumerate(commands):
        ended = run_in(service.namespace, program("msi2imds"), *arguments, "--config", service.config)
        assert ended.returncode == 0, f"{arguments}: {ended.stderr}"
        shown[f"{number}: {' '.join(arguments)}"] = (ended.stdout + ended.stderr).encode()
    for pid in (responder, supervisor):
        for name in ("cmdline", "environ", "comm"):
            shown[f"{name} of {pid}"] = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    return shown


@HASTY
@pytest.mark.parametrize("amount", [once, for_good])
def test_no_output_holds_a_token(new_service, meet_all_faults, host, amount):
    service = new_service()
    service.stdout = service.directory / "stdout"
    with service.stdout.open("wb") as stdout:
        service.start(stdout=stdout)
    replies = meet_all_faults(amount)
    assert any(SECRET in reply.body for reply in replies) or amount is for_good
    with clients(host, 1) as [client]:
        assert_legacy_success(client.ask(request()), RESOURCE)
    leaking = [source for source, text in outputs(service).items() if SECRET in text]
    assert not leaking
    if amount is for_good:
        assert service.log_text().count("cannot get a token for") >= len(faults.NONSENSE), "the failures were logged"


def report(finds):
    return f"{len(finds)} places, such as\n" + "\n".join(str(find) for find in finds[:10])


def pieces_of(replies):
    """What would be left of a token that was overwritten in part."""
    tokens = [reply.json()["access_token"].encode() for reply in replies[:3]]
    return [token[at : at + PIECE] for token in tokens for at in range(0, len(token) - PIECE, PIECE)]


def assert_no_token_in(pid, replies=()):
    finds = memory.search(pid, SECRET, START_OF_TOKEN, *pieces_of(replies))
    assert not finds, report(finds)


def wait_for_no_clients(service):
    """The connection that asks does not count."""
    wait_until(lambda: service.status_json()["responder"]["connections"] <= 1, 5, "the clients are gone")


def test_a_flush_wipes_the_tokens(service, host):
    count = 50
    with clients(host, count) as crowd:
        replies = ask_at_once(crowd, [ask_for(resource_number(number)) for number in range(count)])
    assert {reply.status for reply in replies} == {200}
    responder = service.responder()
    assert len(memory.search(responder, SECRET)) >= count, "the search works"
    assert len(memory.search(responder, START_OF_TOKEN)) >= count, "that of the start, too"
    assert memory.search(responder, pieces_of(replies)[-1]), "and that of pieces"
    assert service.flush() == count
    wait_for_no_clients(service)
    assert_no_token_in(responder, replies)
    assert_no_token_in(service.pid, replies)


def test_a_flush_wipes_the_tokens_while_clients_stay_connected(service, host):
    with clients(host, 20) as crowd:
        replies = ask_at_once(crowd, [ask_for(resource_number(number % 5)) for number in range(20)])
        assert service.flush() == 5
        assert_no_token_in(service.responder(), replies)


@HASTY
def test_a_flush_wipes_what_faults_left(service, host, emulator, meet_all_faults):
    meet_all_faults(once)
    emulator.clear_faults()
    with clients(host, 1) as [client]:
        assert_legacy_success(client.ask(request()), RESOURCE)
    responder = service.responder()
    assert memory.search(responder, SECRET), "the search works"
    service.flush()
    wait_for_no_clients(service)
    assert_no_token_in(responder)


@pytest.mark.settings({"tokens.cache": False})
def test_without_the_cache_nothing_stays(service, host):
    with clients(host, 20) as crowd:
        replies = ask_at_once(crowd, [ask_for(resource_number(number)) for number in range(20)])
    assert {reply.status for reply in replies} == {200}
    wait_for_no_clients(service)
    assert_no_token_in(service.responder(), replies)


@pytest.mark.settings({"tokens.max_bytes": 65536})
def test_eviction_wipes(service, host):
    count = 60
    with clients(host, count) as crowd:
        ask_at_once(crowd, [ask_for(resource_number(number)) for number in range(count)])
    wait_for_no_clients(service)
    cached = service.status_json()["tokens"]["cached"]
    assert 0 < cached < count
    # Each token has the mark once, and stands in the cache and in the memory that outlasts the process.
    assert len(memory.search(service.responder(), SECRET)) == 2 * cached


def test_tokens_stand_in_memory_that_is_kept_out_of_core_dumps(service, host):
    with clients(host, 1) as [client]:
        assert_legacy_success(client.ask(request()), RESOURCE)
    wait_for_no_clients(service)  # whose answer stood elsewhere until it was sent
    responder = service.responder()
    flags = memory.flags_of_mappings(responder)
    finds = memory.search(responder, SECRET)
    assert finds
    for find in finds:
        [found] = [flag for (start, end), flag in flags.items() if start <= find.address < end]
        assert "dd" in found, f"would be dumped: {find}"
    assert any("lo" in flag for flag in flags.values()) or "lock the memory of tokens" in service.log_text()


def test_nobody_else_may_look_into_the_responder(service, host):
    responder = service.responder()
    # The kernel gives /proc of a process that is not dumpable to root.
    assert os.stat(f"/proc/{responder}/mem").st_uid == 0
    assert status_of(responder)["Uid"].split()[0] != "0"
    same_user = ["setpriv", f"--reuid={status_of(responder)['Uid'].split()[0]}", "--clear-groups", "--"]
    look = run_in(host, *same_user, "cat", f"/proc/{responder}/environ")
    assert look.returncode != 0
    assert "Permission denied" in look.stderr


def test_no_core_is_dumped(service):
    limits = pathlib.Path(f"/proc/{service.responder()}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


# Memory.
TOKENS = 5000
MOST_BYTES = 32 * 1024 * 1024


def is_optimised():
    """A debug build, larger in everything, only shows its numbers."""
    return program("msi2imds").resolve().stat().st_size < 10 * 1024 * 1024


@pytest.mark.emulator_arguments("--token-size", "2048", "--accept-any-identity")
@pytest.mark.settings({"imds.max_rate": 100_000, "imds.max_in_flight": 50})
def test_five_thousand_tokens_fit_into_32_mib(service, host, capsys):
    before = memory.resident_bytes(service.responder())
    replies = []
    with clients(host, 50) as crowd:
        for first in range(0, TOKENS, len(crowd)):
            numbers = range(first, first + len(crowd))
            replies += ask_at_once(crowd, [ask_for(resource_number(number)) for number in numbers])
    assert {reply.status for reply in replies} == {200}
    assert service.status_json()["tokens"]["cached"] == TOKENS
    after = memory.resident_bytes(service.responder())
    with capsys.disabled():
        print(f"\nresident memory: {before / 2**20:.1f} MiB, with {TOKENS} tokens {after / 2**20:.1f} MiB")
    if is_optimised():
        assert after <= MOST_BYTES
