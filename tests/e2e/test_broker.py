# SPDX-License-Identifier: MIT
"""One request to IMDS for all who want the same token, a cache, and its flush."""

import collections
import signal

import pytest

from crowd import ask_at_once, ask_for, clients, resource_number
from raw_http import RESOURCE, request
from tokens import assert_legacy_error, assert_legacy_success, claims
from waiting import wait_until

VAULT = "https://vault.azure.net"
CROWD = 1000
SLOW_IMDS = pytest.mark.emulator_arguments("--latency", "350")


def token_of(reply):
    return hash(reply.json()["access_token"])


@SLOW_IMDS
@pytest.mark.smoke
def test_a_herd_for_one_token_is_one_request(service, host, emulator):
    with clients(host, CROWD) as crowd:
        replies = ask_at_once(crowd, [request()] * CROWD)
    for reply in replies:
        assert_legacy_success(reply, RESOURCE)
    assert emulator.token_requests() == 1


@SLOW_IMDS
def test_a_client_that_leaves_takes_nothing_from_the_others(service, host, emulator):
    with clients(host, 2) as [leaving, staying]:
        leaving.send(request())
        wait_until(lambda: emulator.token_requests() == 1, 5, "the request is in flight")
        staying.send(request())
        leaving.socket.close()
        assert_legacy_success(staying.read_reply(), RESOURCE)
    assert emulator.token_requests() == 1


@pytest.mark.smoke
def test_a_cached_token_is_given_out_again_with_the_time_it_has_left(connection, emulator):
    first = connection.ask(request())

    def answered_later():
        reply = connection.ask(request())
        return reply if int(reply.json()["expires_in"]) < int(first.json()["expires_in"]) else None

    second = wait_until(answered_later, 5, "expires_in is counted down")
    assert_legacy_success(second, RESOURCE)
    assert token_of(second) == token_of(first)
    assert second.json()["expires_on"] == first.json()["expires_on"]
    assert emulator.token_requests() == 1


@pytest.mark.settings({"tokens.cache": False})
def test_without_the_cache_each_request_goes_to_imds(connection, emulator):
    for _ in range(2):
        assert_legacy_success(connection.ask(request()), RESOURCE)
    assert emulator.token_requests() == 2


def test_an_error_is_not_cached(connection, emulator):
    emulator.set_faults({"kind": "status", "status": 403})
    for _ in range(2):
        assert_legacy_error(connection.ask(request()), 403)
    assert emulator.token_requests() == 2


def test_bypass_cache_passes_the_cache_by(connection, emulator):
    first = connection.ask(request())
    second = connection.ask(ask_for(RESOURCE, bypass_cache="true"))
    assert_legacy_success(second, RESOURCE)
    assert token_of(second) != token_of(first)
    assert emulator.token_requests() == 2
    assert "bypass_cache=true" in emulator.requests()[1]["target"]

    third = connection.ask(request())
    assert token_of(third) == token_of(second), "the newest token is the one that is kept"
    assert emulator.token_requests() == 2


@pytest.fixture
def filled(connection, emulator):
    """Tokens of two resources and of one identity more are in the cache."""
    identity = emulator.user_assigned()["client_id"]
    wanted = {
        "management": (RESOURCE, {}),
        "vault": (VAULT, {}),
        "identity": (RESOURCE, {"client_id": identity}),
    }

    def ask():
        """What had to be asked of IMDS."""
        asked = set()
        for name, (resource, selector) in wanted.items():
            before = emulator.token_requests()
            assert_legacy_success(connection.ask(ask_for(resource, **selector)), resource)
            if emulator.token_requests() > before:
                asked.add(name)
        return asked

    assert ask() == set(wanted)
    assert ask() == set()
    ask.identity = identity
    return ask


def test_flush_forgets_everything(service, filled):
    assert service.flush() == 3
    assert service.flush() == 0
    assert filled() == {"management", "vault", "identity"}


def test_flush_forgets_one_resource(service, filled):
    assert service.flush("--resource", RESOURCE) == 2
    assert filled() == {"management", "identity"}


def test_flush_forgets_one_identity_in_any_letter_case(service, filled):
    assert service.flush("--identity", filled.identity.upper()) == 1
    assert filled() == {"identity"}


def test_flush_when_nothing_runs(new_service):
    service = new_service()
    with pytest.raises(AssertionError, match="not running|No such file"):
        service.flush()


def test_sighup_keeps_the_tokens(service, connection, filled):
    service.configure({"legacy.hosts": ["msi.example"]})
    service.process.send_signal(signal.SIGHUP)
    named = request(host="msi.example")
    wait_until(lambda: connection.ask(named).status == 200, 10, "the new configuration is in force")
    assert filled() == set()


# Many identities.
IDENTITIES = 1000
RESOURCES = 5
# Selector, and the claim that names the same identity.
CLAIMS = {"client_id": "appid", "object_id": "oid", "msi_res_id": "xms_mirid"}
SELECTORS = list(CLAIMS)


@pytest.mark.long
@pytest.mark.emulator_arguments("--identities", str(IDENTITIES))
@pytest.mark.settings({"imds.max_rate": 100_000, "imds.max_in_flight": 50})
def test_a_thousand_identities_are_cached_whatever_their_letter_case(service, host, emulator):
    identities = [entry for entry in emulator.identities() if entry["msi_res_id"]]
    assert len(identities) == IDENTITIES
    wanted = [
        (resource_number(resource), name, identity[name])
        for number, identity in enumerate(identities)
        for name in [SELECTORS[number % len(SELECTORS)]]
        for resource in range(RESOURCES)
    ]
    for change in (str, str.upper, str.swapcase):
        requests = [ask_for(resource, **{name: change(value)}) for resource, name, value in wanted]
        with clients(host, 50) as crowd:
            replies = ask_at_once(crowd, requests)
        statuses = collections.Counter(reply.status for reply in replies)
        assert statuses == {200: len(wanted)}
        for reply, (resource, name, value) in zip(replies, wanted, strict=True):
            granted = claims(reply.json()["access_token"])
            assert (granted["aud"], granted[CLAIMS[name]]) == (resource, value)
        assert emulator.token_requests() == len(wanted)
    assert service.status_json()["tokens"]["cached"] == len(wanted)
