# SPDX-License-Identifier: MIT
"""Requests that are refused, without anything of them reaching IMDS."""

import pytest

from raw_http import request, token_target
from tokens import assert_legacy_error, assert_no_token

IDENTITY = "11111111-2222-3333-4444-555555555555"
FORM = b"resource=https%3A%2F%2Fmanagement.azure.com%2F"


@pytest.fixture(autouse=True)
def nothing_reaches_imds(emulator):
    yield
    assert emulator.requests() == []


def assert_closes(connection, reply):
    assert reply.closes
    assert connection.is_closed_within(5)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get"])
def test_other_methods(connection, method):
    connection.send(request(method))
    reply = connection.read_reply(with_body=method != "HEAD")
    assert reply.status == 405
    assert {name.strip() for name in reply.header("Allow").split(",")} == {"GET", "POST"}
    if not reply.closes:
        assert connection.ask(request("PUT")).status == 405


def test_connect_is_no_way_through(connection):
    connection.send(request("CONNECT", "169.254.169.254:80"))
    reply = connection.read_reply()
    assert reply.status == 405
    assert {name.strip() for name in reply.header("Allow").split(",")} == {"GET", "POST"}


def post(*lines, body=FORM):
    return request("POST", "/oauth2/token", lines, body)


BAD_FRAMING = {
    "length_and_chunked": post("Content-Length: 46", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked_and_length": post("Transfer-Encoding: chunked", "Content-Length: 46", body=b"0\r\n\r\n"),
    "differing_lengths": post("Content-Length: 46", "Content-Length: 45"),
    "list_of_lengths": post("Content-Length: 46, 45"),
    "signed_length": post("Content-Length: +46"),
    "negative_length": post("Content-Length: -1"),
    "hexadecimal_length": post("Content-Length: 0x2e"),
    "empty_length": post("Content-Length: "),
    "overflowing_length": post("Content-Length: 99999999999999999999999999"),
    "gzip": post("Transfer-Encoding: gzip"),
    "gzip_and_chunked": post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "chunked_twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "unknown_coding": post("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "chunked_in_http_1_0": post("Transfer-Encoding: chunked", body=b"0\r\n\r\n").replace(b"1.1", b"1.0"),
    "bare_line_feed_ends_a_header": request().replace(b"localhost:50342\r\n", b"localhost:50342\n"),
    "bare_line_feeds_only": request().replace(b"\r\n", b"\n"),
    "folded_header": request(headers=["X-Folded: one", " two"]),
    "folded_with_a_tab": request(headers=["X-Folded: one", "\ttwo"]),
    "space_before_the_colon": request(headers=["X-Space : one"]),
    "header_without_a_colon": request(headers=["nonsense"]),
    "null_byte_in_a_header": request(headers=["X-Null: a\0b"]),
    "bad_chunk_size": post("Transfer-Encoding: chunked", body=b"zz\r\nresource=x\r\n0\r\n\r\n"),
    "overflowing_chunk_size": post("Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\nx\r\n0\r\n\r\n"),
    "chunk_longer_than_its_size": post("Transfer-Encoding: chunked", body=b"3\r\nresource\r\n0\r\n\r\n"),
    "bare_line_feed_after_a_chunk": post("Transfer-Encoding: chunked", body=b"2e\n" + FORM + b"\n0\n\n"),
    "nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "http_0_9": b"GET /oauth2/token\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD_FRAMING.values(), ids=BAD_FRAMING.keys())
def test_ambiguous_framing_ends_the_connection(connection, data):
    # What follows would be a request of its own, had the framing been misread.
    connection.send(data + request())
    reply = connection.read_reply()
    assert_legacy_error(reply, 400)
    assert_closes(connection, reply)


def test_a_version_that_nobody_speaks(connection):
    reply = connection.ask(request(version="HTTP/3.0"))
    assert reply.status in (400, 505)


@pytest.mark.parametrize("lines", [[], ["Metadata: false"], ["Metadata: "], ["X-Metadata: true"]], ids=str)
def test_the_metadata_header_is_required(connection, lines):
    reply = connection.ask(request(metadata=False, headers=lines))
    assert_legacy_error(reply, 400, "bad_request_102")
    assert reply.reason == "Bad Request"
    assert reply.json()["error_description"] == "Required metadata header not specified"


FOREIGN_HOSTS = [
    "attacker.example",
    "attacker.example:50342",
    "localhost.attacker.example",
    "127.0.0.1.attacker.example",
    "127.0.0.1@attacker.example",
    "169.254.169.254",
    "10.0.0.1:50342",
    "128.0.0.1",
    "[::2]",
    "[::ffff:10.0.0.1]",
    "0x7f.1",
    "2130706433",
    "localhost:port",
    "",
]


@pytest.mark.parametrize("name", FOREIGN_HOSTS)
def test_foreign_hosts(connection, name):
    reply = connection.ask(request(host=name))
    assert 400 <= reply.status < 500
    assert_no_token(reply)


def test_two_hosts(connection):
    reply = connection.ask(request(headers=["Host: attacker.example"]))
    assert 400 <= reply.status < 500


def test_http_1_1_without_a_host(connection):
    assert_legacy_error(connection.ask(request(host=None)), 400)


def test_a_foreign_host_in_an_absolute_target(connection):
    reply = connection.ask(request(target="http://attacker.example" + token_target()))
    assert 400 <= reply.status < 500


@pytest.mark.parametrize(
    "line",
    [
        "X-Forwarded-For: 10.0.0.1",
        "x-forwarded-for:",
        "Forwarded: for=10.0.0.1",
        "Origin: http://attacker.example",
        "Origin: null",
        "Origin: http://localhost",
    ],
)
def test_signs_of_a_proxy_or_a_browser(connection, line):
    reply = connection.ask(request(headers=[line]))
    assert 400 <= reply.status < 500
    assert_no_token(reply)


UNKNOWN_TARGETS = [
    "/",
    "/oauth2",
    "/oauth2/tokens",
    "/oauth2/token/more",
    "/oauth2/../x",
    "/metadata/instance",
    "/metadata/instance?resource=https%3A%2F%2Fmanagement.azure.com%2F",
]


@pytest.mark.parametrize("target", UNKNOWN_TARGETS)
def test_unknown_targets(connection, target):
    reply = connection.ask(request(target=target))
    assert_legacy_error(reply, 401, "unknown_source")
    assert reply.json()["error_description"].startswith("Unknown Source")


BAD_PARAMETERS = {
    "no_resource": "/oauth2/token",
    "empty_resource": "/oauth2/token?resource=",
    "two_resources": "/oauth2/token?resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb",
    "two_selectors": token_target(client_id=IDENTITY, msi_res_id="/subscriptions/s"),
    "two_spellings": token_target(client_id=IDENTITY, clientid="99999999-2222-3333-4444-555555555555"),
}


@pytest.mark.parametrize("target", BAD_PARAMETERS.values(), ids=BAD_PARAMETERS.keys())
def test_bad_parameters(connection, target):
    reply = connection.ask(request(target=target))
    assert_legacy_error(reply, 400, "invalid_request")
    assert not reply.closes


def test_a_client_string_is_escaped_in_the_log(connection, service):
    connection.ask(request(target="/\x1b[31mred"))
    assert "\x1b" not in service.log_text()
