# SPDX-License-Identifier: MIT
"""Connections to IMDS that wait for msi2imds's next request, and their silent death."""

import contextlib
import subprocess

from crowd import ask_at_once, ask_for, clients
from programs import run_in

KEPT = 5  # as many as IMDS serves at a time
# Longer than it takes until all have their turn, so that nobody can use another one's connection.
TOGETHER_MILLISECONDS = 1500


def keep_connections(host, emulator, count=KEPT, **selector):
    """So many requests at once, after which their connections wait; returns these connections' source ports."""
    emulator.reset()
    emulator.add_faults({"kind": "delay", "ms": TOGETHER_MILLISECONDS, "count": count})
    with clients(host, count) as crowd:
        replies = ask_at_once(crowd, [ask_for(f"https://kept-{n}.example/", **selector) for n in range(count)])
    assert [reply.status for reply in replies] == [200] * count
    ports = {entry["source_port"] for entry in emulator.requests()}
    assert len(ports) == count
    emulator.reset()
    return sorted(ports)


@contextlib.contextmanager
def packets_dropped(host, ports, both_ways=True):
    """No packet from these ports of the machine arrives, nor, unless told, one to them; others do."""
    listed = ", ".join(str(port) for port in ports)
    matches = ["sport", "dport"] if both_ways else ["sport"]
    drops = "".join(f"  tcp {match} {{ {listed} }} drop\n" for match in matches)
    rules = f"table ip dead {{\n chain way {{\n  type filter hook output priority 0;\n{drops} }}\n}}\n"
    loaded = subprocess.run(host.command("nft", "-f", "-"), input=rules, text=True, capture_output=True)
    assert loaded.returncode == 0, loaded.stderr
    try:
        yield
    finally:
        run_in(host, "nft", "delete", "table", "ip", "dead")
