# SPDX-License-Identifier: MIT
"""What legacy clients sent, replayed byte for byte."""

import pytest

from programs import CHECKOUT
from raw_http import request, token_target
from tokens import assert_legacy_error, assert_legacy_success, assert_upstream_request

CAPTURES = CHECKOUT / "tests" / "unit" / "legacy" / "testdata" / "captures"

ARM = "https://management.azure.com/"
CORE = "https://management.core.windows.net/"
PROVIDER = "Microsoft.ManagedIdentity/userAssignedIdentities"
IDENTITY = f"/subscriptions/s/resourceGroups/r g/providers/{PROVIDER}/u"

# What each capture asks IMDS for: resource, selector.
EXPECTED = {
    "curl_get": (ARM, None),
    "curl_post": (ARM, None),
    "go_adal_0.9": (ARM, None),
    "go_autorest_v10_get_with_body": (ARM, None),
    "go_autorest_v9": (ARM, None),
    "java_msi_credentials": (ARM, None),
    "node_ms_rest_azure_2.3": ("https://management.azure.com", None),
    "node_nodeauth_0.9_post_query": (ARM, None),
    "python_azure_cli": (CORE, None),
    "python_msrestazure": (ARM, None),
    "python_msrestazure_res_id": ("https://vault.azure.net", ("msi_res_id", IDENTITY)),
    "ruby_ms_rest_azure_comma": (CORE, ("client_id", "11111111-2222-3333-4444-555555555555")),
    "wget_get": (ARM, None),
}
WITHOUT_ITS_FORM = "go_adal_0.9_retry"

# Without the cache each capture has its own request to IMDS.
pytestmark = [
    pytest.mark.emulator_arguments("--accept-any-identity"),
    pytest.mark.settings({"tokens.cache": False}),
]


def captured(name):
    return (CAPTURES / f"{name}.http").read_bytes()


def assert_in_step(connection):
    """The next request on the connection gets its own answer."""
    other = "https://storage.azure.com/"
    assert_legacy_success(connection.ask(request(target=token_target(other))), other)


def test_every_capture_is_replayed():
    assert {path.stem for path in CAPTURES.glob("*.http")} == {*EXPECTED, WITHOUT_ITS_FORM}


@pytest.mark.parametrize("name", EXPECTED)
def test_capture(name, connection, emulator):
    resource, selector = EXPECTED[name]
    reply = connection.ask(captured(name))
    assert_legacy_success(reply, resource)
    assert not reply.closes
    assert_upstream_request(emulator.the_request(), resource, selector)
    assert_in_step(connection)


def test_a_retry_that_lost_its_form(connection, emulator):
    reply = connection.ask(captured(WITHOUT_ITS_FORM))
    assert_legacy_error(reply, 400, "invalid_request")
    assert emulator.requests() == []
    assert_in_step(connection)


def test_all_captures_on_one_connection(connection, emulator):
    for name, (resource, _) in EXPECTED.items():
        assert_legacy_success(connection.ask(captured(name)), resource)
    for entry, (resource, selector) in zip(emulator.requests(), EXPECTED.values(), strict=True):
        assert_upstream_request(entry, resource, selector)
