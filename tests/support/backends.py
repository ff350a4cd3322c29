# SPDX-License-Identifier: MIT
"""The backends, and the settings with which a test may use each."""

import cgroup

REDIRECTING = ("sk_lookup", "cgroup_connect", "nftables", "iptables")
ALL = (*REDIRECTING, "listen")


def settings(backend):
    """Programs on cgroups are attached to the tests' own."""
    chosen = {"redirect.backend": backend}
    if backend == "cgroup_connect":
        chosen["redirect.cgroups"] = [cgroup.own_scratch()]
    return chosen
