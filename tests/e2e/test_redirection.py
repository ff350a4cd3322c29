# SPDX-License-Identifier: MIT
"""What every redirection has to live through: killed processes, reloaded firewalls, neighbours, its own removal."""

import contextlib
import os
import signal

import pytest

import backends
import cgroup
from firewall import our_rules, rules
from kernel_state import bpf_objects, bpf_objects_of, is_running
from legacy_port import PORT, a_token_is_served, another_server, ask, assert_elsewhere, assert_refused
from programs import program, run_in
from raw_http import RESOURCE, RawConnection, request
from tokens import assert_legacy_success
from waiting import wait_until

every_redirection = pytest.mark.parametrize("backend", backends.REDIRECTING)
every_backend = pytest.mark.parametrize("backend", backends.ALL)
by_rules = pytest.mark.parametrize("backend", ["nftables", "iptables"])
WITHIN_SECONDS = 10  # on a busy machine; tests/neighbours measures it


def is_elsewhere(host):
    try:
        return ask(host, timeout=0.5).body == b"elsewhere"
    except OSError:
        return False


@every_backend
def test_status_names_the_backend_in_force(service, backend):
    status = service.status_json()
    assert (status["backend"], status["intercepting"]) == (backend, True)
    assert f"intercepting with {backend}" in service.status().stdout


@by_rules
def test_status_finds_its_connection_behind_a_port_that_the_kernel_has_changed(service, host, backend):
    """NAT remembers a connection from each client port to another address, so later ones get other ports."""
    ports = range(40000, 40004)
    run_in(host, "sh", "-c", f"echo {ports[0]} {ports[-1]} > /proc/sys/net/ipv4/ip_local_port_range")
    with contextlib.ExitStack() as stack:
        for _ in ports:
            stack.enter_context(host.connect("127.0.0.2"))
    wait_until(lambda: service.status_json()["responder"]["connections"] == 0, 10, "all of them are over")
    status = service.status_json()
    assert (status["intercepting"], status["reason"]) == (True, "")


@pytest.mark.parametrize("backend", ["sk_lookup"])
def test_status_waits_until_a_lost_packet_is_sent_again(service, host, backend):
    """As behind a firewall that is just reloaded."""
    drop_one = "tcp flags & (syn | ack) == syn tcp dport 50342 limit rate 1/day burst 1 packets drop"
    rules_of_another = f"table ip another {{ chain input {{ type filter hook input priority 0; {drop_one}; }}; }}"
    assert run_in(host, "nft", rules_of_another).returncode == 0
    assert service.status_json()["reason"] == ""


@every_redirection
def test_a_killed_supervisor_gives_the_extension_its_callers_back(service, host, backend):
    objects, responder = bpf_objects_of(service.pid), service.responder()
    with another_server(host, "127.0.0.1"):
        assert a_token_is_served(host)
        os.kill(service.pid, signal.SIGKILL)
        service.process.wait()
        wait_until(lambda: is_elsewhere(host), WITHIN_SECONDS, "the extension is reached again")
    wait_until(lambda: not is_running(responder), 5, "the responder leaves")
    wait_until(lambda: not our_rules(host), 5, "no rule of ours is left")
    wait_until(lambda: not objects & bpf_objects(), 5, "no BPF object of ours is left")


@every_redirection
@pytest.mark.smoke
def test_a_stop_leaves_nothing(service, host, emulator, backend):
    objects = bpf_objects_of(service.pid)
    assert a_token_is_served(host)
    assert service.stop() == 0
    assert_refused(host, "127.0.0.1")
    wait_until(lambda: our_rules(host) == [], 5, "no rule of ours is left")
    wait_until(lambda: not objects & bpf_objects(), 5, "no BPF object of ours is left")


@every_redirection
def test_an_open_connection_outlives_the_redirection(service, host, backend):
    with RawConnection(host.connect()) as connection:
        assert_legacy_success(connection.ask(request()), RESOURCE)
        with another_server(host, "127.0.0.1"):
            service.configure({"redirect.backend": "listen", "legacy.ports": [PORT + 1]})
            service.process.send_signal(signal.SIGHUP)
            wait_until(lambda: is_elsewhere(host), 10, "the redirection is gone")
            assert_legacy_success(connection.ask(request()), RESOURCE)


@every_redirection
def test_a_connection_to_the_extension_outlives_the_cut_over(emulator, new_service, host, backend):
    with another_server(host, "127.0.0.1"), host.connect() as connection:
        new_service(backends.settings(backend)).start()
        assert a_token_is_served(host)
        connection.sendall(request())
        assert connection.recv(4096).endswith(b"elsewhere")


# Firewalls.
def flush_nft(host):
    run_in(host, "nft", "flush", "ruleset")


def flush_nat_output(host):
    for tool in ("iptables", "iptables-legacy", "iptables-nft"):
        run_in(host, tool, "-t", "nat", "-F")


def reload_all(host):
    """What a firewall manager does: all that was there goes, its own rules come."""
    flush_nft(host)
    for tool in ("iptables-legacy", "ip6tables-legacy"):
        run_in(host, "sh", "-c", f"printf '*nat\nCOMMIT\n*filter\nCOMMIT\n' | {tool}-restore")


@by_rules
@pytest.mark.parametrize("remove", [flush_nft, flush_nat_output, reload_all])
def test_rules_that_somebody_removed_come_back(service, host, backend, remove):
    remove(host)
    wait_until(lambda: a_token_is_served(host) and a_token_is_served(host, "::1"), WITHIN_SECONDS, "they are back")
    # While a repair is under way, it tells what was found before.
    wait_until(lambda: service.status().returncode == 0, 5, "status finds nothing amiss")


STARTS = 20


# One service first.
def ask_from(host, path):
    """A client in that cgroup; the exit status of curl."""
    url = f"http://127.0.0.1:{PORT}/oauth2/token?resource=https%3A%2F%2Fmanagement.azure.com%2F"
    script = 'echo 0 > "$1" && exec curl --silent --output /dev/null --noproxy "*" -H Metadata:true "$2"'
    processes = cgroup.directory_of(path) / "cgroup.procs"
    return run_in(host, "bash", "-c", script, "-", processes, url).returncode


@pytest.fixture
def canary(scratch_cgroup):
    path = f"{scratch_cgroup}/old.service"
    cgroup.make(path)
    yield path
    if cgroup.directory_of(path).exists():
        cgroup.remove(path)


def test_only_chosen_cgroups_are_redirected(emulator, new_service, host, canary, scratch_cgroup):
    service = new_service({"redirect.cgroups": [canary]}).start()
    assert service.status_json()["backend"] == "cgroup_connect", "auto takes what can do it"
    assert ask_from(host, canary) == 0
    assert_refused(host, "127.0.0.1")
    assert canary in service.status().stdout


def test_a_chosen_service_may_be_started_again(emulator, new_service, host, canary):
    service = new_service({"redirect.cgroups": [canary]}).start()
    cgroup.remove(canary)
    wait_until(lambda: service.status().returncode == 1, 5, "status sees that it is gone")
    cgroup.make(canary)
    wait_until(lambda: ask_from(host, canary) == 0, WITHIN_SECONDS, "its new cgroup is redirected")


def test_a_chosen_service_may_ask_as_soon_as_it_is_started_again(emulator, new_service, host, canary, capsys):
    """Its cgroup is new, and announced: by looking once a second, nearly all of these would be refused."""
    service = new_service({"redirect.cgroups": [canary]}).start()
    outcomes = []
    for _ in range(STARTS):
        cgroup.remove(canary)
        cgroup.make(canary)
        outcomes.append(ask_from(host, canary))
    with capsys.disabled():
        print(f"\n{STARTS} starts: {outcomes.count(0)} served at once")
    assert outcomes.count(0) >= STARTS / 4, "a busy machine may be slower than its curl now and then"
    wait_until(lambda: service.status().returncode == 0, 5, "status finds nothing amiss")


def test_a_backend_that_cannot_choose_callers_says_so(new_service, canary):
    service = new_service({"redirect.backend": "sk_lookup", "redirect.cgroups": [canary]})
    service.launch()
    assert service.wait_exit() == 2
    assert "redirect.cgroups: sk_lookup, in redirect.backend (" in service.log_text()


# detach
@every_redirection
def test_detach_stops_the_service_and_removes_all(service, host, backend):
    objects = bpf_objects_of(service.pid)
    with another_server(host, "127.0.0.1"):
        shown = service.detach()
        assert f"stopping msi2imds (process {service.pid})" in shown.stdout
        assert service.wait_exit() == 0
        assert_elsewhere(host, "127.0.0.1")
    wait_until(lambda: our_rules(host) == [], 5, "no rule of ours is left")
    wait_until(lambda: not objects & bpf_objects(), 5, "no BPF object of ours is left")
    assert "nothing of msi2imds is left" in service.detach().stdout


def test_detach_works_with_a_broken_configuration(service, host):
    service.stop()
    service.configure({"legacy.prots": [1]})
    shown = run_in(host, program("msi2imds"), "detach", "--config", service.config)
    assert "prots" in shown.stderr
    assert "nothing of msi2imds is left" in shown.stdout


def test_detach_needs_root(service, host):
    as_nobody = ("setpriv", "--reuid=nobody", "--clear-groups", "--")
    shown = run_in(host, *as_nobody, program("msi2imds"), "detach", "--config", service.config)
    assert shown.returncode == 1
    assert "needs root" in shown.stderr
    assert a_token_is_served(host)


# Ports that are given to no outgoing connection.
RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"


def reserved_ports(host):
    return run_in(host, "cat", RESERVED).stdout.strip()


def reserve(host, ports):
    assert run_in(host, "sh", "-c", f"echo {ports} > {RESERVED}").returncode == 0


def test_the_legacy_port_is_reserved_while_it_is_served(emulator, new_service, host):
    reserve(host, "8000-8002")
    service = new_service().start()
    assert reserved_ports(host) == f"8000-8002,{PORT}"
    assert service.stop() == 0
    assert reserved_ports(host) == "8000-8002"


def test_the_legacy_port_stays_reserved_where_somebody_has_written_the_list_since(emulator, new_service, host):
    service = new_service().start()
    reserve(host, f"8001,{PORT}")
    assert service.stop() == 0
    assert reserved_ports(host) == f"8001,{PORT}", "whoever wrote it decided on the port"


def test_detach_takes_back_what_a_killed_supervisor_reserved(service, host):
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    assert reserved_ports(host) == str(PORT)
    assert "the reservation of the legacy ports" in service.detach().stdout
    assert reserved_ports(host) == ""


# Neighbours.
@by_rules
def test_foreign_rules_stay_as_they_are(emulator, new_service, host, backend):
    in_filter = "type filter hook input priority 0; policy accept; tcp dport 22 accept;"
    in_nat = "type nat hook output priority -90; ip daddr 10.1.2.3 tcp dport 80 redirect to :8080;"
    for table, chain in (("inet firewall", in_filter), ("ip other_nat", in_nat)):
        added = run_in(host, "nft", f"table {table} {{ chain foreign {{ {chain} }}; }}")
        assert added.returncode == 0, added.stderr
    to_others = ("-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "8080")
    for flavour in ("legacy", "nft"):
        run_in(host, f"iptables-{flavour}", "-t", "nat", "-A", "OUTPUT", "-d", "10.9.9.9", *to_others)
        run_in(host, f"ip6tables-{flavour}", "-t", "nat", "-A", "OUTPUT", "-d", "fd00::9", *to_others)
    before = rules(host)
    assert "10.9.9.9" in "".join(before)
    service = new_service(backends.settings(backend)).start()
    assert a_token_is_served(host)
    assert service.stop() == 0
    wait_until(lambda: rules(host) == before, 5, "all rules are as before")
