# SPDX-License-Identifier: MIT
"""docs/TROUBLESHOOTING.md: what is shown there is what one sees."""

import os
import signal
import subprocess

import pytest

from legacy_port import ask
from programs import run_in
from raw_http import RawConnection, request, token_target
from symptoms import SYMPTOMS, assert_seen, commands_of, played
from waiting import wait_until


def test_connection_refused(new_service, host):
    client = run_in(host, "curl", "-sS", "http://localhost:50342/oauth2/token?resource=https://management.azure.com/")
    assert client.returncode == 7
    assert_seen('A program gets "connection refused"', client.stderr, new_service().run("status").stdout)


def test_imds_does_not_answer(new_service, host):
    service = new_service({"imds.deadline": 1}).start()
    reply = ask(host)
    assert reply.status == 500
    assert_seen("A program waits, and then gets 500", reply.body.decode(), service.run("health").stdout)


@pytest.mark.emulator_arguments("--no-system-identity", "--identities", "2")
def test_several_identities(new_service, emulator, host):
    new_service().start()
    reply = ask(host)
    assert reply.status == 400
    assert_seen('A program gets 400, "Multiple', reply.body.decode())


def test_an_identity_that_is_not_assigned(new_service, emulator, host):
    service = new_service({"audit.format": "text"}).start()
    with RawConnection(host.connect()) as connection:
        reply = connection.ask(request(target=token_target(client_id="00000000-1111-2222-3333-444444444444")))
    assert reply.status == 400
    audit = wait_until(lambda: service.audit.exists() and service.audit.read_text(), 10, "an audit line")
    assert_seen('A program gets 400, "Identity', reply.body.decode(), audit)


def test_refused_by_the_rules(new_service, emulator, host):
    new_service({"policy.mode": "enforce"}).start()
    reply = ask(host)
    assert reply.status == 403
    assert_seen("A program gets 403", reply.body.decode())


def test_the_port_is_taken(new_service, host):
    with host.listen("127.0.0.1", 342):
        service = new_service().launch()
        assert service.wait_exit() != 0
    assert_seen("`systemctl start msi2imds` fails: another program", service.log_text())


def test_a_syntax_error(new_service):
    service = new_service()
    service.config.write_text("\n" * 6 + "legacy.ports\nredirect.backends = 1\n")
    ended = service.run("check-config")
    assert ended.returncode == 2
    assert "redirect.backends" not in ended.stderr, "it hides the others"
    assert service.launch().wait_exit() == 2
    assert ended.stderr.strip() in service.log_text()
    assert_seen("`systemctl start msi2imds` fails: a syntax", service.log_text())


def test_an_unknown_key(new_service):
    ended = new_service({"redirect.backends": "sk_lookup"}).run("check-config")
    assert ended.returncode == 2
    assert_seen("A key of the configuration is not known", ended.stderr)


@pytest.mark.settings({"redirect.backend": "sk_lookup"})
def test_a_rule_stands_before_ours(service, host):
    rules = "add table ip theirs; add chain ip theirs out { type nat hook output priority -150; };"
    assert run_in(host, "nft", f"{rules} add rule ip theirs out tcp dport 50342 redirect to :9").returncode == 0
    shown = service.run("status").stdout
    assert_seen("`status` says that a connection did not arrive", shown, shown)


FILTERS = {
    "a rule": "add chain ip theirs in { type filter hook input priority 0; }; add rule ip theirs in tcp dport 342 reject",
    "a policy": "add chain ip theirs in { type filter hook input priority 0; policy drop; }",
}


@pytest.mark.settings({"redirect.backend": "nftables"})
def test_a_packet_filter_refuses_what_was_redirected(service, host):
    shown = []
    find = commands_of('`status` says "Connection refused"')[0]
    for rules in FILTERS.values():
        assert run_in(host, "nft", f"add table ip theirs; {rules}").returncode == 0
        shown.append(service.run("status").stdout)
        found = run_in(host, "sh", "-c", find).stdout
        assert "tcp dport 342 reject" in found or "policy drop" in found
        assert run_in(host, "nft", "delete table ip theirs").returncode == 0
    assert_seen('`status` says "Connection refused"', *shown, *shown)


@pytest.mark.settings({"redirect.backend": "nftables"})
def test_health_tells_of_a_packet_filter_and_metrics_do_not(service, host):
    """As docs/monitoring.md says."""
    assert run_in(host, "nft", f"add table ip theirs; {FILTERS['a rule']}").returncode == 0
    assert service.run("health").returncode == 1
    assert "\nmsi2imds_intercepting 1\n" in service.run("metrics").stdout


@pytest.mark.settings({"redirect.backend": "nftables"})
def test_rules_that_are_flushed(service, host):
    run_in(host, "nft", "flush", "ruleset")
    wait_until(lambda: "redirected again" in service.log_text(), 10, "the rules are back")
    assert_seen("The log says that something was redirected again", service.log_text())


@pytest.mark.long
def test_a_responder_that_hangs(service, host):
    os.kill(service.responder(), signal.SIGSTOP)
    said = service.run("status").stdout
    assert ask(host, timeout=60).status == 200
    assert "\nmsi2imds_responder_restarts_total 1\n" in service.run("metrics").stdout
    assert_seen("A program waits for up to 20 s", said, service.log_text())


@pytest.fixture
def full_disk(tmp_path):
    """A directory on a file system without any room, and what takes it up."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=755", "tmpfs", tmp_path], check=True)
    filler = tmp_path / "filler"
    filler.write_bytes(bytes(4096))
    yield tmp_path, filler
    subprocess.run(["umount", tmp_path], check=True)


def test_the_disk_of_the_audit_is_full(full_disk, emulator, new_service, host):
    directory, filler = full_disk
    service = new_service({"audit.file": str(directory / "audit")}).start()
    assert ask(host).status == 200
    told = "audit lines cannot be written"
    wait_until(lambda: told in service.run("status").stdout, 15, "status says so")
    said = service.run("status").stdout
    assert "why: audit" in service.run("health").stdout
    filler.unlink()
    wait_until(lambda: (directory / "audit").stat().st_size > 0, 15, "what was kept is written")
    assert '\nmsi2imds_audit_lines_total{outcome="failed"} 0\n' in service.run("metrics").stdout
    service.stop()
    assert_seen("The audit says", said)


def test_who_may_not_know(service):
    assert_seen('`status` says "not known"', service.run_as_stranger("status").stdout)


def test_a_shortcoming(new_service, emulator):
    service = new_service({"audit.file": "/tmp"}).start()
    assert_seen('`health` says "not as it should be"', service.run("health").stdout, service.run("status").stdout)


def test_no_symptom_is_left_out():
    left_out = [heading for heading in SYMPTOMS if not any(heading.startswith(beginning) for beginning in played())]
    assert not left_out and len(played()) == len(SYMPTOMS)
