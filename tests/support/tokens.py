# SPDX-License-Identifier: MIT
"""What a legacy client must receive, and what IMDS must have been asked for it."""

import base64
import json
import urllib.parse

API_VERSION = "2018-02-01"
TOKEN_PATH = "/metadata/identity/oauth2/token"
LEGACY_FIELDS = {
    "access_token",
    "refresh_token",
    "expires_in",
    "expires_on",
    "not_before",
    "resource",
    "token_type",
}
# What msi2imds may say of itself; anything else would have been copied from the client.
OWN_HEADERS = {"host", "metadata", "user-agent", "accept", "connection"}


def claims(token):
    """The payload of a JWT. The token itself stays out of the message of a failure."""
    parts = token.split(".")
    assert len(parts) == 3, f"not a JWT: {len(parts)} parts"
    payload = parts[1] + "=" * (-len(parts[1]) % 4)
    return json.loads(base64.urlsafe_b64decode(payload))


def audience(token):
    return claims(token)["aud"]


def assert_legacy_success(reply, resource):
    """A reply that the strictest of the legacy clients accepts, with a token for `resource`."""
    assert reply.status == 200
    assert reply.reason == "OK"
    assert int(reply.header("Content-Length")) == len(reply.body)
    assert reply.header("Content-Type").startswith("application/json")
    assert b"\n" not in reply.body.rstrip(b"\n"), "Java reads the first line only"
    fields = reply.json()
    assert LEGACY_FIELDS <= fields.keys(), f"fields are missing: {LEGACY_FIELDS - fields.keys()}"
    not_strings = [name for name, value in fields.items() if not isinstance(value, str)]
    assert not not_strings, f"not strings: {not_strings}"
    assert fields["refresh_token"] == ""
    assert fields["token_type"] == "Bearer"
    assert fields["resource"] == resource
    assert int(fields["expires_in"]) > 300, "some clients refuse less than five minutes"
    granted = audience(fields["access_token"])
    assert granted == resource


def assert_legacy_error(reply, status, error=None):
    """An error of the legacy endpoint; clients that ignore the status parse its body all the same."""
    assert reply.status == status
    assert reply.header("Content-Type").startswith("application/json")
    assert_no_token(reply)
    fields = reply.json()
    assert isinstance(fields["error"], str) and isinstance(fields["error_description"], str)
    if error is not None:
        assert fields["error"] == error


def assert_no_token(reply):
    names = set(reply.json())
    assert "access_token" not in names


def assert_upstream_request(entry, resource, selector=None):
    """The emulator's entry is exactly the request that IMDS documents; selector is (name, value)."""
    assert entry["method"] == "GET"
    path, _, query = entry["target"].partition("?")
    assert path == TOKEN_PATH
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    expected = {"api-version": API_VERSION, "resource": resource}
    if selector is not None:
        expected[selector[0]] = selector[1]
    assert sorted(pairs) == sorted(expected.items())
    assert_own_headers(entry["headers"])


def assert_own_headers(headers):
    pairs = headers.items() if isinstance(headers, dict) else [tuple(pair) for pair in headers]
    names = sorted(name.lower() for name, _ in pairs)
    assert len(names) == len(set(names)), f"a header stands twice: {names}"
    assert set(names) <= OWN_HEADERS, f"copied from the client: {set(names) - OWN_HEADERS}"
    values = {name.lower(): value for name, value in pairs}
    assert values["metadata"] == "true"
    assert values["host"] == "169.254.169.254"
    assert values["user-agent"].startswith("msi2imds")
