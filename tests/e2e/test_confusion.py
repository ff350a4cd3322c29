# SPDX-License-Identifier: MIT
"""Many clients ask for many identities while IMDS changes from one fault to another at random: 0 wrong tokens.

MSI2IMDS_SEED and MSI2IMDS_CONFUSION_SECONDS repeat a run, or make it longer.
"""

import collections
import os
import random
import threading
import time

import pytest

from crowd import ask_for, clients
from test_mix_ups import CLAIMS
from tokens import claims

IDENTITIES = 1000
CLIENTS = 64
SECONDS = float(os.environ.get("MSI2IMDS_CONFUSION_SECONDS", "10"))
RESOURCES = ["https://management.azure.com/", "https://vault.azure.net"]
OTHER_RESOURCE = "https://other.example/"

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
    return {
        **chance.choice(
            [
                {"kind": "interim", "status": chance.choice([100, 102, 103]), "times": chance.randint(1, 8), **late},
                {"kind": "interim", "status": chance.choice([101, 103]), "times": 9, **late},
                {"kind": "duplicate", **late},
                {"kind": "status", "status": 204, "body": chance.choice(["", "{}"])},
                {"kind": "wrong_resource", "resource": chance.choice([*RESOURCES, OTHER_RESOURCE])},
                # Over a new connection, nobody could tell who was asked for otherwise.
                {"kind": "wrong_client_id", "match": "&client_id="},
                {"kind": chance.choice(["truncated", "stale_close", "reset", "close", "dead_connection"])},
            ]
        ),
        "count": chance.randint(1, 20),
    }


class Asking(threading.Thread):
    """A client that asks for one identity after the other until it is told to end."""

    def __init__(self, connection, identities, chance, ended):
        super().__init__()
        self._connection, self._identities, self._chance, self._ended = connection, identities, chance, ended
        self.seen = collections.Counter()

    def run(self):
        while not self._ended.is_set():
            identity = self._chance.choice(self._identities)
            selector, resource = self._chance.choice(list(CLAIMS)), self._chance.choice(RESOURCES)
            reply = self._connection.ask(ask_for(resource, **{selector: identity[selector]}))
            self.seen[self._judge(reply, identity, selector, resource)] += 1

    @staticmethod
    def _judge(reply, identity, selector, resource):
        if reply.status != 200:
            return reply.status
        fields = reply.json()
        told = claims(fields["access_token"])
        if told[CLAIMS[selector]].lower() != identity[selector].lower():
            return "wrong identity"
        if told["aud"] != fields["resource"]:
            return "wrong resource"
        return "token" if told["aud"] == resource else "token that says its other resource"


def test_no_token_is_ever_somebody_elses(service, host, emulator, capsys):
    seed = int(os.environ.get("MSI2IMDS_SEED", random.randrange(2**32)))
    with capsys.disabled():
        print(f"\nMSI2IMDS_SEED={seed}")
    chance = random.Random(seed)
    identities = [identity for identity in emulator.identities() if identity["msi_res_id"]]
    ended = threading.Event()
    with clients(host, CLIENTS, timeout=60) as connections:
        crowd = [Asking(connection, identities, random.Random(chance.random()), ended) for connection in connections]
        for client in crowd:
            client.start()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            emulator.add_faults(a_fault(chance))
            ended.wait(0.05)
        ended.set()
        emulator.clear_faults()
        for client in crowd:
            client.join()
    seen = sum((client.seen for client in crowd), collections.Counter())
    with capsys.disabled():
        print(dict(seen))
    assert not [outcome for outcome in seen if str(outcome).startswith("wrong")], seen
    assert seen["token"] > CLIENTS, "the clients were served"
