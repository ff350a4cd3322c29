# SPDX-License-Identifier: MIT
"""SIGHUP: a good configuration is taken over, a bad one is refused and the old one kept."""

import signal

import pytest

from legacy_port import a_token_is_served
from raw_http import RawConnection, request
from waiting import wait_until

NEW_HOST = "msi.example"


def status_for_new_host(host):
    with RawConnection(host.connect()) as connection:
        return connection.ask(request(host=NEW_HOST)).status


def reload(service, settings):
    service.configure(settings)
    service.process.send_signal(signal.SIGHUP)


@pytest.mark.smoke
def test_a_changed_configuration_is_taken_over(service, host):
    assert 400 <= status_for_new_host(host) < 500
    reload(service, {"legacy.hosts": [NEW_HOST]})
    wait_until(lambda: status_for_new_host(host) == 200, 10, "the new host is served")
    assert service.status().returncode == 0


def test_a_bad_configuration_is_refused_and_the_old_one_kept(service, host):
    reload(service, {"legacy.hosts": [NEW_HOST], "legacy.prots": [1]})
    lines = service.config.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "prots" in text)
    service.wait_for_log(f"{service.config}:{line}")
    assert 400 <= status_for_new_host(host) < 500
    assert a_token_is_served(host)

    reload(service, {"legacy.hosts": [NEW_HOST]})
    wait_until(lambda: status_for_new_host(host) == 200, 10, "the new host is served")


def test_an_open_connection_outlives_a_reload(service, host, connection):
    assert connection.ask(request()).status == 200
    reload(service, {"legacy.hosts": [NEW_HOST]})
    wait_until(lambda: status_for_new_host(host) == 200, 10, "the new host is served")
    assert connection.ask(request()).status == 200
