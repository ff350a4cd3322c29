# SPDX-License-Identifier: MIT
"""Why a backend cannot be used: a sentence for each reason, and the next one is taken."""

import pytest

import cgroup
from legacy_port import a_token_is_served, assert_refused

BPF_CAPABILITIES = "-bpf,-sys_admin,-perfmon"

# Shows a folder of programs without some of them; their names are one word of arguments.
HIDE_PROGRAMS = """
mkdir "$0/real" "$0/shown"
mount --bind /usr/sbin "$0/real"
ln -s "$0"/real/* "$0/shown"
for name in $1; do rm -f "$0"/shown/$name; done
mount --bind "$0/shown" /usr/sbin
shift
exec "$@"
"""
HIDE_CGROUP2 = 'umount --lazy "$0"; exec "$@"'


def without_capabilities(names):
    return ["setpriv", f"--bounding-set={names}", "--"]


def without_programs(service, *names):
    folder = service.directory / "programs"
    folder.mkdir()
    return ["unshare", "--mount", "sh", "-ec", HIDE_PROGRAMS, folder, " ".join(names)]


def without_cgroup2():
    return ["unshare", "--mount", "sh", "-ec", HIDE_CGROUP2, cgroup.ROOT]


NFT = ("nft",)
IPTABLES = ("iptables*", "ip6tables*")


def assert_taken(service, host, backend, refusals):
    assert service.status_json()["backend"] == backend
    for refusal in refusals:
        assert f"cannot use {refusal}" in service.log_text()
    assert a_token_is_served(host)


def test_without_permission_for_bpf(emulator, new_service, host):
    service = new_service().start(wrapper=without_capabilities(BPF_CAPABILITIES))
    refusals = (
        "sk_lookup: load the sk_lookup program: Operation not permitted",
        "cgroup_connect: load the connect programs: Operation not permitted",
    )
    assert_taken(service, host, "nftables", refusals)


def test_without_permission_for_bpf_and_without_nft(emulator, new_service, host):
    service = new_service()
    service.start(wrapper=[*without_programs(service, *NFT), *without_capabilities(BPF_CAPABILITIES)])
    assert_taken(service, host, "iptables", ["nftables: run nft: it is not installed"])


def test_without_anything_but_sockets(emulator, new_service, host):
    service = new_service()
    service.start(wrapper=[*without_programs(service, *NFT, *IPTABLES), *without_capabilities(BPF_CAPABILITIES)])
    assert_taken(service, host, "listen", ["iptables: run iptables-restore: it is not installed"])
    assert any("127.0.0.1" in remark for remark in service.status_json()["remarks"])


def test_without_permission_for_firewalls(emulator, new_service, host):
    service = new_service().start(wrapper=without_capabilities(f"{BPF_CAPABILITIES},-net_admin,-net_raw"))
    assert_taken(service, host, "listen", ["nftables: ", "iptables: "])
    assert service.log_text().count("not permitted") >= 2


def refusal_of(service, wrapper):
    """The last words of a service that cannot start."""
    service.launch(wrapper=wrapper)
    assert service.wait_exit() == 1
    return service.log_text()


def test_without_cgroup2_nor_the_right_to_mount_it(new_service):
    service = new_service({"redirect.backend": "cgroup_connect"})
    said = refusal_of(service, [*without_cgroup2(), *without_capabilities("-sys_admin")])
    assert "mount cgroup2, which nobody has mounted here: Operation not permitted" in said


def test_a_cgroup_of_version_1(new_service):
    service = new_service({"redirect.cgroups": ["/system.slice/old.service"]})
    said = refusal_of(service, without_cgroup2())
    assert "redirect.cgroups: find cgroup '/system.slice/old.service': this host keeps its processes in cgroups of version 1" in said


def test_who_calls_cannot_be_seen_in_a_cgroup_of_version_1(emulator, new_service):
    service = new_service({"redirect.backend": "nftables", "callers.cgroup": "/system.slice"})
    service.start(wrapper=without_cgroup2())
    said = next(line for line in service.log_text().splitlines() if "cannot observe who dials: " in line)
    assert "callers.cgroup: find cgroup '/system.slice'" in said and "redirect.cgroups" not in said


@pytest.mark.settings({"redirect.backend": "iptables"})
def test_without_nat_for_ipv6(emulator, new_service, host):
    service = new_service()
    service.start(wrapper=without_programs(service, "ip6tables*"))
    assert a_token_is_served(host)
    assert_refused(host, "::1")
    status = service.status()
    assert status.returncode == 0, "what is not covered is said, and no failure"
    assert "::1 are not covered" in status.stdout
