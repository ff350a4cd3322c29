# SPDX-License-Identifier: MIT
"""The Ansible role on three machines that have the extension: batches, the way back, and who is left untouched."""

import contextlib
import json
import shutil
import subprocess

import pytest

pytest.register_assert_rewrite("machine", "extension")

from bare_machine import BareMachine
from extension import Extension
from legacy_port import ask
from machine import Machine
from programs import CHECKOUT, clean_environment
from tokens import claims

PLAYBOOKS = CHECKOUT / "packaging" / "fleet" / "ansible"
PLUGINS = CHECKOUT / "tests" / "support" / "ansible" / "connection_plugins"
NAMES = ("web-1", "web-2", "web-3")
# Stands in every token of the emulator and of the extension.
TOKEN_MARK = "EMULATORSECRET"
ANOTHER_IDENTITY = "00000000-0000-4000-8000-000000000001"


class Host:
    """A machine and its extension."""

    def __init__(self, machine):
        self.machine = machine
        self.waagent = f"/proc/{machine.leader}/root/var/lib/waagent"
        # The machine has booted just now.
        machine.write("/etc/msi2imds/msi2imds.toml", "[imds]\nboot_grace = 0\n")

    @contextlib.contextmanager
    def with_extension(self, *arguments):
        """Ends as it began: the units stopped, none of their notes left."""
        extension = Extension(self.machine.network, *arguments, root=self.waagent)
        with extension:
            try:
                yield self
            finally:
                self._reset()

    def answered_by(self):
        token = ask(self.machine.network).json()["access_token"]
        return claims(token).get("answered_by", "msi2imds")

    def enabled(self):
        units = ("msi2imds.service", "msi2imds-observe.service")
        states = self.machine.attempt("systemctl", "is-enabled", *units).stdout.split()
        return [unit for unit, state in zip(units, states, strict=True) if state == "enabled"]

    def is_active(self, unit):
        return self.machine.attempt("systemctl", "is-active", "--quiet", unit).returncode == 0

    def is_untouched(self):
        units = ("msi2imds.service", "msi2imds-observe.service")
        return not self.enabled() and not any(self.is_active(unit) for unit in units)

    def spoil_start(self):
        """As if msi2imds could not run on this kernel."""
        override = "[Service]\nExecStart=\nExecStart=/bin/false\n"
        self.machine.write("/etc/systemd/system/msi2imds.service.d/test.conf", override)
        self.machine.run("systemctl", "daemon-reload")

    def _reset(self):
        units = ("msi2imds.socket", "msi2imds.service", "msi2imds-observe.service")
        self.machine.run("systemctl", "stop", *units)
        self.machine.run("systemctl", "disable", *units)
        self.machine.run("rm", "-rf", "/etc/systemd/system/msi2imds.service.d", "/var/lib/msi2imds", "/var/lib/waagent")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.attempt("systemctl", "reset-failed")


class Fleet:
    """Some hosts and the machine where Ansible runs."""

    def __init__(self, hosts, directory):
        self._hosts = hosts
        self._directory = directory

    def play(self, name, **variables):
        """Runs a playbook on all; returns its exit status and what it printed."""
        command = ["ansible-playbook", "-v", "-i", self._inventory(), PLAYBOOKS / name, "-e", json.dumps(variables)]
        settings = {"ANSIBLE_CONNECTION_PLUGINS": str(PLUGINS), "ANSIBLE_NOCOLOR": "1"}
        ended = subprocess.run(
            command,
            env=clean_environment(HOME=str(self._directory), **settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        printed = ended.stdout + ended.stderr
        assert TOKEN_MARK not in printed
        return ended.returncode, printed

    def _inventory(self):
        entries = {
            name: {"ansible_machine_leader": host.machine.leader, "waagent": host.waagent}
            for name, host in zip(NAMES, self._hosts, strict=False)
        }
        # The machines have no sudo, and msi2imds already.
        common = {"ansible_connection": "machine", "ansible_become": False, "msi2imds_install": False}
        inventory = self._directory / "inventory.json"  # JSON is YAML
        inventory.write_text(json.dumps({"all": {"hosts": entries, "vars": common}}))
        return inventory


@pytest.fixture(scope="module")
def hosts():
    with contextlib.ExitStack() as stack:
        yield [Host(stack.enter_context(Machine())) for _ in NAMES]


@pytest.fixture
def fleet(hosts, tmp_path):
    return Fleet(hosts, tmp_path)


@pytest.fixture
def extensions(hosts):
    """The extension of each host, with an identity of IMDS's."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(host.with_extension()) for host in hosts]


def changes(printed):
    """By host, from the recap."""
    recap = printed.split("PLAY RECAP")[1].splitlines()
    return {line.split()[0]: int(line.split("changed=")[1].split()[0]) for line in recap if "changed=" in line}


def test_observes_verifies_cuts_over_and_retires(hosts, fleet, extensions):
    status, printed = fleet.play("observe.yml")
    assert status == 0, printed
    assert all(host.enabled() == ["msi2imds-observe.service"] for host in hosts)
    assert [host.answered_by() for host in hosts] == ["extension"] * 3

    status, printed = fleet.play("migrate.yml", batch=2)
    assert status == 0, printed
    assert all(host.enabled() == ["msi2imds.service"] for host in hosts)
    assert [host.answered_by() for host in hosts] == ["msi2imds"] * 3

    status, printed = fleet.play("retire.yml")
    assert status == 0, printed
    assert printed.count("az vm extension delete") >= 3
    assert printed.count("The extension can be removed.") >= 3

    removal = "find {{ waagent }} -mindepth 1 -maxdepth 1 -name 'Microsoft.ManagedIdentity.*' -exec rm -r {} +"
    status, printed = fleet.play("retire.yml", batch=2, msi2imds_removal=removal)
    assert status == 0, printed
    assert printed.count("The extension is removed, and nothing broke.") >= 3
    assert [host.answered_by() for host in hosts] == ["msi2imds"] * 3


def test_a_second_run_changes_nothing(fleet, extensions):
    for playbook, expected in (("observe.yml", 1), ("observe.yml", 0), ("migrate.yml", 1), ("migrate.yml", 0)):
        status, printed = fleet.play(playbook, batch="100%")
        assert status == 0, printed
        assert changes(printed) == dict.fromkeys(NAMES, expected), playbook


def test_observing_leaves_alone_what_serves(hosts, fleet, extensions):
    assert fleet.play("migrate.yml", batch=3)[0] == 0
    status, printed = fleet.play("observe.yml")
    assert status == 0, printed
    assert changes(printed) == dict.fromkeys(NAMES, 0)
    assert [host.answered_by() for host in hosts] == ["msi2imds"] * 3


@pytest.mark.parametrize(
    ("batch", "answers"), [(1, ["msi2imds", "extension", "extension"]), (2, ["extension"] * 3)], ids=["apart", "together"]
)
def test_the_first_that_differs_ends_the_run(hosts, fleet, batch, answers):
    """Nobody of its batch is cut over, and nobody of later ones."""
    with hosts[0].with_extension(), hosts[1].with_extension("--oid", ANOTHER_IDENTITY), hosts[2].with_extension():
        status, printed = fleet.play("migrate.yml", batch=batch)
        assert status != 0
        assert "DIFFERENT" in printed
        assert [host.answered_by() for host in hosts] == answers
        assert hosts[1].is_untouched() and hosts[2].is_untouched()


def test_who_cannot_serve_goes_back_to_the_extension(hosts, fleet, extensions):
    hosts[1].spoil_start()
    status, printed = fleet.play("migrate.yml", batch=2)
    assert status != 0
    assert "Start to serve: failed, and the extension serves again." in printed
    assert [host.answered_by() for host in hosts] == ["msi2imds", "extension", "extension"]
    assert hosts[1].is_untouched() and hosts[2].is_untouched()


def test_who_cannot_be_reached_ends_the_run(hosts, fleet, extensions, monkeypatch):
    monkeypatch.setattr(hosts[0].machine, "leader", 4194304)
    status, printed = fleet.play("migrate.yml", batch=2)
    monkeypatch.undo()
    assert status != 0
    assert "unreachable=1" in printed and "not done: web-1, web-2" in printed
    assert hosts[1].is_untouched() and hosts[2].is_untouched()


def test_installs_from_the_repository(published, tmp_path):
    key = tmp_path / "key.asc"
    key.write_text(published.key)
    repository = {"msi2imds_install": True, "msi2imds_repository": "file:///srv", "msi2imds_key": str(key)}
    def add_repository(files):
        shutil.copytree(published.apt, files / "srv/apt")

    with BareMachine(add_repository) as machine:
        host = Host(machine)
        fleet = Fleet([host], tmp_path)
        with host.with_extension():
            for playbook, expected, answers in (("observe.yml", 2, "extension"), ("migrate.yml", 1, "msi2imds")):
                status, printed = fleet.play(playbook, **repository)
                assert status == 0, printed
                assert changes(printed) == {NAMES[0]: expected}
                assert host.answered_by() == answers
