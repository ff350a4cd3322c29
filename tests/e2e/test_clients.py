# SPDX-License-Identifier: MIT
"""Real, unmodified legacy clients get the right token, and IMDS sees exactly the right request."""

import json

import pytest

from programs import CHECKOUT, CLIENTS, clean_environment, run_in
from raw_http import RESOURCE, token_target
from tokens import assert_upstream_request, audience

ENDPOINT = "http://localhost:50342/oauth2/token"
SOURCES = CHECKOUT / "tests" / "e2e" / "clients"
URL = "http://localhost:50342" + token_target(RESOURCE)


@pytest.fixture
def run_client(host, service, emulator):
    """Runs a client, and checks its token and the one request that reached IMDS."""

    def run(*command, resource=RESOURCE, selector=None, **environment):
        ended = run_in(host, *command, environment=clean_environment(**environment), timeout=60)
        assert ended.returncode == 0, ended.stderr
        granted = audience(json.loads(ended.stdout)["access_token"])
        assert granted == resource
        entry = emulator.the_request()
        assert_upstream_request(entry, resource, selector)
        assert entry["resource"] == resource

    return run


@pytest.fixture
def identity(emulator):
    """(selector name, value) of a user-assigned identity that the emulator knows."""
    known = emulator.user_assigned()
    return lambda name: (name, known[name])


@pytest.mark.smoke
def test_curl_get(run_client):
    run_client("curl", "-sS", "--fail", "-H", "Metadata:true", URL)


def test_curl_post(run_client):
    run_client("curl", "-sS", "--fail", "-H", "Metadata:true", "--data", f"resource={RESOURCE}", ENDPOINT)


def test_curl_post_with_client_id(run_client, identity):
    selector = identity("client_id")
    form = f"resource={RESOURCE}&client_id={selector[1]}"
    run_client("curl", "-sS", "--fail", "-H", "Metadata:true", "--data", form, ENDPOINT, selector=selector)


def test_wget(run_client):
    run_client("wget", "-q", "-O", "-", "--header", "Metadata: true", URL)


def run_msrestazure(run_client, selector=None):
    run_client(
        "/usr/bin/python3",
        SOURCES / "msrestazure_client.py",
        RESOURCE,
        *(selector or ()),
        selector=selector,
        MSI_ENDPOINT=ENDPOINT,
    )


def test_msrestazure_system_assigned(run_client):
    run_msrestazure(run_client)


@pytest.mark.parametrize("name", ["client_id", "object_id", "msi_res_id"])
def test_msrestazure_user_assigned(run_client, identity, name):
    run_msrestazure(run_client, identity(name))


def test_ms_rest_azure_of_npm(run_client):
    modules = CLIENTS / "node" / "node_modules"
    assert modules.exists(), "run tests/support/setup-clients first"
    # loginWithMSI asks once to see that it works; the token that the program then asks for is that same one.
    run_client("node", SOURCES / "ms_rest_azure_client.js", RESOURCE, NODE_PATH=str(modules))


def run_adal(run_client, endpoint, selector=None, **environment):
    client = CLIENTS / "adal-client"
    assert client.exists(), "run tests/support/setup-clients first"
    run_client(client, endpoint, RESOURCE, *(selector or ()), selector=selector, **environment)


def test_go_autorest_with_msi_endpoint(run_client):
    run_adal(run_client, "", MSI_ENDPOINT=ENDPOINT)


@pytest.mark.parametrize("name", ["client_id", "msi_res_id"])
def test_go_autorest_with_msi_endpoint_user_assigned(run_client, identity, name):
    run_adal(run_client, "", identity(name), MSI_ENDPOINT=ENDPOINT)


def test_go_autorest_with_a_custom_endpoint(run_client):
    run_adal(run_client, ENDPOINT)
