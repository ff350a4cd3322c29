# SPDX-License-Identifier: MIT
"""HTTP as clients may write it: what is answered, on which connection, and what ends it."""

import pytest

from raw_http import RESOURCE, request, token_target
from tokens import assert_legacy_success, assert_upstream_request

FORM = b"resource=https%3A%2F%2Fmanagement.azure.com%2F"
FORM_TYPE = "Content-Type: application/x-www-form-urlencoded"
CHUNKED = "Transfer-Encoding: chunked"


def resource_number(number):
    return f"https://resource-{number}.example/"


def numbered_request(number):
    return request(target=token_target(resource_number(number)))


def post(body=FORM, *headers, **options):
    return request("POST", "/oauth2/token", [FORM_TYPE, *headers], body, **options)


@pytest.mark.smoke
def test_keep_alive(connection):
    for number in range(5):
        reply = connection.ask(numbered_request(number))
        assert_legacy_success(reply, resource_number(number))
        assert not reply.closes


@pytest.mark.parametrize("count", [2, 20])
def test_pipelined_requests_are_answered_in_order(connection, count):
    connection.send(b"".join(numbered_request(number) for number in range(count)))
    for number in range(count):
        assert_legacy_success(connection.read_reply(), resource_number(number))


def test_pipelined_posts_with_bodies(connection):
    chunked = b"5\r\nresou\r\n29\r\n" + FORM[5:] + b"\r\n0\r\n\r\n"
    connection.send(post() + post(chunked, CHUNKED) + post())
    for _ in range(3):
        assert_legacy_success(connection.read_reply(), RESOURCE)


def test_a_request_that_arrives_byte_by_byte(connection):
    for byte in post():
        connection.send(bytes([byte]))
    assert_legacy_success(connection.read_reply(), RESOURCE)


def test_connection_close_is_honoured(connection):
    reply = connection.ask(request(headers=["Connection: close"]))
    assert_legacy_success(reply, RESOURCE)
    assert reply.closes
    assert connection.is_closed_within(5)


@pytest.mark.parametrize("name", ["localhost:50342", None], ids=["host", "no-host"])
def test_http_1_0_closes(connection, name):
    assert_legacy_success(connection.ask(request(version="HTTP/1.0", host=name)), RESOURCE)
    assert connection.is_closed_within(5)


def test_http_1_0_with_keep_alive(connection):
    for _ in range(2):
        reply = connection.ask(request(version="HTTP/1.0", headers=["Connection: keep-alive"]))
        assert_legacy_success(reply, RESOURCE)
        assert reply.header("Connection").lower() == "keep-alive"


def test_expect_100_continue(connection):
    head = post(b"", f"Content-Length: {len(FORM)}", "Expect: 100-continue")
    interim = connection.ask(head)
    assert (interim.status, interim.reason) == (100, "Continue")
    assert_legacy_success(connection.ask(FORM), RESOURCE)
    assert_legacy_success(connection.ask(request()), RESOURCE)


CHUNKED_BODIES = {
    "one_chunk": b"2e\r\n" + FORM + b"\r\n0\r\n\r\n",
    "upper_case_size": b"2E\r\n" + FORM + b"\r\n0\r\n\r\n",
    "leading_zeros": b"002e\r\n" + FORM + b"\r\n000\r\n\r\n",
    "many_chunks": b"".join(b"1\r\n%c\r\n" % byte for byte in FORM) + b"0\r\n\r\n",
    "extensions": b'2e;name=value;other="quoted"\r\n' + FORM + b"\r\n0;last\r\n\r\n",
    "trailers": b"2e\r\n" + FORM + b"\r\n0\r\nX-Checksum: abc\r\nX-Other: def\r\n\r\n",
}


@pytest.mark.parametrize("body", CHUNKED_BODIES.values(), ids=CHUNKED_BODIES.keys())
def test_chunked_body(connection, emulator, body):
    assert_legacy_success(connection.ask(post(body, CHUNKED)), RESOURCE)
    assert_upstream_request(emulator.the_request(), RESOURCE)
    assert_legacy_success(connection.ask(request()), RESOURCE)


def test_body_on_get_is_consumed(connection):
    assert_legacy_success(connection.ask(request(headers=[FORM_TYPE], body=FORM)), RESOURCE)
    assert_legacy_success(connection.ask(request()), RESOURCE)


def test_form_on_get_is_read(connection, emulator):
    reply = connection.ask(request(target="/oauth2/token", headers=[FORM_TYPE], body=FORM))
    assert_legacy_success(reply, RESOURCE)
    assert_upstream_request(emulator.the_request(), RESOURCE)


@pytest.mark.parametrize(
    "target", ["/oauth2/token", "//oauth2/token", "/oauth2/token/", "/metadata/identity/oauth2/token"]
)
def test_token_targets(connection, target):
    assert_legacy_success(connection.ask(request("POST", target, [FORM_TYPE], FORM)), RESOURCE)


@pytest.mark.parametrize("spelling", ["Metadata: true", "metadata:true", "METADATA:  true", "Metadata: True"])
def test_spellings_of_the_metadata_header(connection, spelling):
    assert_legacy_success(connection.ask(request(metadata=False, headers=[spelling])), RESOURCE)


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "localhost:50342",
        "LOCALHOST:50342",
        "127.0.0.1:50342",
        "127.9.9.9",
        "0.0.0.0:50342",
        "[::1]:50342",
        "[::ffff:127.0.0.1]:50342",
        "localhost.localdomain",
        "localhost4",
        "ip6-localhost",
    ],
)
def test_names_of_the_loopback_as_host(connection, name):
    assert_legacy_success(connection.ask(request(host=name)), RESOURCE)


@pytest.mark.settings({"legacy.hosts": ["msi.example"]})
def test_a_configured_host(connection):
    assert_legacy_success(connection.ask(request(host="msi.example:50342")), RESOURCE)


@pytest.mark.settings({"legacy.require_metadata_header": False})
def test_the_metadata_header_may_be_waived(connection, emulator):
    assert_legacy_success(connection.ask(request(metadata=False)), RESOURCE)
    assert_upstream_request(emulator.the_request(), RESOURCE)
