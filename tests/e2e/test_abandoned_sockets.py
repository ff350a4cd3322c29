# SPDX-License-Identifier: MIT
"""Whoever passed the listening sockets may close them: then nobody comes after us, and nothing is left for him."""

import pytest

import backends
from firewall import our_rules
from legacy_port import assert_refused
from waiting import wait_until


@pytest.mark.parametrize("backend", backends.REDIRECTING)
def test_nothing_is_left_for_nobody(emulator, new_service, host, held, pins, backend):
    service = held.start(new_service({**backends.settings(backend), "redirect.pin_directory": str(pins)}))
    for listener in held.listeners:
        listener.close()
    assert service.stop() == 0
    wait_until(lambda: our_rules(host) == [], 5, "no rule is left")
    assert not pins.exists()
    assert_refused(host)
    assert_refused(host, "::1")


@pytest.mark.parametrize("backend", backends.REDIRECTING)
def test_all_is_left_for_who_holds_them(emulator, new_service, host, held, pins, backend):
    service = held.start(new_service({**backends.settings(backend), "redirect.pin_directory": str(pins)}))
    assert service.stop() == 0
    assert our_rules(host) or list(pins.iterdir())
    service.detach()
