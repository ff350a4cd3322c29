# SPDX-License-Identifier: MIT
"""A cell of the table: one backend beside one neighbour, and how each request ended while that one worked."""

import collections
import dataclasses
import itertools
import pathlib

from neighbours import UNITS
from steady_load import SteadyLoad
from systemd_service import SystemdService

RATE = 40  # new connections a second
PATIENCE = 30  # of the clients, in seconds: a firewall that is being reloaded may drop what they send for some
SETTLED = 10  # requests to each address that are served after an action
# How many may be dialled, on average, before the rules are back after an action, on a busy machine, too. By a look each
# second alone it would be more than 20.
REFUSED_EACH = 15
# By its name in the table: redirect.backend, and which iptables the machine has chosen.
BACKENDS = {
    "sk_lookup": ("sk_lookup", "nft"),
    "cgroup_connect": ("cgroup_connect", "nft"),
    "nftables": ("nftables", "nft"),
    "iptables-nft": ("iptables", "nft"),
    "iptables-legacy": ("iptables", "legacy"),
}
BY_RULES = ("nftables", "iptables-nft", "iptables-legacy")


@dataclasses.dataclass
class Row:
    backend: str
    neighbour: str
    actions: int = 0
    sent: int = 0
    failed: dict = dataclasses.field(default_factory=dict)  # by kind
    longest: float = 0
    problem: str = ""
    journal: str = dataclasses.field(default="", repr=False)

    @property
    def broken(self):
        """What is not as docs/neighbours.md says, by kind."""
        allowed = {}
        if self.backend in BY_RULES:
            allowed = {"refused": self.actions * REFUSED_EACH, "reset": self.actions}
        return {kind: count for kind, count in self.failed.items() if count > allowed.get(kind, 0)}

    @property
    def holds(self):
        return not self.broken and not self.problem


def cgroup_of(machine):
    """Where the machine's own processes are, from the root of the hierarchy."""
    return pathlib.Path(f"/proc/{machine.leader}/cgroup").read_text().split("0::")[1].split()[0]


# What one neighbour has left must not be the next one's.
CLEAN = """
systemctl stop {units}
systemctl reset-failed
nft flush ruleset
for name in iptables-legacy ip6tables-legacy; do
  for table in nat filter mangle raw security; do
    for chain in INPUT OUTPUT FORWARD; do
      $name -t $table -P $chain ACCEPT
    done
    $name -t $table -F
    $name -t $table -X
  done
done
for name in iptables ip6tables; do
  update-alternatives --set $name /usr/sbin/$name-{flavour}
done
"""


def play(machine, name, neighbour, actions):
    backend, flavour = BACKENDS[name]
    row = Row(name, neighbour.name, actions)
    # Some of it fails where there is no such thing.
    machine.attempt("sh", "-c", CLEAN.format(units=" ".join(UNITS), flavour=flavour))
    neighbour.prepare(machine)
    service = SystemdService(machine)
    load = SteadyLoad(machine.network, RATE, PATIENCE, cgroup_of(machine))
    try:
        service.start(backend)
        service.wait_intercepting()
        with load:
            load.wait_for("token")
            for command in itertools.islice(itertools.cycle(neighbour.actions), actions):
                # Or systemd refuses to start a unit for the sixth time in ten seconds.
                machine.attempt("systemctl", "reset-failed", *UNITS)
                machine.run(*command)
                load.wait_for("token", count=SETTLED, seconds=PATIENCE)
    except AssertionError as failure:
        row.problem = (str(failure) or repr(failure)).splitlines()[0]
    finally:
        row.journal = service.journal()
        service.reset()
    row.sent = len(load.requests)
    row.failed = dict(collections.Counter(sent.outcome for sent in load.requests if not sent.is_served))
    row.longest = round(load.longest_wait, 2)
    return row
