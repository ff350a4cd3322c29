# SPDX-License-Identifier: MIT
"""Programs that look after a machine's firewall, and what each does to its rules."""

import dataclasses
from collections.abc import Callable

from machine import PACKAGES

FIREWALLD = (*PACKAGES, "firewalld", "dbus", "iptables-persistent", "netfilter-persistent")
# ufw and netfilter-persistent exclude one another.
UFW = (*PACKAGES, "ufw", "docker.io", "podman", "runc", "busybox-static", "iproute2")
UNITS = ("firewalld", "nftables", "netfilter-persistent", "ufw", "docker.socket", "docker", "containerd")

# As an administrator writes it: all rules go, and these come.
NFTABLES_CONF = """#!/usr/sbin/nft -f
flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
		iif "lo" accept
		tcp dport 22 accept
	}
}
"""
# As iptables-save wrote it on a machine without us.
RULES_OF_IPTABLES = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 10.99.0.0/24 -j MASQUERADE
COMMIT
"""


@dataclasses.dataclass(frozen=True)
class Neighbour:
    name: str
    packages: tuple
    prepare: Callable  # called with the machine, before msi2imds is started
    actions: tuple  # commands, one after the other and from the beginning again


def program_of(neighbour):
    return neighbour.name.split(":")[0]


def firewalld_with(backend):
    # The kernel of a machine for tests may lack what the filter of wrong ways takes.
    settings = f"s/^FirewallBackend=.*/FirewallBackend={backend}/; s/^IPv6_rpfilter=.*/IPv6_rpfilter=no/"

    def prepare(machine):
        machine.run("sed", "-i", settings, "/etc/firewalld/firewalld.conf")
        machine.run("systemctl", "start", "firewalld")
        assert machine.run("firewall-cmd", "--state").strip() == "running"

    return prepare


def with_nftables_service(machine):
    machine.write("/etc/nftables.conf", NFTABLES_CONF)
    machine.run("systemctl", "start", "nftables")


def with_saved_rules(machine):
    for version in (4, 6):
        rules = RULES_OF_IPTABLES if version == 4 else RULES_OF_IPTABLES.replace("10.99.0.0/24", "fd99::/64")
        machine.write(f"/etc/iptables/rules.v{version}", rules)


def with_netfilter_persistent(machine):
    with_saved_rules(machine)
    machine.run("systemctl", "start", "netfilter-persistent")


PODMAN = ("podman", "--runtime", "/usr/sbin/runc")
# Made here, since no registry is asked.
MAKE_IMAGE = "mkdir -p /root/box/bin && cp /bin/busybox /root/box/bin && tar -C /root/box -c . | {} import - box"


def with_ufw(machine):
    machine.run("systemctl", "start", "ufw")
    machine.run("ufw", "--force", "enable")


def with_docker(machine):
    machine.run("systemctl", "start", "docker")
    machine.run("sh", "-c", MAKE_IMAGE.format("docker"))


def with_podman(machine):
    machine.run("sh", "-c", MAKE_IMAGE.format("podman"))


def service(name, *verbs):
    return tuple(("systemctl", verb, name) for verb in verbs)


RESTORE = "iptables-restore /etc/iptables/rules.v4 && ip6tables-restore /etc/iptables/rules.v6"

ALL = (
    Neighbour(
        "firewalld (nftables): reload, restart, stop, start",
        FIREWALLD,
        firewalld_with("nftables"),
        (("firewall-cmd", "--reload"), *service("firewalld", "restart", "stop", "start")),
    ),
    Neighbour(
        "firewalld (iptables): reload, restart, stop, start",
        FIREWALLD,
        firewalld_with("iptables"),
        (("firewall-cmd", "--reload"), *service("firewalld", "restart", "stop", "start")),
    ),
    Neighbour(
        "nftables.service: reload, restart, stop, start",
        FIREWALLD,
        with_nftables_service,
        service("nftables", "reload", "restart", "stop", "start"),
    ),
    Neighbour("iptables-restore of nat", FIREWALLD, with_saved_rules, (("sh", "-c", RESTORE),)),
    Neighbour(
        "netfilter-persistent: reload, restart",
        FIREWALLD,
        with_netfilter_persistent,
        (("netfilter-persistent", "reload"), *service("netfilter-persistent", "restart")),
    ),
    Neighbour(
        "ufw: reload, disable, enable",
        UFW,
        with_ufw,
        (("ufw", "reload"), ("ufw", "disable"), ("ufw", "--force", "enable")),
    ),
    Neighbour(
        "docker: run, restart",
        UFW,
        with_docker,
        (("docker", "run", "--rm", "box", "/bin/busybox", "true"), *service("docker", "restart")),
    ),
    # crun asks for more than root has in a container, and the machine's cgroups may not limit processes.
    Neighbour(
        "podman: run",
        UFW,
        with_podman,
        ((*PODMAN, "run", "--rm", "--pids-limit=0", "box", "/bin/busybox", "true"),),
    ),
)
