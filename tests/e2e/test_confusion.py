# SPDX-License-Identifier: MIT
"""Many clients ask for many identities while IMDS changes from one fault to another at random: 0 wrong tokens.

MSI2IMDS_SEED repeats a run. That it would find wrong tokens is shown by runs in which checks against them are taken out
(tests/mutants).
"""

import collections
import concurrent.futures
import os
import random
import signal
import threading
import time

import pytest

import faults
from crowd import ask_for
from mutants import Copy
from raw_http import ConnectionEnded, RawConnection
from test_mix_ups import CLAIMS
from tokens import claims

IDENTITIES = 1000
CLIENTS = 64
SHORT, LONG = 10, 60
MUTANT_SECONDS = 60  # at most, to find a wrong token
# After the first answer that is found out no connection is used twice for a minute. A new responder begins without
# that.
RESPONDER_SECONDS = 1
RESOURCES = ["https://management.azure.com/", "https://vault.azure.net"]
OTHER_RESOURCE = "https://other.example/"
CLOCKS = [0, *faults.CLOCKS.values()]
# Some clients do nothing else for seconds then.
WAITED_OUT = [faults.status(408), *faults.NOT_FOUND.values(), *faults.LEFT_ALONE.values()]

pytestmark = [
    pytest.mark.emulator_arguments("--identities", str(IDENTITIES)),
    pytest.mark.settings(
        {
            "imds.max_rate": 1000,
            "imds.max_in_flight": CLIENTS,
            "imds.request_timeout": 1,
            "imds.deadline": 4,
            "audit.max_rate": 1,
        }
    ),
]


def a_fault(chance):
    late = chance.choice([{}, {"ms": chance.choice([1, 20, 54, 80])}])
    # Found out at once, or refused, so that connections would seldom be used twice if these were as frequent.
    plain = chance.choice(
        [
            {"kind": "interim", "status": chance.choice([101, 103]), "times": 9, **late},
            {"kind": "wrong_resource", "resource": chance.choice([*RESOURCES, OTHER_RESOURCE])},
            # Over a new connection, nobody could tell who was asked for otherwise.
            {"kind": "wrong_client_id", "match": "&client_id="},
        ]
    )
    return {
        "count": chance.randint(1, 20),
        **chance.choice(
            [
                plain,
                {"kind": "interim", "status": chance.choice([100, 102, 103]), "times": chance.randint(1, 8), **late},
                *[{"kind": "duplicate", **late}] * 3,
                {"kind": "status", "status": 204, "body": chance.choice(["", "{}"])},
                {"kind": chance.choice(["truncated", "stale_close", "reset", "close", "dead_connection"])},
                {**chance.choice(WAITED_OUT), "count": 1},
            ]
        ),
    }


def is_wrong(outcome):
    return str(outcome).startswith("wrong")


def judge(reply, identity, selector, resource):
    if reply.status != 200:
        return reply.status
    fields = reply.json()
    told = claims(fields["access_token"])
    if told[CLAIMS[selector]].lower() != identity[selector].lower():
        return "wrong identity"
    if told["aud"] != fields["resource"]:
        return "wrong resource"
    return "token" if told["aud"] == resource else "token that says its other resource"


def ask(connection, identities, chance):
    """Asks for one of these identities; what came of it."""
    identity, resource = chance.choice(identities), chance.choice(RESOURCES)
    # The system-assigned one is who is meant where nobody is named.
    selector = chance.choice(list(CLAIMS)) if identity["msi_res_id"] else None
    reply = connection.ask(ask_for(resource, **({selector: identity[selector]} if selector else {})))
    return judge(reply, identity, selector or "object_id", resource)


def ask_until(over, host, identities, chance):
    """One client, which ends the run when it has a wrong token; how often it has seen what."""
    seen = collections.Counter()
    while not over.is_set():
        try:
            with RawConnection(host.connect(timeout=60)) as connection:
                while not over.is_set():
                    outcome = ask(connection, identities, chance)
                    seen[outcome] += 1
                    if is_wrong(outcome):
                        over.set()
        except (ConnectionEnded, ConnectionResetError, BrokenPipeError):
            seen["the responder ended"] += 1
    return seen


def change_imds(service, emulator, chance, over, seconds):
    """Every 50 ms, for so long or until the run is over; every second another responder begins."""
    end = time.monotonic() + seconds
    end_of_responder = time.monotonic() + RESPONDER_SECONDS
    while time.monotonic() < end and not over.wait(0.05):
        emulator.add_faults(a_fault(chance))
        if chance.random() < 0.05:
            emulator.set_clock(chance.choice(CLOCKS))
        if time.monotonic() >= end_of_responder:
            service.flush()
            os.kill(service.responder(), signal.SIGKILL)
            end_of_responder = time.monotonic() + RESPONDER_SECONDS


def confuse(service, host, emulator, capsys, seconds):
    """Lets the clients ask for so long, or until one has a wrong token; how often they have seen what."""
    seed = int(os.environ.get("MSI2IMDS_SEED", random.randrange(2**32)))
    with capsys.disabled():
        print(f"\nMSI2IMDS_SEED={seed}")
    chance = random.Random(seed)
    assigned = emulator.identities()
    # One request in ten names nobody.
    identities = [*assigned, *[one for one in assigned if not one["msi_res_id"]] * (IDENTITIES // 9)]
    over = threading.Event()
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        crowd = [pool.submit(ask_until, over, host, identities, random.Random(chance.random())) for _ in range(CLIENTS)]
        try:
            change_imds(service, emulator, chance, over, seconds)
        finally:
            over.set()
            emulator.clear_faults()
    seen = sum((client.result() for client in crowd), collections.Counter())
    with capsys.disabled():
        print(f"after {time.monotonic() - began:.0f} s, {emulator.token_requests()} requests to IMDS: {dict(seen)}")
    return seen


@pytest.mark.parametrize("seconds", [SHORT, pytest.param(LONG, marks=pytest.mark.long)])
def test_no_token_is_ever_somebody_elses(seconds, service, host, emulator, capsys):
    seen = confuse(service, host, emulator, capsys, seconds)
    assert not [outcome for outcome in seen if is_wrong(outcome)], seen
    assert seen["token"] > CLIENTS, "the clients were served"


CHECKS = ["imds/any-answer-fits", "imds/any-connection-suits"]


@pytest.mark.long
@pytest.mark.parametrize("without", [CHECKS[:1], CHECKS[1:], CHECKS], ids=["no-match", "no-history", "neither"])
def test_without_a_check_there_are_wrong_tokens(new_service, host, emulator, capsys, without):
    service = new_service()
    service.program = Copy("gcc").build("msi2imds", *without)
    service.start()
    seen = confuse(service, host, emulator, capsys, MUTANT_SECONDS)
    assert any(is_wrong(outcome) for outcome in seen), seen
