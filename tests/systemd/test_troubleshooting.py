# SPDX-License-Identifier: MIT
"""docs/TROUBLESHOOTING.md: what systemd has to do with. tests/e2e/test_troubleshooting.py plays the other headings."""

import pytest

from legacy_port import ask
from symptoms import assert_seen, commands_of
from waiting import wait_until

CONFIGURATION = "/etc/msi2imds/msi2imds.toml"
WRONG = "[legacy\n"


@pytest.fixture
def run_commands(machine):
    """Runs what the page says below a heading; the files that it makes go with the test."""

    def run(beginning):
        for command in commands_of(beginning):
            machine.run("sh", "-c", command)

    yield run
    machine.run("rm", "-rf", "/etc/msi2imds/conf.d")


def test_start_after_failed_starts(service, machine, run_commands):
    machine.write(CONFIGURATION, WRONG)
    assert machine.attempt("systemctl", "start", "msi2imds").returncode == 1
    wait_until(lambda: "repeated too quickly" in service.journal(), 30, "systemd gives up")
    service.configure("auto")
    assert machine.attempt("systemctl", "start", "msi2imds").returncode == 1, "what was mended is refused all the same"
    assert_seen("`systemctl start msi2imds` fails: Start request", machine.attempt("systemctl", "status", "msi2imds").stdout)
    run_commands("`systemctl start msi2imds` fails: Start request")
    service.wait_intercepting()


def test_another_program_has_the_port_of_the_socket_unit(service, machine):
    service.configure("auto")
    with machine.network.listen("127.0.0.1", 342):
        started = machine.attempt("systemctl", "start", "msi2imds")
        socket = machine.attempt("systemctl", "status", "msi2imds.socket")
    machine.run("journalctl", "--sync")
    assert_seen("`systemctl start msi2imds` fails: a dependency", started.stderr, socket.stdout, machine.run("journalctl", "-b"))
    machine.run("systemctl", "start", "msi2imds")


def test_a_reload_that_is_refused(service, machine):
    service.start()
    machine.write(CONFIGURATION, WRONG)
    machine.run("systemctl", "reload", "msi2imds")
    wait_until(lambda: "reload: the configuration" in service.journal(), 10, "the reload is over")
    assert_seen("`systemctl reload msi2imds` succeeds", service.journal())


def test_rules_are_lifted_for_the_night(service, machine, run_commands):
    service.configure("auto", {"policy.mode": "enforce"})
    machine.run("systemctl", "start", "msi2imds")
    service.wait_intercepting()
    assert ask(machine.network).status == 403
    run_commands("A program gets 403")
    wait_until(lambda: ask(machine.network).status == 200, 10, "nobody is refused any more")
