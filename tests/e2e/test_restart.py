# SPDX-License-Identifier: MIT
"""A planned restart: what one client waits for, no other client has to wait for."""

import contextlib
import os
import select
import signal

import pytest

from raw_http import RESOURCE, request, token_target
from tokens import assert_legacy_error, assert_legacy_success
from waiting import wait_until

HELD = "https://held.example/"
# Longer than any patience of these tests.
NEVER = 3600


@pytest.fixture
def service(emulator, new_service, held, pins):
    """One that would wait for its clients and for IMDS for as long as they please."""
    service = held.start(
        new_service(
            {
                "redirect.backend": "sk_lookup",
                "redirect.pin_directory": str(pins),
                "responder.drain_timeout": NEVER,
                "responder.request_timeout": NEVER,
                "responder.idle_timeout": NEVER,
                "imds.request_timeout": NEVER,
                "imds.deadline": NEVER,
            }
        )
    )
    yield service
    service.detach()


@pytest.fixture
def waiting(emulator, connect):
    """A client whose answer IMDS owes, and goes on owing."""
    emulator.set_faults({"kind": "hang", "match": "held.example"})
    connection = connect()
    connection.send(request(target=token_target(HELD)))
    wait_until(lambda: emulator.token_requests() == 1, 5, "the request is at IMDS")
    return connection


def test_who_waits_for_imds_is_told_and_all_others_are_served(service, held, emulator, connect, waiting):
    service.process.terminate()
    at_once = connect()
    at_once.send(request())
    reply = waiting.read_reply()
    assert_legacy_error(reply, 500, "unknown")
    assert reply.closes
    after_that = connect()
    after_that.send(request())
    assert service.wait_exit() == 0

    held.start(service)
    for connection in (at_once, after_that):
        assert_legacy_success(connection.read_reply(), RESOURCE)
    assert emulator.requests()[0]["resource"] == HELD
    assert emulator.requests()[0]["status"] == 0, "IMDS has not answered"


def test_what_was_ended_is_recorded(service, waiting):
    service.process.terminate()
    assert service.wait_exit() == 0
    (line,) = (line for line in service.audit_lines() if line["resource"] == HELD)
    assert (line["outcome"], line["uid"]) == ("failed", os.getuid())
    assert HELD in service.callers_state.read_text()


def test_the_next_process_serves_who_asks_again(service, held, emulator, connect, waiting):
    service.process.terminate()
    assert waiting.read_reply().status == 500
    again = connect()
    again.send(request(target=token_target(HELD)))
    assert service.wait_exit() == 0
    held.start(service)
    wait_until(lambda: emulator.token_requests() == 2, 5, "the successor asks IMDS")
    emulator.clear_faults()
    assert_legacy_success(again.read_reply(), HELD)


def fill(connection):
    """Asks and reads nothing, until there is no room for an answer and so none for a question."""
    connection.socket.setblocking(False)
    unsent = b""
    while select.select([], [connection.socket], [], 1)[1]:
        unsent = unsent or request() * 100
        with contextlib.suppress(BlockingIOError):
            unsent = unsent[connection.socket.send(unsent) :]


def test_no_client_holds_a_restart_up(service, emulator, connect):
    half, half_a_body, silent, deaf = (connect() for _ in range(4))
    half.send(request()[:30])
    half_a_body.send(request("POST", "/oauth2/token", body=b"resource=x", headers=("Content-Length: 11",)))
    fill(deaf)
    wait_until(lambda: emulator.token_requests() == 1, 5, "the last one is served, and so the others are accepted")
    service.process.terminate()
    for connection in (half, half_a_body):
        assert_legacy_error(connection.read_reply(), 408)
    assert silent.is_closed_within(10)
    assert service.wait_exit() == 0
    assert "it is killed" not in service.log_text(), "the responder has left by itself"


def test_a_responder_that_hangs_holds_no_restart_up(service, held, connect):
    os.kill(service.responder(), signal.SIGSTOP)
    service.process.terminate()
    connection = connect()
    connection.send(request())
    assert service.wait_exit() == 0
    held.start(service)
    assert_legacy_success(connection.read_reply(), RESOURCE)
