# SPDX-License-Identifier: MIT
"""docs/TROUBLESHOOTING.md: what is shown there is what one sees."""

import pathlib
import re
import socket

import pytest

from legacy_port import ask
from programs import CHECKOUT, run_in
from waiting import wait_until

PAGE = (CHECKOUT / "docs" / "TROUBLESHOOTING.md").read_text()


def symptoms():
    """By heading, what is shown below it; but for the commands of the beginning."""
    sections = re.split(r"^## (.*)\n", PAGE, flags=re.MULTILINE)[1:]
    return {heading: re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for heading, text in zip(*[iter(sections)] * 2)}


SYMPTOMS = symptoms()


def assert_seen(beginning, *seen):
    """That each of `seen` has what is shown below the heading that begins so, in that order."""
    [heading] = [heading for heading in SYMPTOMS if heading.startswith(beginning)]
    shown = SYMPTOMS[heading]
    assert len(shown) == len(seen)
    for lines, text in zip(shown, seen, strict=True):
        pattern = ".*".join(re.escape(part.strip(" ")) for part in lines.rstrip("\n").split("…"))
        assert re.search(pattern, text), f"{lines} is not in {text}"


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
    assert_seen("A program gets 400", reply.body.decode())


def test_refused_by_the_rules(new_service, emulator, host):
    new_service({"policy.mode": "enforce"}).start()
    reply = ask(host)
    assert reply.status == 403
    assert_seen("A program gets 403", reply.body.decode())


def test_the_port_is_taken(new_service, host):
    with host.entered():
        other = socket.create_server(("127.0.0.1", 342))
    with other:
        service = new_service().launch()
        assert service.wait_exit() != 0
    assert_seen("`systemctl start msi2imds` fails", service.log_text())


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


@pytest.mark.settings({"redirect.backend": "nftables"})
def test_rules_that_are_flushed(service, host):
    run_in(host, "nft", "flush", "ruleset")
    wait_until(lambda: "redirected again" in service.log_text(), 10, "the rules are back")
    assert_seen("The log says that something was redirected again", service.log_text())


def test_who_may_not_know(service):
    assert_seen('`status` says "not known"', service.run_as_stranger("status").stdout)


def test_a_shortcoming(new_service, emulator):
    service = new_service({"audit.file": "/tmp"}).start()
    assert_seen('`health` says "not as it should be"', service.run("health").stdout, service.run("status").stdout)


def test_no_symptom_is_left_out():
    own = pathlib.Path(__file__).read_text()
    played = [double or single for double, single in re.findall(r"""assert_seen\((?:"([^"]+)"|'([^']+)')""", own)]
    left_out = [heading for heading in SYMPTOMS if not any(heading.startswith(beginning) for beginning in played)]
    assert not left_out and len(played) == len(SYMPTOMS)
