# SPDX-License-Identifier: MIT
"""Each fault of IMDS once, three times, and for 70 s: what a client sees, and how often IMDS was asked."""

import contextlib
import dataclasses
import threading
import time

import pytest

import faults
from crowd import ask_for, clients
from emulator import Emulator
from kept_connections import keep_connections
from namespace import Namespace
from programs import CHECKOUT
from raw_http import ConnectionEnded
from service import Service
from tokens import assert_legacy_error, assert_legacy_success, audience, claims

TABLE = CHECKOUT / "build" / "logs" / "fault-matrix.md"
DURATIONS = {
    "once": {"count": 1},
    "three times": {"count": 3},
    "for 70 s": {"seconds_active": 70},
}
DEADLINE_SECONDS = 75
PATIENCE_SECONDS = DEADLINE_SECONDS + 15


@dataclasses.dataclass
class Outcome:
    reply: object = None
    problem: str = ""
    seconds: float = 0
    asked: list = dataclasses.field(default_factory=list)  # when IMDS was
    resource: str = ""
    client_id: str = ""

    @property
    def status(self):
        return self.reply.status if self.reply else None

    def _token(self):
        granted = audience(self.reply.json()["access_token"])
        return "token" if granted == self.resource else "token for another resource"

    def __str__(self):
        seen = self._token() if self.status == 200 else self.problem or str(self.status)
        return f"{seen} after {self.seconds:.0f} s, {len(self.asked)} request{'' if len(self.asked) == 1 else 's'}"


class Machine:
    """A machine whose IMDS has one fault. Each duration plays on a resource of its own, all at once."""

    def __init__(self, stack, fault, durations=tuple(DURATIONS)):
        self._fault = fault
        self._durations = durations
        host = stack.enter_context(Namespace())
        host.add_imds_address()
        self._emulator = Emulator(host)
        stack.callback(self._emulator.stop)
        self._service = Service(host)
        stack.callback(self._service.close)
        self._service.start()
        self._clients = stack.enter_context(clients(host, len(durations), timeout=PATIENCE_SECONDS))
        client_id = self._emulator.user_assigned()["client_id"]
        self.outcomes = {
            duration: Outcome(resource=self.resource(duration), client_id=client_id) for duration in durations
        }
        self._threads = []
        if fault in faults.DEAD_CONNECTIONS.values():
            keep_connections(host, self._emulator, client_id=client_id)

    @staticmethod
    def resource(duration):
        return f"https://{duration.replace(' ', '-')}.example/"

    def begin(self):
        set_up = [
            {**self._fault, "match": duration.replace(" ", "-"), **DURATIONS[duration]} for duration in self._durations
        ]
        self._emulator.add_faults(*set_up)
        for outcome, client in zip(self.outcomes.values(), self._clients, strict=True):
            thread = threading.Thread(target=self._ask, args=(outcome, client))
            thread.start()
            self._threads.append(thread)

    @staticmethod
    def _ask(outcome, client):
        start = time.monotonic()
        try:
            outcome.reply = client.ask(ask_for(outcome.resource, client_id=outcome.client_id))
        except (OSError, ConnectionEnded) as failure:
            outcome.problem = type(failure).__name__
        outcome.seconds = time.monotonic() - start

    def end(self):
        for thread in self._threads:
            thread.join()
        for entry in self._emulator.requests():
            duration = next(name for name in self._durations if self.resource(name) == entry["resource"])
            self.outcomes[duration].asked.append(entry["time"])


def make_machines(stack, fault):
    """Who finds a dead connection spares the others, so each of these has a machine of its own."""
    if fault in faults.DEAD_CONNECTIONS.values():
        return [Machine(stack, fault, [duration]) for duration in DURATIONS]
    return [Machine(stack, fault)]


@pytest.fixture(scope="module")
def matrix():
    """{fault: {duration: Outcome}}, all of it played at once."""
    with contextlib.ExitStack() as stack:
        machines = [(name, machine) for name, fault in faults.ALL.items() for machine in make_machines(stack, fault)]
        for _, machine in machines:
            machine.begin()
        outcomes = {name: {} for name in faults.ALL}
        for name, machine in machines:
            machine.end()
            outcomes[name].update(machine.outcomes)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(render(outcomes))
    return outcomes


def render(outcomes):
    lines = ["| IMDS | " + " | ".join(DURATIONS) + " |", "|---" * (1 + len(DURATIONS)) + "|"]
    for name, row in outcomes.items():
        lines.append(f"| {name} | " + " | ".join(str(outcome) for outcome in row.values()) + " |")
    return "\n".join(lines) + "\n"


everything = pytest.mark.parametrize(
    "fault, duration", [(fault, duration) for fault in faults.ALL for duration in DURATIONS]
)


def test_the_table_is_shown(matrix, capsys):
    with capsys.disabled():
        print("\n" + render(matrix))


@everything
def test_a_client_sees_a_whole_token_or_a_server_error(matrix, fault, duration):
    outcome = matrix[fault][duration]
    assert outcome.reply is not None, outcome.problem
    if outcome.status == 200:
        # Over a new connection it is served: IMDS may call a resource by another name.
        is_renamed = fault == faults.ANOTHER_RESOURCE and outcome.reply.json()["resource"] == faults.OTHER_RESOURCE
        assert_legacy_success(outcome.reply, faults.OTHER_RESOURCE if is_renamed else outcome.resource)
        assert claims(outcome.reply.json()["access_token"])["appid"] == outcome.client_id
    else:
        assert 500 <= outcome.status < 600
        assert_legacy_error(outcome.reply, outcome.status)


@everything
def test_the_answer_comes_within_the_deadline(matrix, fault, duration):
    assert matrix[fault][duration].seconds < DEADLINE_SECONDS + 2


@pytest.mark.parametrize("duration", DURATIONS)
@pytest.mark.parametrize("fault", faults.TRANSIENT)
def test_a_transient_fault_ends_in_a_token(matrix, fault, duration):
    assert matrix[fault][duration].status == 200


@pytest.mark.parametrize("duration", DURATIONS)
@pytest.mark.parametrize("fault", faults.DEAD_CONNECTIONS)
def test_a_dead_connection_is_replaced_once(matrix, fault, duration):
    outcome = matrix[fault][duration]
    assert outcome.status == 200
    assert len(outcome.asked) == 1, "what died with the connection did not arrive"
    assert outcome.seconds < 10, "less than imds.request_timeout"


@pytest.mark.parametrize("duration", DURATIONS)
@pytest.mark.parametrize("fault", faults.MIX_UPS)
def test_a_mix_up_is_asked_anew_at_most_once(matrix, fault, duration):
    assert matrix[fault][duration].status == 200
    assert len(matrix[fault][duration].asked) <= 2


# A kept connection that ends before the answer does may only have been stale: the request goes out again at once.
MAYBE_STALE = ("stale connection", "reset", "close", "truncated")


@pytest.mark.parametrize("fault", [fault for fault in faults.TRANSIENT if fault not in MAYBE_STALE])
def test_imds_is_not_asked_again_at_once(matrix, fault):
    for duration in DURATIONS:
        asked = matrix[fault][duration].asked
        assert len(asked) > 1
        assert min(later - earlier for earlier, later in zip(asked, asked[1:])) >= 1


def test_retry_after_is_honoured(matrix):
    asked = matrix["429, Retry-After"]["three times"].asked
    waits = [later - earlier for earlier, later in zip(asked, asked[1:])]
    assert len(waits) == 3
    assert min(waits) >= faults.RETRY_AFTER_SECONDS
