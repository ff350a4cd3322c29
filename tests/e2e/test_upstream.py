# SPDX-License-Identifier: MIT
"""Each way in which IMDS can fail: what the client sees, and that the service works at once afterwards."""

import pytest

from raw_http import RESOURCE, request, token_target
from tokens import assert_legacy_error, assert_legacy_success, assert_no_token
from waiting import wait_until

VAULT = "https://vault.azure.net"

# Without the cache each request meets the fault; the deadline leaves time for one attempt.
pytestmark = pytest.mark.settings(
    {"imds.connect_timeout": 1, "imds.request_timeout": 2, "imds.deadline": 4, "tokens.cache": False}
)


def status(code, **more):
    return {"kind": "status", "status": code, **more}


# The client can do nothing about these, and must not take them as final.
TRANSIENT = {
    "404": status(404),
    "408": status(408),
    "410": status(410),
    "429": status(429),
    "500": status(500),
    "502": status(502),
    "503": status(503),
    "504": status(504),
    "html_with_500": {"kind": "html", "status": 500},
    "html_with_200": {"kind": "html"},
    "hang": {"kind": "hang"},
    "truncated": {"kind": "truncated"},
    "reset": {"kind": "reset"},
    "close": {"kind": "close"},
    "oversized": {"kind": "oversized"},
    "garbage_json": {"kind": "garbage_json"},
    "no_access_token": {"kind": "missing_field", "field": "access_token"},
    "no_expiry": {"kind": "missing_field", "field": "expires_on"},
    "token_is_no_text": {"kind": "override_field", "field": "access_token", "value": {"a": 1}},
    "drip_that_never_ends": {"kind": "slow_drip", "seconds": 60},
}

# Nothing that a client should notice.
HARMLESS = {
    "drip": {"kind": "slow_drip", "seconds": 1},
    "delay": {"kind": "delay", "ms": 500},
}

# Odd: a token for the strictest client, or an error.
ODD = {
    "integers": {"kind": "integers"},
    "wrong_content_type": {"kind": "wrong_content_type"},
}

REFUSALS = [400, 401, 403]


def assert_works(connect, emulator):
    emulator.clear_faults()
    assert_legacy_success(connect().ask(request()), RESOURCE)


@pytest.mark.parametrize("fault", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_a_failure_of_imds_is_a_server_error(connect, emulator, fault):
    emulator.set_faults(fault)
    connection = connect(timeout=120)
    reply = connection.ask(request())
    assert 500 <= reply.status < 600
    assert_legacy_error(reply, reply.status)
    assert emulator.token_requests() >= 1
    assert not reply.closes, "the client's connection has no part in it"
    assert_works(connect, emulator)
    assert_legacy_success(connection.ask(request()), RESOURCE)


@pytest.mark.parametrize("fault", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_harmless_delay_is_a_token(connect, emulator, fault):
    emulator.set_faults(fault)
    assert_legacy_success(connect().ask(request()), RESOURCE)
    assert_works(connect, emulator)


@pytest.mark.parametrize("fault", ODD.values(), ids=ODD.keys())
def test_an_oddity_is_a_whole_token_or_an_error(connect, emulator, fault):
    emulator.set_faults(fault)
    reply = connect().ask(request())
    if reply.status == 200:
        assert_legacy_success(reply, RESOURCE)
    else:
        assert_legacy_error(reply, reply.status)
        assert reply.status >= 500
    assert_works(connect, emulator)


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refusal_is_passed_on(connect, emulator, code):
    emulator.set_faults(status(code))
    reply = connect().ask(request())
    assert reply.status == code
    assert_no_token(reply)
    assert "error" in reply.json()
    assert emulator.token_requests() == 1, "a final answer is not asked for again"
    assert_works(connect, emulator)


def test_an_unknown_identity_keeps_its_description(connect, emulator):
    reply = connect().ask(request(target=token_target(client_id="00000000-1111-2222-3333-444444444444")))
    assert_legacy_error(reply, 400, "invalid_request")
    assert reply.reason == "Bad Request"
    assert reply.json()["error_description"] == "Identity not found"


def test_imds_is_down(connect, emulator):
    emulator.stop()
    reply = connect(timeout=120).ask(request())
    assert 500 <= reply.status < 600
    assert_legacy_error(reply, reply.status)


def test_imds_has_no_route(connect, host):
    host.remove_imds_address()
    reply = connect(timeout=120).ask(request())
    assert 500 <= reply.status < 600
    assert_legacy_error(reply, reply.status)

    host.add_imds_address()
    assert_legacy_success(connect().ask(request()), RESOURCE)


def test_one_slow_request_holds_nobody_up(connect, emulator):
    emulator.set_faults({"kind": "hang", "count": 1})
    slow = connect(timeout=120)
    slow.send(request())
    wait_until(lambda: emulator.token_requests() == 1, 5, "the slow request is in flight")
    quick = connect(timeout=1).ask(request(target=token_target(VAULT)))
    assert_legacy_success(quick, VAULT)
    assert slow.read_reply().status in (200, *range(500, 600))


@pytest.mark.smoke
def test_a_kept_connection_that_imds_closed_is_no_failure(connect, emulator):
    connection = connect()
    assert_legacy_success(connection.ask(request()), RESOURCE)
    emulator.set_faults({"kind": "stale_close", "count": 1})
    assert_legacy_success(connection.ask(request()), RESOURCE)
    assert_legacy_success(connection.ask(request()), RESOURCE)


def test_imds_restarts_between_two_requests(connect, emulator):
    connection = connect()
    assert_legacy_success(connection.ask(request()), RESOURCE)
    emulator.restart()
    assert_legacy_success(connection.ask(request()), RESOURCE)
