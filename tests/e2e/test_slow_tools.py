# SPDX-License-Identifier: MIT
"""The host's tools are slow, or another one holds their lock: callers are identified and served all the same."""

import contextlib
import fcntl
import os
import signal
import subprocess
import time

import pytest

from firewall import our_rules
from named_client import NamedClient
from programs import run_in
from waiting import wait_until

ALLOWED, OTHER = 20001, 20002
RULES = f'[[allow]]\nname = "backup"\nuid = {ALLOWED}\n'

# Runs msi2imds where the folder of programs holds others, and where the lock of the old iptables is a file of the test:
# $0/programs are in the place of those of the same name, and those listed in $1 are not there.
OTHER_PROGRAMS = """
mkdir "$0/real" "$0/shown"
mount --bind /usr/sbin "$0/real"
ln -s "$0"/real/* "$0/shown"
for name in $1; do rm -f "$0"/shown/$name; done
cp -f --remove-destination "$0"/programs/* "$0/shown" 2>/dev/null || :
mount --bind "$0/shown" /usr/sbin
test -e /run/xtables.lock || touch /run/xtables.lock
mount --bind "$0/xtables.lock" /run/xtables.lock
shift
exec "$@"
"""

# Stands still while the test says so, and is the real program then.
SLOW_PROGRAM = """#!/bin/sh
echo started >> {directory}/slow
while test -e {directory}/be-slow; do sleep 0.1; done
exec {directory}/real/{name} "$@"
"""

ONLY_LEGACY = " ".join(f"{family}{name}" for family in ("iptables", "ip6tables") for name in ("", "-restore", "-save", "-nft*"))

SECONDS = [pytest.param(7, id="7s"), pytest.param(20, id="20s", marks=pytest.mark.long)]


def remove_rules_for_ipv6(host, backend="iptables"):
    """The half of a firewall's reload that leaves us callers, those of 127.0.0.1."""
    by_tool = {"nftables": "nft delete table ip6 msi2imds", "iptables": "ip6tables-legacy -w -t nat -F"}
    removed = run_in(host, *by_tool[backend].split())
    assert removed.returncode == 0, removed.stderr


def is_redirected(host, address):
    try:
        host.connect(address).close()
    except ConnectionRefusedError:
        return False
    return True


class Host:
    """msi2imds on a machine whose tools the test can stop."""

    def __init__(self, service, hidden=""):
        self.service = service
        self.directory = service.directory / "tools"
        (self.directory / "programs").mkdir(parents=True)
        self.lock = self.directory / "xtables.lock"
        self.lock.touch()
        self.hidden = hidden

    def make_slow(self, name):
        script = self.directory / "programs" / name
        script.write_text(SLOW_PROGRAM.format(directory=self.directory, name=name))
        script.chmod(0o755)

    def launch(self, begin=None):
        self.service.config.write_text(self.service.config.read_text() + RULES)
        begin = begin or self.service.launch
        return begin(wrapper=["unshare", "--mount", "sh", "-ec", OTHER_PROGRAMS, self.directory, self.hidden])

    def start(self):
        return self.launch(self.service.start)

    @contextlib.contextmanager
    def locked(self):
        """Another tool holds the lock of the old iptables."""
        with self.lock.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def slow(self):
        """Programs that were made slow do not come to their end."""
        (self.directory / "be-slow").touch()
        try:
            yield
        finally:
            (self.directory / "be-slow").unlink()

    def has_started_a_slow_program(self):
        return (self.directory / "slow").exists()


@pytest.fixture
def make_host(emulator, new_service):
    def make(hidden="", **settings):
        return Host(new_service({"policy.mode": "enforce", "audit.max_rate": 1000000, **settings}), hidden)

    return make


def assert_served_for(seconds, service, host, scripts):
    """New callers, each a process of its own, are told apart and answered all the while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = len(service.audit_lines())
        with NamedClient(host, scripts, ALLOWED) as allowed, NamedClient(host, scripts, OTHER) as other:
            assert allowed.ask() == 1
            assert other.ask() == 0
            lines = service.wait_for_audit(before + 2)[before:]
            # In whatever order they were found out. The supervisor, which runs the tools, has also looked for the processes.
            assert {(line["uid"], line["outcome"], line["pid"]) for line in lines} == {
                (ALLOWED, "token", allowed.pid),
                (OTHER, "denied", other.pid),
            }


@pytest.mark.parametrize("seconds", SECONDS)
def test_another_tool_holds_the_lock_while_a_rule_has_to_be_repaired(make_host, host, scripts, seconds):
    tools = make_host(ONLY_LEGACY, **{"redirect.backend": "iptables"})
    service = tools.start()
    responder = service.responder()
    with tools.locked():
        remove_rules_for_ipv6(host)
        assert_served_for(seconds, service, host, scripts)
        assert not is_redirected(host, "::1")
        assert service.responder() == responder
        os.kill(responder, signal.SIGKILL)
        assert_served_for(2, service, host, scripts)
        assert service.responder() != responder
    wait_until(lambda: is_redirected(host, "::1"), 15, "the rule is back")


@pytest.mark.parametrize("seconds", SECONDS)
@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_the_tool_itself_is_slow(make_host, host, scripts, backend, seconds):
    tools = make_host(ONLY_LEGACY, **{"redirect.backend": backend})
    if backend == "nftables":
        tools.make_slow("nft")
    else:
        tools.make_slow("ip6tables-legacy-restore")
    service = tools.start()
    responder = service.responder()
    with tools.slow():
        remove_rules_for_ipv6(host, backend)
        assert_served_for(seconds, service, host, scripts)
        assert tools.has_started_a_slow_program()
    wait_until(lambda: is_redirected(host, "::1"), 15, "the rule is back")
    assert service.responder() == responder


def test_a_stop_waits_for_the_lock(make_host, host, scripts):
    """Otherwise callers would be led to nobody; until then they are served."""
    tools = make_host(ONLY_LEGACY, **{"redirect.backend": "iptables"})
    service = tools.start()
    with tools.locked():
        service.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(7)  # longer than one attempt
        assert our_rules(host)
        assert_served_for(1, service, host, scripts)
    assert service.wait_exit() == 0
    assert our_rules(host) == []


@pytest.mark.long
def test_a_stop_gives_up_before_a_lock_that_stays(make_host, host):
    """It ends in time and says what is left, which goes once the lock is free."""
    tools = make_host(ONLY_LEGACY, **{"redirect.backend": "iptables"})
    service = tools.start()
    with tools.locked():
        service.process.terminate()
        assert service.wait_exit(90) == 1
        assert our_rules(host)
        assert "cannot remove the redirection: " in service.log_text()
    wait_until(lambda: our_rules(host) == [], 30, "the rules are gone")


def test_a_start_does_not_wait_for_the_lock(make_host, host):
    """A backend that was chosen cannot be had meanwhile."""
    tools = make_host(ONLY_LEGACY, **{"redirect.backend": "iptables"})
    with tools.locked():
        service = tools.launch()
        assert service.wait_exit(60) == 1
    assert "another tool holds the lock of the rules" in service.log_text()
    assert our_rules(host) == []
