# SPDX-License-Identifier: MIT
"""Three real clients in place of the even load: Go, Python and Node, each with the library of its time."""

import re
import time

from looping_clients import LIBRARIES, RATE, LoopingClients
from steady_load import Request

OUTCOMES = {"msi2imds": "token", "extension": "elsewhere"}
# What the libraries say of a connection.
FAILURES = {
    "timed out": r"no reply within|[Rr]ead timed out|deadline exceeded|ETIMEDOUT",
    "refused": r"refused|ECONNREFUSED",
    "reset": r"reset|ECONNRESET|EPIPE|EOF|broken pipe|hang up|aborted|without response",
    "unreachable": r"unreachable|EADDRNOTAVAIL|cannot assign",
}


def outcome_of(outcome):
    if outcome.answered_by:
        return OUTCOMES[outcome.answered_by]
    kinds = [kind for kind, pattern in FAILURES.items() if re.search(pattern, outcome.detail)]
    return kinds[0] if kinds else outcome.detail


class LibraryLoad:
    """Has what SteadyLoad has; where a request went is the name of its client."""

    def __init__(self, host, discovery_file, cgroup_path):
        self._clients = LoopingClients(host, discovery_file, rate=RATE, names=LIBRARIES, cgroup_path=cgroup_path)
        # Of the machine's monotonic clock, of which the clients do not tell.
        self._shift = time.monotonic() - time.time()

    def __enter__(self):
        self._clients.__enter__()
        return self

    def __exit__(self, *error):
        self._clients.__exit__(*error)

    @property
    def requests(self):
        return [self._request(outcome) for outcome in self._clients.outcomes()]

    def _request(self, outcome):
        began = outcome.time + self._shift
        return Request(began, began + outcome.seconds, outcome.client, outcome_of(outcome))

    def wait_for(self, *outcomes, count=10, seconds=20):
        """Until `count` more requests of each client have ended like this."""
        answered_by = [who for who, outcome in OUTCOMES.items() if outcome in outcomes]
        self._clients.wait_for(*answered_by, count=count, seconds=seconds)

    @property
    def longest_wait(self):
        return self._clients.longest_wait()
