# SPDX-License-Identifier: MIT
"""A responder that was taken over talks to the supervisor: nonsense ends it, and a flood costs others nothing."""

import contextlib
import errno
import os
import platform
import re
import signal
import socket
import struct

import pytest

from injected_calls import inside
from legacy_port import a_token_is_served, ask
from memory import resident_bytes
from programs import CHECKOUT
from raw_http import RESOURCE
from tokens import assert_legacy_success
from waiting import wait_until

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="system calls are injected by x86-64's registers")

CHANNEL = 3
MIB = 1024 * 1024
FLAGS = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT


def kinds():
    """The numbers of control::Kind."""
    text = (CHECKOUT / "userspace/control/message.hpp").read_text()
    enumerators = re.search(r"enum class Kind : std::uint32_t \{(.*?)\};", text, re.DOTALL)[1]
    names = re.findall(r"^\s*(\w+),", enumerators, re.MULTILINE)
    return {name: number for number, name in enumerate(names)}


def message(kind, identifier=0, number=0, body=b""):
    return struct.pack("=IIiiQ", kind, identifier, 0, 0, number) + body


KINDS = kinds()
NONSENSE = {
    "unknown": message(9999),
    "what only a supervisor says": message(KINDS["configure"]),
    "an answer": message(KINDS["redirection"], 1),
    "too short": b"x",
}


@pytest.fixture
def responder(service, host):
    assert_legacy_success(ask(host), RESOURCE)
    return service.responder()


@pytest.mark.parametrize("words", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_ends_the_responder_that_says_it(service, host, responder, words):
    with contextlib.suppress(ProcessLookupError), inside(responder) as taken:  # it may be gone at once
        taken.call("sendto", CHANNEL, words, len(words), FLAGS, 0, 0)
    wait_until(lambda: f"responder {responder} is ended" in service.log_text(), 15, "it is ended")
    wait_until(lambda: service.find_responder() not in (None, responder), 15, "another one serves")
    assert_legacy_success(ask(host), RESOURCE)


def test_the_callers_state_is_set_aside_once(service, host, responder):
    words = message(KINDS["damaged_usage_file"], body=b"w" * 60000)
    with contextlib.suppress(ProcessLookupError), inside(responder) as taken:
        for _ in range(2):
            taken.call("sendto", CHANNEL, words[:4096], 4096, FLAGS, 0, 0)
    wait_until(lambda: f"responder {responder} is ended" in service.log_text(), 15, "it is ended")
    assert service.log_text().count("cannot be read: www") == 1
    assert len(service.log_text()) < 64 * 1024


FLOODS = {
    "questions about the redirection": message(KINDS["ask_redirection"], 1),
    "questions about callers": message(KINDS["ask_identities"], 0, 1, bytes(0)),
    "connections to IMDS": message(KINDS["open_upstream"], 1),
    "files": message(KINDS["open_usage_file"], 1),
    "announcements": message(KINDS["save_usage_file"], 0, 1),
    "signs of life": message(KINDS["alive"]),
    "readiness": message(KINDS["ready"]),
}
MESSAGES = 20_000


@pytest.mark.parametrize("words", FLOODS.values(), ids=FLOODS)
def test_a_flood_costs_others_nothing(service, host, responder, row, request, words):
    """From a responder that reads no answer. Whatever becomes of it, the supervisor's memory stays bounded."""
    before = resident_bytes(service.pid)
    most = 0
    descriptors = 0
    sent = 0
    try:
        with inside(responder) as taken:
            for number in range(MESSAGES):
                result = taken.call("sendto", CHANNEL, words, len(words), FLAGS, 0, 0)
                sent += result == len(words)
                if result not in (len(words), -errno.EAGAIN):
                    break
                if number % 500 == 0:
                    most = max(most, resident_bytes(service.pid))
                    descriptors = max(descriptors, len(os.listdir(f"/proc/{service.pid}/fd")))
    except ProcessLookupError:
        pass  # it was ended
    most = max(most, resident_bytes(service.pid))
    name = request.node.callspec.id
    row(f"{sent} {name} of a responder", "supervisor grows by <= 48 MiB", f"{(most - before) / MIB:.1f} MiB",
        most - before <= 48 * MIB)  # fmt: skip
    assert descriptors < 1500
    wait_until(lambda: a_token_is_served(host), 30, "a token is served")
    service.process.send_signal(signal.SIGTERM)
    assert service.wait_exit(30) in (0, 1)
    assert service.log.stat().st_size < 4 * MIB
