# SPDX-License-Identifier: MIT
"""An observer beside a service without a service manager: serving goes first, whoever was there first."""

import json
import os
import signal

import pytest

from callers import Callers
from legacy_port import a_token_is_served, another_server


@pytest.fixture
def pair(emulator, new_service):
    """A service and an observer with one configuration, neither started."""
    service, observer = new_service(), new_service()
    observer.configure({"admin.socket": str(service.admin_socket), "callers.state_file": str(service.callers_state)})
    observer.options = ["--observe"]
    return service, observer


def test_an_observer_steps_aside_for_who_serves(pair, host):
    service, observer = pair
    service.start()
    with Callers(host, count=1) as callers:
        callers.wait_for("token", 10, count=1)
        assert observer.launch().wait_exit() == 0
        callers.wait_for("token", 10, count=5)
    assert set(callers.outcomes) == {"token"}
    said = f"nothing to observe: msi2imds (process {service.pid}) serves, and records who calls by itself"
    assert said in observer.log_text()
    assert service.status().returncode == 0


def test_who_serves_takes_over_from_an_observer(pair, host):
    service, observer = pair
    observer.start()
    with another_server(host, "127.0.0.1"), Callers(host, count=1) as callers:
        callers.wait_for("elsewhere", 10, count=1)
        service.start()
        callers.wait_for("token", 10)
    assert set(callers.outcomes) == {"elsewhere", "token"}
    assert observer.wait_exit() == 0
    assert "step aside: another msi2imds serves from here on" in observer.log_text()
    assert f"take over from the observer (process {observer.pid})" in service.log_text()
    counted = [row["outcomes"] for row in json.loads(service.run("callers", "--json").stdout)["callers"]]
    assert sum(outcomes["observed"] for outcomes in counted) > 0, "what was observed is kept"


def test_who_serves_takes_over_from_an_observer_that_hangs(pair, host):
    service, observer = pair
    observer.start()
    os.kill(observer.pid, signal.SIGSTOP)
    service.start()
    assert observer.wait_exit() == -signal.SIGKILL
    assert "does not step aside: it is killed" in service.log_text()
    assert a_token_is_served(host)


def test_two_observers_are_one_too_many(pair, host):
    service, observer = pair
    service.options = ["--observe"]
    service.start()
    assert observer.launch().wait_exit() == 1
    assert "another msi2imds is running" in observer.log_text()
    assert service.status_json()["observing"] is True


def test_a_second_service_leaves_the_first_alone(pair, host):
    service, second = pair
    service.start()
    second.options = []
    assert second.launch().wait_exit() == 1
    assert "another msi2imds is running" in second.log_text()
    assert a_token_is_served(host)
