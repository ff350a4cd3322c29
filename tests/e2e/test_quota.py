# SPDX-License-Identifier: MIT
"""IMDS's quota holds whatever comes in, and users take turns in using it."""

import json
import shutil
import threading

import pytest

from crowd import ask_at_once, ask_for, clients, resource_number
from programs import CHECKOUT, run_in, start_in, stop
from tokens import assert_legacy_error, assert_legacy_success
from waiting import wait_until

CROWD = 1000
KEYS = 100
MAX_RATE = 20
MAX_IN_FLIGHT = 5
# So slow that five at a time are fewer than twenty a second.
SLOW_IMDS = pytest.mark.emulator_arguments("--latency", "350")
QUICK_IMDS = pytest.mark.emulator_arguments("--latency", "0")


class ConnectionWatch:
    """The most connections to the emulator that were ever seen open at once."""

    def __init__(self, emulator):
        self.most = 0
        self._emulator = emulator
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self._ended.wait(0.05):
            own = 1
            self.most = max(self.most, self._emulator.stats()["open_connections"] - own)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()


@pytest.mark.parametrize(
    "limit", [pytest.param("at a time", marks=SLOW_IMDS), pytest.param("in a second", marks=QUICK_IMDS)]
)
def test_a_herd_for_many_tokens_keeps_within_the_quota(limit, service, host, emulator, capsys):
    resources = [resource_number(number % KEYS) for number in range(CROWD)]
    with clients(host, CROWD) as crowd, ConnectionWatch(emulator) as watch:
        replies = ask_at_once(crowd, [ask_for(resource) for resource in resources])
    for reply, resource in zip(replies, resources, strict=True):
        assert_legacy_success(reply, resource)
    stats = emulator.stats()
    most = {"in a second": stats["max_per_second"], "at a time": stats["max_in_flight"]}
    with capsys.disabled():
        print(f"\nat most {most}, {watch.most} connections")
    assert stats["token_requests"] == KEYS
    assert stats["max_per_second"] <= MAX_RATE
    assert stats["max_in_flight"] <= MAX_IN_FLIGHT
    assert 0 < watch.most <= MAX_IN_FLIGHT
    allowed = {"in a second": MAX_RATE, "at a time": MAX_IN_FLIGHT}
    assert most[limit] > allowed[limit] // 2, "a limit far from being reached proves nothing"


@pytest.mark.settings({"imds.max_rate": 1, "imds.deadline": 4})
def test_who_would_wait_too_long_is_told_when_to_come_back(service, host, emulator):
    count = 20
    with clients(host, count, timeout=10) as crowd:
        replies = ask_at_once(crowd, [ask_for(resource_number(number)) for number in range(count)])
    refused = [reply for reply in replies if reply.status != 200]
    assert 0 < len(refused) < count
    for reply in refused:
        assert_legacy_error(reply, 503)
        assert int(reply.header("Retry-After")) > 0


# Two users.
ASK = ("ask_for_resources.py", "raw_http.py")
GREED = 100  # requests that wait at any time: at IMDS's rate more than the modest user's patience
PATIENCE_SECONDS = 3


@pytest.fixture
def as_user(service):
    """The program, run as another user, who may have no access to the checkout."""
    for name in ASK:
        shutil.copy(CHECKOUT / "tests" / "support" / name, service.directory)

    def command(uid, *arguments):
        user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        return [*user, "/usr/bin/python3", "-B", service.directory / ASK[0], *arguments]

    return command


@SLOW_IMDS
@pytest.mark.settings({"responder.drain_timeout": 1})
@pytest.mark.parametrize(
    "arguments", [("greedy", "0"), ("invalid", "0"), ("greedy", "0", "bypass")], ids=["new", "invalid", "bypass"]
)
def test_a_user_who_asks_without_end_delays_only_himself(service, host, emulator, capsys, as_user, arguments):
    greedy = start_in(host, *as_user(4001, *arguments))
    try:
        wait_until(lambda: service.status_json()["responder"]["connections"] >= GREED, 20, "a long queue")
        modest = run_in(host, *as_user(4002, "modest", "5"), timeout=60)
    finally:
        stop(greedy)
    assert modest.returncode == 0, modest.stderr
    answers = json.loads(modest.stdout)
    with capsys.disabled():
        print("\nanswers to the modest user after " + ", ".join(f"{took:.2f} s" for _, took in answers))
    assert [status for status, _ in answers] == [200] * 5
    assert max(took for _, took in answers) < PATIENCE_SECONDS
    stats = emulator.stats()
    assert stats["max_per_second"] <= MAX_RATE
    assert stats["max_in_flight"] <= MAX_IN_FLIGHT
