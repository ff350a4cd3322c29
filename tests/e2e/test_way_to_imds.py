# SPDX-License-Identifier: MIT
"""The way to IMDS: patience with it, connections that went stale, and marks that open it."""

import time

import pytest

from crowd import ask_for, clients, resource_number
from raw_http import RESOURCE, request
from tokens import assert_legacy_error, assert_legacy_success


@pytest.mark.settings({"imds.deadline": 5})
def test_imds_is_not_asked_before_its_retry_after_not_even_at_the_deadline(service, host, emulator):
    emulator.set_faults({"kind": "status", "status": 429, "retry_after": 60})
    with clients(host, 1) as [client]:
        reply = client.ask(request())
    assert_legacy_error(reply, 503, "temporarily_unavailable")
    assert reply.header("Retry-After") == "60"
    assert "IMDS asks to be left alone for 60 s" in reply.json()["error_description"]
    assert emulator.token_requests() == 1


NOT_ASSIGNED_YET = {
    "kind": "status",
    "status": 400,
    "body": '{"error":"invalid_request","error_description":"Identity not found"}',
    "count": 2,
}


def just_booted():
    """For whoever runs under it the machine started a minute ago."""
    uptime = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    return ["unshare", "--time", f"--boottime={60 - uptime}", "--"]


def test_a_fresh_machine_waits_for_its_identities(new_service, emulator, host):
    new_service({"imds.boot_grace": 300}).start(wrapper=just_booted())
    emulator.set_faults(NOT_ASSIGNED_YET)
    with clients(host, 1) as [client]:
        assert_legacy_success(client.ask(request()), RESOURCE)
    assert emulator.token_requests() == 3


def test_later_an_identity_that_is_named_for_the_first_time_is_waited_for_briefly(new_service, emulator, host):
    new_service({"imds.boot_grace": 30}).start(wrapper=just_booted())
    emulator.set_faults(NOT_ASSIGNED_YET)
    with clients(host, 1) as [client]:
        assert_legacy_success(client.ask(request()), RESOURCE)
    assert emulator.token_requests() == 3


def test_a_wrong_identity_is_refused_and_delays_nobody_else(service, emulator, host):
    wrong = ask_for(RESOURCE, client_id="00000000-1111-2222-3333-444444444444")
    with clients(host, 2) as [mistaken, other]:
        mistaken.send(wrong)
        for number in range(5):
            assert_legacy_success(other.ask(ask_for(resource_number(number))), resource_number(number))
        assert_legacy_error(mistaken.read_reply(), 400, "invalid_request")
    # Three times, and over a new connection where the kept one had been used for the others.
    assert 5 + 3 <= emulator.token_requests() <= 5 + 6


def test_stale_connections_to_imds_fail_no_request(service, host, emulator):
    emulator.set_faults({"kind": "stale_close"})
    with clients(host, 1) as [client]:
        for number in range(30):
            resource = resource_number(number)
            assert_legacy_success(client.ask(ask_for(resource)), resource)
    assert emulator.token_requests() <= 60


IMDSD_MARK = 0x7FFF0815
OTHER_MARK = 0x1234


@pytest.mark.parametrize("setting, allowed", [(0, IMDSD_MARK), (OTHER_MARK, OTHER_MARK)], ids=["auto", "set"])
def test_a_mark_opens_the_way_to_imds(new_service, emulator, host, setting, allowed):
    new_service({"imds.mark": setting}).start()
    host.forbid_imds_without_mark(allowed)
    with pytest.raises(PermissionError):
        host.connect("169.254.169.254", 80).close()
    with clients(host, 1) as [client]:
        assert_legacy_success(client.ask(request()), RESOURCE)


@pytest.mark.settings({"imds.mark": OTHER_MARK, "imds.deadline": 4})
def test_a_wrong_mark_is_no_way_to_imds(service, host):
    host.forbid_imds_without_mark(IMDSD_MARK)
    with clients(host, 1) as [client]:
        reply = client.ask(request())
    assert_legacy_error(reply, reply.status)
    assert reply.status >= 500
