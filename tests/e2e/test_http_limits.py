# SPDX-License-Identifier: MIT
"""The limits on what a client may send, how long it may take, and how many there may be."""

import contextlib

import pytest

from raw_http import RESOURCE, ConnectionEnded, request
from tokens import assert_legacy_error, assert_legacy_success

KIB = 1024


def assert_refused_and_closed(connection, status):
    assert_legacy_error(connection.read_reply(), status)
    assert connection.is_closed_within(5)


def header_of(size):
    return [f"X-Padding: {'x' * 1000}"] * (size // 1000)


def test_a_header_below_the_limit(connection):
    assert_legacy_success(connection.ask(request(headers=header_of(15 * KIB))), RESOURCE)


def test_a_header_above_the_limit(connection, emulator):
    connection.send(request(headers=header_of(17 * KIB)))
    assert_refused_and_closed(connection, 431)
    assert emulator.requests() == []


def test_a_header_without_end(connection):
    with contextlib.suppress(ConnectionError):
        connection.send(b"GET /oauth2/token HTTP/1.1\r\nX-Endless: " + b"x" * 64 * KIB)
    assert_refused_and_closed(connection, 431)


def test_a_target_above_the_limit(connection):
    connection.send(request(target="/oauth2/token?resource=" + "x" * 17 * KIB))
    assert connection.read_reply().status in (414, 431)
    assert connection.is_closed_within(5)


def form_of(size):
    form = b"resource=https%3A%2F%2Fmanagement.azure.com%2F&noise="
    return form + b"x" * (size - len(form))


def test_a_body_at_the_limit(connection):
    assert_legacy_success(connection.ask(request("POST", "/oauth2/token", body=form_of(64 * KIB))), RESOURCE)


def test_an_announced_body_above_the_limit_is_refused_before_it_arrives(connection):
    connection.send(request("POST", "/oauth2/token", [f"Content-Length: {64 * KIB + 1}"]))
    assert_refused_and_closed(connection, 413)


def test_a_sent_body_above_the_limit_still_reads_the_refusal(connection, emulator):
    # The unread rest must not turn into a reset that overtakes the reply.
    connection.send(request("POST", "/oauth2/token", body=form_of(200 * KIB)))
    assert_legacy_error(connection.read_reply(), 413)
    assert emulator.requests() == []


def test_a_chunked_body_above_the_limit(connection):
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    body = chunk * 5 + b"0\r\n\r\n"
    connection.send(request("POST", "/oauth2/token", ["Transfer-Encoding: chunked"], body))
    assert_legacy_error(connection.read_reply(), 413)


def test_an_announced_body_above_the_limit_is_not_invited(connection):
    lines = [f"Content-Length: {65 * KIB}", "Expect: 100-continue"]
    connection.send(request("POST", "/oauth2/token", lines))
    assert_refused_and_closed(connection, 413)


SLOW = {
    "nothing_after_the_first_line": b"GET /oauth2/token HTTP/1.1\r\n",
    "header_without_its_end": request()[:-2],
    "half_a_body": request("POST", "/oauth2/token", ["Content-Length: 100"]) + b"resource=",
    "half_a_chunk": request("POST", "/oauth2/token", ["Transfer-Encoding: chunked"]) + b"10\r\nresource=",
}


@pytest.mark.settings({"responder.request_timeout": 1})
@pytest.mark.parametrize("start", SLOW.values(), ids=SLOW.keys())
def test_a_request_that_takes_too_long(connect, start):
    connection = connect(timeout=5)
    connection.send(start)
    assert_refused_and_closed(connection, 408)


@pytest.mark.settings({"responder.request_timeout": 1})
def test_dripping_bytes_do_not_stretch_the_time(connect):
    connection = connect(timeout=5)
    connection.send(b"GET /oauth2/token HTTP/1.1\r\nX-Drip: ")
    # Each wait is the drip's rhythm; the refusal ends it.
    for _ in range(25):
        if not connection.stays_silent(0.2):
            break
        connection.send(b"x")
    assert_legacy_error(connection.read_reply(), 408)


@pytest.mark.settings({"responder.idle_timeout": 1})
def test_an_idle_connection_is_closed(connection):
    assert_legacy_success(connection.ask(request()), RESOURCE)
    assert connection.is_closed_within(5)


@pytest.mark.settings({"responder.idle_timeout": 1})
def test_a_connection_that_never_asks_is_closed(connection):
    assert connection.is_closed_within(5)


@pytest.mark.settings({"responder.max_connections": 2})
def test_connections_above_the_limit_wait_for_a_place(connect):
    first, second = connect(), connect()
    for connection in (first, second):
        assert_legacy_success(connection.ask(request()), RESOURCE)

    third = connect()
    third.send(request())
    assert third.stays_silent(0.5)
    assert_legacy_success(second.ask(request()), RESOURCE)

    first.socket.close()
    assert_legacy_success(third.read_reply(), RESOURCE)


def test_a_client_that_leaves_early_disturbs_nobody(connect):
    for _ in range(20):
        connection = connect()
        connection.send(request()[:30])
        connection.socket.close()
    for _ in range(20):
        connection = connect()
        connection.send(request())
        connection.socket.close()
    assert_legacy_success(connect().ask(request()), RESOURCE)


def test_a_half_closed_client_is_answered(connection):
    connection.send(request())
    connection.socket.shutdown(1)
    assert_legacy_success(connection.read_reply(), RESOURCE)
    with pytest.raises(ConnectionEnded):
        connection.read_reply()
