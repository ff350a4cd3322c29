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
DOCUMENTED = CHECKOUT / "docs" / "fault-matrix.md"
ROWS = [*faults.ALL, *faults.CLOCKS]
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
        self._host = host
        self._stack = stack
        client_id = self._emulator.user_assigned()["client_id"]
        self._emulator.set_clock(faults.CLOCKS.get(fault, 0))
        self.outcomes = {
            duration: Outcome(resource=self.resource(duration), client_id=client_id) for duration in durations
        }
        self._threads = []
        if fault in faults.DEAD_CONNECTIONS:
            keep_connections(host, self._emulator, client_id=client_id)

    @staticmethod
    def resource(duration):
        return f"https://{duration.replace(' ', '-')}.example/"

    def begin(self):
        if self._fault in faults.ALL:
            set_up = [
                {**faults.ALL[self._fault], "match": duration.replace(" ", "-"), **DURATIONS[duration]}
                for duration in self._durations
            ]
            self._emulator.add_faults(*set_up)
        # Only now: who has said nothing for 10 s is not waited for.
        asking = self._stack.enter_context(clients(self._host, len(self.outcomes), timeout=PATIENCE_SECONDS))
        for outcome, client in zip(self.outcomes.values(), asking, strict=True):
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
    if fault in faults.DEAD_CONNECTIONS:
        return [Machine(stack, fault, [duration]) for duration in DURATIONS]
    return [Machine(stack, fault)]


@pytest.fixture(scope="module")
def matrix():
    """{fault: {duration: Outcome}}, all of it played at once."""
    with contextlib.ExitStack() as stack:
        machines = [(fault, machine) for fault in ROWS for machine in make_machines(stack, fault)]
        for _, machine in machines:
            machine.begin()
        outcomes = {fault: {} for fault in ROWS}
        for fault, machine in machines:
            machine.end()
            outcomes[fault].update(machine.outcomes)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(render(outcomes))
    return outcomes


def render(outcomes):
    columns = ["IMDS", *DURATIONS, "longest wait"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for fault, row in outcomes.items():
        longest = max(outcome.seconds for outcome in row.values())
        lines.append(f"| {fault} | " + " | ".join(str(outcome) for outcome in row.values()) + f" | {longest:.1f} s |")
    return "\n".join(lines) + "\n"


everything = pytest.mark.parametrize("fault, duration", [(fault, duration) for fault in ROWS for duration in DURATIONS])
each_duration = pytest.mark.parametrize("duration", DURATIONS)


def test_the_table_is_shown(matrix, capsys):
    with capsys.disabled():
        print("\n" + render(matrix))


def test_the_documented_table_is_of_these_faults():
    head, *rows = [line for line in DOCUMENTED.read_text().splitlines() if line.startswith("| ")]
    assert head == render({}).splitlines()[0]
    assert [row.split(" | ")[0] for row in rows] == [f"| {fault}" for fault in ROWS]


@everything
def test_a_client_sees_a_whole_token_or_a_server_error(matrix, fault, duration):
    outcome = matrix[fault][duration]
    assert outcome.reply is not None, outcome.problem
    if outcome.status == 200:
        # Over a new connection it is served: IMDS may call a resource by another name.
        is_renamed = fault == faults.ANOTHER_RESOURCE and outcome.reply.json()["resource"] == faults.OTHER_RESOURCE
        assert_legacy_success(outcome.reply, faults.OTHER_RESOURCE if is_renamed else outcome.resource)
        assert claims(outcome.reply.json()["access_token"])["appid"] == outcome.client_id
    elif fault in faults.NOT_FOUND:
        assert_legacy_error(outcome.reply, 400, "invalid_request")
    else:
        assert 500 <= outcome.status < 600
        assert_legacy_error(outcome.reply, outcome.status)


@everything
def test_the_answer_comes_within_the_deadline(matrix, fault, duration):
    assert matrix[fault][duration].seconds < DEADLINE_SECONDS + 2


@each_duration
@pytest.mark.parametrize("fault", faults.TRANSIENT)
def test_a_transient_fault_ends_in_a_token(matrix, fault, duration):
    assert matrix[fault][duration].status == 200


@each_duration
@pytest.mark.parametrize("fault", faults.DEAD_CONNECTIONS)
def test_a_dead_connection_is_replaced_once(matrix, fault, duration):
    outcome = matrix[fault][duration]
    assert outcome.status == 200
    assert len(outcome.asked) == 1, "what died with the connection did not arrive"
    assert outcome.seconds < 10, "less than imds.request_timeout"


@each_duration
@pytest.mark.parametrize("fault", faults.MIX_UPS)
def test_a_mix_up_is_asked_anew_at_most_once(matrix, fault, duration):
    assert matrix[fault][duration].status == 200
    assert len(matrix[fault][duration].asked) <= 2


@pytest.mark.parametrize("fault", faults.NOT_FOUND)
def test_an_identity_is_waited_for_briefly(matrix, fault):
    seen = {duration: (outcome.status, len(outcome.asked)) for duration, outcome in matrix[fault].items()}
    assert seen == {"once": (200, 2), "three times": (400, 3), "for 70 s": (400, 3)}


@each_duration
@pytest.mark.parametrize("fault", faults.LEFT_ALONE)
def test_who_cannot_wait_so_long_is_told_at_once(matrix, fault, duration):
    outcome = matrix[fault][duration]
    assert outcome.status == 503
    assert int(outcome.reply.header("Retry-After")) > DEADLINE_SECONDS
    assert len(outcome.asked) == 1


@each_duration
@pytest.mark.parametrize("fault", faults.CLOCKS)
def test_a_token_ends_by_the_more_cautious_clock(matrix, fault, duration):
    outcome = matrix[fault][duration]
    assert outcome.status == 200
    assert len(outcome.asked) == 1
    fields = outcome.reply.json()
    earlier = claims(fields["access_token"])["exp"] - int(fields["expires_on"])
    assert abs(earlier - max(faults.CLOCKS[fault], 0)) < faults.CLOCK_SECONDS / 2


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
