# SPDX-License-Identifier: MIT
"""An IMDS that answers early, twice, or another question: nobody gets another one's token, and none is cached."""

import pytest

from crowd import ask_at_once, ask_for, clients
from raw_http import RESOURCE
from tokens import assert_legacy_error, assert_legacy_success, claims

IDENTITIES = 24
VAULT = "https://vault.azure.net"
# Of each way to name an identity, the claim that tells whose a token is.
CLAIMS = {"client_id": "appid", "object_id": "oid", "msi_res_id": "xms_mirid"}

pytestmark = pytest.mark.emulator_arguments("--identities", str(IDENTITIES))


def interim(status, **more):
    return {"kind": "interim", "status": status, **more}


def upstream(service, outcome):
    """How many tokens that did not fit had this outcome."""
    name = f'msi2imds_upstream_mismatches_total{{outcome="{outcome}"}} '
    return next(int(line[len(name) :]) for line in service.run("metrics").stdout.splitlines() if line.startswith(name))


@pytest.fixture
def identities(emulator):
    """The user-assigned ones."""
    return [identity for identity in emulator.identities() if identity["msi_res_id"]]


@pytest.fixture
def crowd(host, service):
    with clients(host, IDENTITIES) as connections:
        yield connections


def ask_for_each(crowd, identities, selector):
    """Each client asks for an identity of its own, all at once."""
    return ask_at_once(crowd, [ask_for(RESOURCE, **{selector: identity[selector]}) for identity in identities])


def wrong_tokens(replies, identities, selector):
    """How many got a token that is not for the identity they asked for."""
    return sum(
        claims(reply.json()["access_token"])[CLAIMS[selector]].lower() != identity[selector].lower()
        for reply, identity in zip(replies, identities, strict=True)
        if reply.status == 200
    )


def assert_everybody_has_the_own_token(crowd, emulator, identities, selector):
    replies = ask_for_each(crowd, identities, selector)
    assert wrong_tokens(replies, identities, selector) == 0
    assert [reply.status for reply in replies] == [200] * len(identities)
    emulator.clear_faults()
    asked = emulator.token_requests()
    cached = ask_for_each(crowd, identities, selector)
    assert emulator.token_requests() == asked
    assert wrong_tokens(cached, identities, selector) == 0


@pytest.mark.parametrize("selector", CLAIMS)
@pytest.mark.parametrize(
    "fault",
    [
        interim(100, ms=80),
        interim(102, ms=80),
        interim(103, ms=80),
        interim(103),
        interim(103, times=8, ms=20),
        {"kind": "duplicate", "ms": 54},
        {"kind": "duplicate"},
    ],
    ids=["100", "102", "103", "103-together", "103-eight-times", "twice", "twice-together"],
)
def test_each_of_many_has_its_own_token(crowd, emulator, identities, fault, selector):
    emulator.set_faults(fault)
    assert_everybody_has_the_own_token(crowd, emulator, identities, selector)


@pytest.mark.parametrize("selector", CLAIMS)
def test_an_answer_without_a_body_mixes_up_nobody(crowd, emulator, identities, selector):
    emulator.set_faults(*[{"kind": "status", "status": 204, "count": 12, "body": body} for body in ("", "{}")])
    assert_everybody_has_the_own_token(crowd, emulator, identities, selector)


@pytest.mark.parametrize("fault", [interim(103, times=9), interim(101)], ids=["nine", "101"])
def test_an_answer_that_never_comes_is_a_server_error(connect, emulator, fault):
    emulator.set_faults(fault)
    reply = connect().ask(ask_for(RESOURCE))
    assert_legacy_error(reply, 500)
    emulator.clear_faults()
    assert_legacy_success(connect().ask(ask_for(RESOURCE)), RESOURCE)


@pytest.mark.parametrize("kind", ["wrong_client_id", "wrong_resource"])
def test_a_wrong_answer_over_a_used_connection_is_asked_for_anew(service, connection, emulator, identities, kind):
    client_id = identities[3]["client_id"]
    assert_legacy_success(connection.ask(ask_for(RESOURCE, client_id=client_id)), RESOURCE)
    emulator.add_faults({"kind": kind})
    for _ in range(2):  # the second one from the cache
        reply = connection.ask(ask_for(VAULT, client_id=client_id))
        assert_legacy_success(reply, VAULT)
        assert claims(reply.json()["access_token"])["appid"] == client_id
    assert emulator.token_requests() == 3
    assert [upstream(service, outcome) for outcome in ("asked_anew", "served", "refused")] == [1, 0, 0]
    service.wait_for_log("no connection to IMDS is used twice for 60 s")


def test_another_identity_over_a_new_connection_is_an_error_and_not_cached(service, connection, emulator, identities):
    client_id = identities[3]["client_id"]
    emulator.set_faults({"kind": "wrong_client_id"})
    assert_legacy_error(connection.ask(ask_for(RESOURCE, client_id=client_id)), 500)
    assert emulator.token_requests() == 3
    assert upstream(service, "refused") == 3
    emulator.clear_faults()
    reply = connection.ask(ask_for(RESOURCE, client_id=client_id.upper()))
    assert_legacy_success(reply, RESOURCE)
    assert claims(reply.json()["access_token"])["appid"] == client_id


@pytest.mark.settings({"tokens.cache": False})
def test_another_resource_over_a_new_connection_is_served_and_said_once(service, connection, emulator):
    emulator.set_faults({"kind": "wrong_resource"})
    for _ in range(3):
        reply = connection.ask(ask_for(RESOURCE))
        assert reply.status == 200
        assert reply.json()["resource"] == "https://other.example/"
    said = f"served a token that IMDS issued for the resource 'https://other.example/', asked for '{RESOURCE}'"
    service.wait_for_log(said)
    assert service.log_text().count(said) == 1
    assert upstream(service, "served") == 3
    assert upstream(service, "asked_anew") == 0, "IMDS has called it so before"


@pytest.mark.settings({"tokens.cache": False})
def test_imds_may_spell_what_was_asked_in_its_own_way(service, connection, emulator):
    emulator.set_faults({"kind": "override_field", "field": "resource", "value": RESOURCE.upper().rstrip("/")})
    for _ in range(2):
        assert connection.ask(ask_for(RESOURCE)).status == 200
    assert [upstream(service, outcome) for outcome in ("asked_anew", "served", "refused")] == [0, 0, 0]
