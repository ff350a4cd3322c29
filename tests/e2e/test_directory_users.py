# SPDX-License-Identifier: MIT
"""Users and groups whom /etc/passwd does not have: getent knows them, or hangs, which holds up nobody."""

import os
import signal

import pytest

from named_client import ClientScripts, NamedClient
from programs import program, run_in
from waiting import wait_until

UID = GID = 1_234_567
# A machine whose getent is the file "getent" of the directory $0.
WITH_GETENT = 'mount --bind "$0/getent" "$(readlink -f /usr/bin/getent)"; exec "$@"'
KNOWS = f"""#!/bin/sh
[ "$2" = -- ] || exit 1
case "$1 $3" in
  "passwd CORP\\\\alice" | "passwd {UID}") echo "alice@corp:*:{UID}:{GID}:Alice:/home/alice:/bin/bash" ;;
  "group web admins") echo "web admins:*:{GID}:alice@corp" ;;
  *) exit 2 ;;
esac
"""
HANGS = "#!/bin/sh\nexec sleep 1000\n"
MISSING = "getent has not told all users and groups of the rules"
RULES = '[[allow]]\nname = "a"\nuser = \'CORP\\alice\'\ngroup = "web admins"\n'


@pytest.fixture
def machine(new_service, host):
    """A service on a machine with a getent of the test's choice, and a way to run commands there."""
    service = new_service({"policy.mode": "enforce"})
    service.config.write_text(service.config.read_text() + RULES)
    wrapper = ["unshare", "--mount", "sh", "-ec", WITH_GETENT, service.directory]

    def write(script):
        (service.directory / "getent").write_text(script)
        (service.directory / "getent").chmod(0o755)

    def run(*arguments):
        return run_in(host, *wrapper, program("msi2imds"), *arguments, "--config", service.config)

    service.wrapper, service.write_getent, service.run_there = wrapper, write, run
    write(KNOWS)
    return service


def test_rules_name_users_and_groups_of_a_directory(machine, host, emulator):
    checked = machine.run_there("check-config")
    assert checked.returncode == 0, checked.stderr
    assert f"uid = [ {UID} ]" in checked.stdout and f"gid = [ {GID} ]" in checked.stdout
    allowed = machine.run_there("policy", "test", "--user", "CORP\\alice", "--gid", str(GID), "--resource", "https://x")
    assert allowed.returncode == 0, allowed.stdout
    machine.launch(wrapper=machine.wrapper)
    assert machine.run_there("status", "--wait", "20").returncode == 0, machine.log_text()
    with ClientScripts() as scripts, NamedClient(host, scripts, uid=UID) as client:
        assert client.ask() == 1
    wait_until(lambda: '"user":"alice@corp"' in machine.run_there("callers", "--json").stdout, 10, "the caller has a name")
    assert "alice@corp" in machine.run_there("callers").stdout


def test_a_getent_that_hangs_holds_up_no_reload_and_no_caller(machine, host, emulator):
    machine.launch(wrapper=machine.wrapper)
    assert machine.run_there("status", "--wait", "20").returncode == 0, machine.log_text()
    machine.write_getent(HANGS)
    os.kill(machine.pid, signal.SIGHUP)
    wait_until(lambda: "the configuration in force is kept" in machine.log_text(), 20, "the reload is given up")
    assert "there is no user" in machine.log_text() and "and getent has not answered" in machine.log_text()
    machine.write_getent(KNOWS)
    assert machine.run_there("status").returncode == 0
    os.kill(machine.pid, signal.SIGHUP)
    wait_until(lambda: "reload: done" in machine.log_text(), 20, "the next one is done")


@pytest.mark.emulator_arguments("--identities", "1")
def test_a_getent_that_hangs_keeps_no_service_from_starting(machine, host, emulator):
    """Its rules match nobody until it has answered, which a reload asks it for."""
    machine.write_getent(HANGS)
    client_id = emulator.user_assigned()["client_id"]
    others = f'[[allow]]\nname = "b"\nuid = {UID + 1}\n[[identity.rule]]\nname = "c"\nuser = \'CORP\\alice\'\nclient_id = "{client_id}"\n'
    machine.config.write_text(machine.config.read_text() + others)
    machine.launch(wrapper=machine.wrapper)
    assert machine.run_there("status", "--wait", "20").returncode == 0, machine.log_text()
    assert "getent has not answered in time: rules with names of which it was asked match nobody" in machine.log_text()
    assert MISSING in machine.run_there("status").stdout
    assert 'msi2imds_shortcoming{what="names"} 1' in machine.run_there("metrics").stdout
    with ClientScripts() as scripts:
        with NamedClient(host, scripts, uid=UID) as client:
            assert client.ask() == 0, "not known yet is not allowed"
        with NamedClient(host, scripts, uid=UID + 1) as client:
            assert client.ask() == 0, "whether the rule of identities is for him is not known"
        machine.write_getent(KNOWS)
        os.kill(machine.pid, signal.SIGHUP)
        wait_until(lambda: "reload: done" in machine.log_text(), 20, "the names are known")
        assert MISSING not in machine.run_there("status").stdout
        for uid in UID, UID + 1:
            with NamedClient(host, scripts, uid=uid) as client:
                assert client.ask() == 1


@pytest.mark.long
def test_getent_is_asked_again_until_it_knows_the_names(machine, host, emulator):
    """Also when it says at once, while its directory starts, that there is no such user; but not while somebody edits."""
    machine.write_getent(HANGS)
    machine.launch(wrapper=machine.wrapper)
    assert machine.run_there("status", "--wait", "20").returncode == 0, machine.log_text()
    machine.write_getent("#!/bin/sh\nexit 2\n")
    wait_until(lambda: "the configuration in force is kept" in machine.log_text(), 60, "it was asked again")
    whole = machine.config.read_text()
    machine.config.write_text(whole + "[")
    tried = machine.log_text().count("reload:")
    machine.write_getent(KNOWS)
    wait_until(lambda: "since the configuration has been edited" in machine.log_text(), 60, "the edit is seen")
    assert machine.log_text().count("reload:") == tried, "an edit that nobody has finished is not read"
    machine.config.write_text(whole)
    wait_until(lambda: "reload: done" in machine.log_text(), 60, "and again")
    with ClientScripts() as scripts, NamedClient(host, scripts, uid=UID) as client:
        assert client.ask() == 1


def test_who_is_not_known_yet_is_not_judged(machine):
    machine.write_getent(HANGS)
    for name in "CORP\\alice", "bob":
        judged = machine.run_there("policy", "test", "--user", name, "--resource", "https://x")
        assert judged.returncode == 3 and not judged.stdout
        assert f"getent has not told in time who '{name}' is; use --uid NUMBER" in judged.stderr


@pytest.mark.parametrize("name", ["0", "00", "4294967296", "root\\u0000x"])
def test_no_number_is_taken_for_a_name(machine, name):
    """A getent takes digits for a uid, and libraries read 32 bits of them."""
    machine.write_getent("#!/bin/sh\necho root:x:0:0::/root:/bin/sh\n")
    machine.config.write_text(f'[[allow]]\nname = "a"\nuser = "{name}"\n')
    checked = machine.run_there("check-config")
    assert checked.returncode == 2
    assert "allow.user: " in checked.stderr


def test_a_command_waits_for_no_getent(machine):
    machine.write_getent(HANGS)
    checked = machine.run_there("check-config")
    assert checked.returncode == 2
    assert "allow.user: there is no user" in checked.stderr
    assert checked.stderr.count("and getent has not answered") == 2


def test_without_getent_the_files_are_all(machine):
    machine.write_getent("")
    (machine.directory / "getent").chmod(0o644)  # what cannot be executed
    checked = machine.run_there("check-config")
    assert checked.returncode == 2
    assert "in /etc/passwd; expected one, or uid = NUMBER" in checked.stderr
