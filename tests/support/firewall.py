# SPDX-License-Identifier: MIT
"""The rules of a machine's firewalls."""

from programs import run_in


def rules(host):
    """All rules of the namespace, without counters."""
    nft = run_in(host, "nft", "--stateless", "list", "ruleset").stdout
    legacy = [run_in(host, f"{name}-legacy-save").stdout for name in ("iptables", "ip6tables")]
    return nft, *["\n".join(line for line in text.splitlines() if line[:1] in "*-") for text in legacy]


def our_rules(host):
    return [line for text in rules(host) for line in text.splitlines() if "msi2imds" in line.lower()]
