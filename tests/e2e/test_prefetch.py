# SPDX-License-Identifier: MIT
"""Tokens that callers used lately are there again after a reboot, before anybody asks for them."""

import json
import signal

import pytest

from crowd import ask_for, resource_number
from named_client import NamedClient
from raw_http import RawConnection
from waiting import wait_until

ALLOWED, OTHER = 20001, 20002
DONE = "tokens fetched in advance"
AWAY = "for a token in advance"
DAY = 86400


@pytest.fixture
def service(emulator, new_service):
    """Not started yet."""
    return new_service({"audit.max_rate": 1000000})


def ask(host, number, **parameters):
    with RawConnection(host.connect()) as connection:
        reply = connection.ask(ask_for(resource_number(number), **parameters))
    assert reply.status == 200
    return reply


def shut_down(service, emulator, requests):
    """As before a reboot: nothing is left but the file of who called, which knows of so many requests."""
    service.wait_for_audit(requests)
    assert service.stop() == 0
    emulator.reset()


def add_to_configuration(service, toml):
    service.config.write_text(service.config.read_text() + toml)


def allow(uid, **conditions):
    settings = {"uid": uid, **conditions}
    rule = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    return f'[policy]\nmode = "enforce"\n[[allow]]\n{rule}'


def wait_until_done(service, times=1):
    wait_until(lambda: service.log_text().count(DONE) == times, 30, "nothing is left to fetch")


def resources_asked_for(emulator):
    return [entry["resource"] for entry in emulator.requests()]


@pytest.mark.smoke
def test_the_first_request_after_a_reboot_is_answered_from_the_cache(service, host, emulator):
    service.start()
    identity = emulator.user_assigned()
    named = [{}, {"client_id": identity["client_id"]}, {"object_id": identity["object_id"]}]
    for number, parameters in enumerate(named):
        ask(host, number, **parameters)
    shut_down(service, emulator, 3)

    service.start()
    wait_until_done(service)
    asked = {(entry["resource"], json.dumps(entry["selector"])) for entry in emulator.requests()}
    assert len(asked) == emulator.token_requests() == 3, "no product of resources and identities"
    for number, parameters in enumerate(named):
        ask(host, number, **parameters)
    assert [line["source"] for line in service.wait_for_audit(6)[3:]] == ["cache"] * 3
    assert emulator.token_requests() == 3


def test_what_was_not_used_for_a_week_or_brought_no_token_is_left_alone(service, host, emulator):
    service.start()
    for number in range(2):
        ask(host, number)
    emulator.set_faults({"kind": "status", "status": 403})
    with RawConnection(host.connect()) as connection:
        assert connection.ask(ask_for(resource_number(2))).status == 403
    emulator.clear_faults()
    shut_down(service, emulator, 3)
    record = json.loads(service.callers_state.read_text())
    (old,) = (grant for grant in record["granted"] if grant["resource"] == resource_number(0))
    old["last_used"] -= 7 * DAY + 60
    service.callers_state.write_text(json.dumps(record))

    service.start()
    wait_until_done(service)
    assert resources_asked_for(emulator) == [resource_number(1)]


@pytest.mark.parametrize("by_program", [False, True], ids=["by uid", "by program"])
def test_only_what_the_rules_still_allow_is_fetched(service, host, emulator, scripts, by_program):
    service.start()
    program = scripts.copy_of_python("allowed")
    with (
        NamedClient(host, scripts, ALLOWED, python=program, resource=resource_number(0)) as allowed,
        NamedClient(host, scripts, OTHER, resource=resource_number(1)) as other,
        NamedClient(host, scripts, ALLOWED, resource=resource_number(2)) as another_program,
    ):
        assert [client.ask() for client in (allowed, other, another_program)] == [1, 1, 1]
    shut_down(service, emulator, 3)

    add_to_configuration(service, allow(ALLOWED, **({"program": str(program)} if by_program else {})))
    service.start()
    wait_until_done(service)
    expected = [0] if by_program else [0, 2]
    assert sorted(resources_asked_for(emulator)) == [resource_number(number) for number in expected]


def test_who_names_none_has_the_identity_that_is_chosen_now(service, host, emulator):
    first, second = emulator.user_assigned(), emulator.assign("policy")
    plain = service.config.read_text()
    add_to_configuration(service, f'[identity]\ndefault = {{ client_id = "{first["client_id"]}" }}\n')
    service.start()
    ask(host, 0)
    shut_down(service, emulator, 1)

    service.config.write_text(plain)
    add_to_configuration(service, f'[identity]\ndefault = {{ client_id = "{second["client_id"]}" }}\n')
    service.start()
    wait_until_done(service)
    assert [entry["selector"]["value"] for entry in emulator.requests()] == [second["client_id"]]


def test_imds_may_come_later_than_the_service_and_the_rules_change_meanwhile(service, host, emulator):
    service.start()
    for number in range(2):
        ask(host, number)
    shut_down(service, emulator, 2)
    host.remove_imds_address()
    service.start()
    service.wait_for_log(AWAY)
    add_to_configuration(service, allow(0, resource=resource_number(1)))
    service.process.send_signal(signal.SIGHUP)
    service.wait_for_log("reload: done")
    host.add_imds_address()
    wait_until_done(service)
    assert resources_asked_for(emulator) == [resource_number(1)]


@pytest.mark.parametrize("setting", ["tokens.prefetch", "tokens.cache"])
def test_it_can_be_turned_off(service, host, emulator, setting):
    service.start()
    for number in range(2):
        ask(host, number)
    shut_down(service, emulator, 2)
    service.configure({setting: False})
    service.start()
    ask(host, 2)
    assert resources_asked_for(emulator) == [resource_number(2)]


def test_who_only_observes_asks_for_nothing(service, host, emulator):
    service.start()
    ask(host, 0)
    shut_down(service, emulator, 1)
    service.options = ["--observe"]
    service.start()
    assert service.status_json()["observing"]
    assert emulator.token_requests() == 0
