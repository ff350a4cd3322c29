# SPDX-License-Identifier: MIT
"""Tokens while this machine's clock and IMDS's differ, and tokens that get old. Only IMDS's clock can be moved."""

import re
import time

import pytest

from crowd import ask_for
from raw_http import RESOURCE, request
from tokens import assert_legacy_error, assert_legacy_success, claims
from waiting import wait_until

HOUR = 3600
ROUNDING_SECONDS = 2  # IMDS tells whole ones


def ask(connection):
    reply = connection.ask(request())
    assert reply.status == 200
    return reply.json()


def token_of(fields):
    return hash(fields["access_token"])


def assert_consistent(fields):
    """expires_on is right for whoever compares it with this machine's clock."""
    now = time.time()
    assert abs(int(fields["expires_on"]) - int(fields["expires_in"]) - now) <= ROUNDING_SECONDS + 1


@pytest.mark.emulator_arguments("--clock-skew", str(HOUR), "--token-lifetime", "2")
def test_a_machine_whose_clock_is_behind_gives_out_no_dead_token(connection):
    seen = set()

    def three_were_seen():
        began = time.time()
        fields = ask(connection)
        assert claims(fields["access_token"])["exp"] - (began + HOUR) > -1, "it had expired when it was asked for"
        assert int(fields["expires_in"]) <= 2
        assert_consistent(fields)
        seen.add(token_of(fields))
        return len(seen) >= 3

    wait_until(three_were_seen, 30, "three tokens live and die")


@pytest.mark.smoke
@pytest.mark.emulator_arguments("--clock-skew", str(-2 * HOUR), "--token-lifetime", str(HOUR))
def test_a_machine_whose_clock_is_ahead_refuses_nobody(service, connection, emulator):
    for _ in range(3):
        reply = connection.ask(request())
        assert_legacy_success(reply, RESOURCE)
        fields = reply.json()
        assert HOUR - 60 <= int(fields["expires_in"]) <= HOUR
        assert_consistent(fields)
        assert int(fields["not_before"]) <= time.time(), "it is valid for a client of this machine"
    assert emulator.token_requests() == 1
    vault = connection.ask(ask_for("https://vault.azure.net"))
    assert_legacy_success(vault, "https://vault.azure.net")
    said = re.findall(r"this machine's clock is (\d+) s ahead of that of IMDS; clients", service.log_text())
    assert len(said) == 1
    assert 2 * HOUR - 60 <= int(said[0]) <= 2 * HOUR + 60


@pytest.mark.smoke
def test_clocks_that_agree_change_nothing(service, connection):
    fields = ask(connection)
    assert int(fields["expires_on"]) == claims(fields["access_token"])["exp"]
    assert "that of IMDS" not in service.log_text()


def skew_in_metrics(service):
    """How far this machine's clock is ahead of that of IMDS; None while the metrics do not say."""
    text = service.run("metrics").stdout
    found = re.search(r"^msi2imds_upstream_clock_skew_seconds (\S+)$", text, re.MULTILINE)
    assert found or "clock_skew" not in text
    return float(found[1]) if found else None


@pytest.mark.parametrize("ahead", [-HOUR, 0, HOUR])
def test_metrics_have_the_difference_once_it_is_known(service, connection, emulator, ahead):
    emulator.set_clock(-ahead)
    assert skew_in_metrics(service) is None
    ask(connection)
    assert abs(skew_in_metrics(service) - ahead) <= ROUNDING_SECONDS


@pytest.mark.settings({"imds.deadline": 4})
@pytest.mark.parametrize("value", ["0", "-5", "soon", "1e3", "", 3600, None])
def test_an_expires_in_that_makes_no_sense(connection, emulator, value):
    emulator.set_faults({"kind": "override_field", "field": "expires_in", "value": value})
    assert_legacy_error(connection.ask(request()), 500)
    emulator.clear_faults()
    assert_legacy_success(connection.ask(request()), RESOURCE)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "missing_field", "field": "expires_in"},
        {"kind": "override_field", "field": "expires_in", "value": "253402300799"},
    ],
    ids=["none", "huge"],
)
def test_without_a_useful_expires_in_this_machines_clock_decides(connection, emulator, fault):
    emulator.set_faults(fault)
    reply = connection.ask(request())
    assert_legacy_success(reply, RESOURCE)
    assert int(reply.json()["expires_in"]) <= 24 * HOUR
    assert_consistent(reply.json())


@pytest.mark.settings({"imds.deadline": 4})
@pytest.mark.emulator_arguments("--clock-skew", str(-2 * HOUR), "--token-lifetime", str(HOUR))
def test_a_huge_expires_in_of_a_token_that_looks_dead_is_not_believed(connection, emulator):
    emulator.set_faults({"kind": "override_field", "field": "expires_in", "value": "253402300799"})
    assert_legacy_error(connection.ask(request()), 500)


SHORT_MAX_AGE = pytest.mark.settings({"tokens.max_age": 1})
FRESH_TOKENS = pytest.mark.emulator_arguments("--fresh-tokens")


def another_token(connection, old):
    """The first token that differs; every answer until then is one, too."""

    def different():
        fields = ask(connection)
        return fields if token_of(fields) != token_of(old) else None

    return wait_until(different, 30, "the token is replaced")


@SHORT_MAX_AGE
@FRESH_TOKENS
def test_an_old_token_is_replaced(connection, emulator):
    first = ask(connection)
    second = another_token(connection, first)
    assert int(second["expires_on"]) >= int(first["expires_on"])
    assert emulator.token_requests() == 2


@SHORT_MAX_AGE
@FRESH_TOKENS
@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "hang"}], ids=["503", "hang"])
def test_an_old_token_serves_while_imds_cannot_answer(connection, emulator, fault):
    first = ask(connection)
    emulator.set_faults(fault)

    def imds_was_asked():
        assert token_of(ask(connection)) == token_of(first)
        return emulator.token_requests() >= 2

    wait_until(imds_was_asked, 30, "it is tried to replace the token")
    # Over the kept connection, and after two seconds over a new one.
    in_flight = (1, 2) if fault["kind"] == "hang" else (0,)
    assert emulator.stats()["in_flight"] in in_flight, "nobody waits for a request that hangs"
    assert token_of(ask(connection)) == token_of(first)
