# SPDX-License-Identifier: MIT
"""The tarball's install.sh and uninstall.sh on machines whose /usr is read-only, and on a kernel of CentOS 7's age."""

import re
import subprocess

import pytest

pytest.register_assert_rewrite("callers", "coreos", "legacy_port", "machine", "tokens")
pytest_plugins = ["coreos"]

from bare_machine import BareMachine
from cloud_machine import packages_of
from callers import Callers
from coreos import assert_curl_gets_a_token, assert_serves
from debian_root import debian_root
from emulator import Emulator
from legacy_port import a_token_is_served, assert_refused
from namespace import Namespace
from programs import clean_environment, program, start_in, stop
from systemd_service import SystemdService
from waiting import wait_until

MSI2IMDS = "/opt/bin/msi2imds"
UNITS = ("msi2imds.socket", "msi2imds.service", "msi2imds-observe.service")
# Stands in every token of the emulator.
TOKEN_MARK = "EMULATORSECRET"
# What a machine writes by itself.
CHANGING = r"/var/(log|cache|tmp|lib/(systemd|private))(/|$)|/etc/(\.pwd\.lock|\.updated|g?shadow-|(passwd|group)-)$"
FIND = (
    "find", "/etc", "/opt", "/usr", "/var", "-xdev",
    "(", "-type", "d", "-printf", "%p %y %m %u\n", ")", "-o", "-printf", "%p %y %m %u %s %l\n",
)  # fmt: skip
FIND_OURS = ("find", "/run", "/tmp", "/var", "-xdev", "-name", "*msi2imds*", "-not", "-path", "/var/log/journal/*")


@pytest.fixture(scope="module")
def container_linux():
    """A machine whose /usr cannot be written to."""
    with BareMachine() as machine:
        machine.run("mount", "--bind", "/usr", "/usr")
        machine.run("mount", "-o", "remount,bind,ro", "/usr")
        yield machine
        assert TOKEN_MARK not in machine.run("journalctl", "--no-pager"), "a token stands in the journal"


@pytest.fixture
def machine(container_linux):
    yield container_linux
    container_linux.attempt("/opt/msi2imds/uninstall.sh", "--purge")
    # More starts in a minute than systemd lets pass.
    container_linux.run("systemctl", "reset-failed")


def unpack(machine, tarball):
    """As an operator does; returns the folder."""
    subprocess.run(["tar", "-xzf", tarball, "-C", machine.root / "root"], check=True)
    return f"/root/{tarball.name.removesuffix('-x86_64.tar.gz')}"


def install(machine, tarball):
    return machine.run(unpack(machine, tarball) + "/install.sh")


def start(machine):
    machine.run("systemctl", "enable", "msi2imds")
    machine.run("systemctl", "start", "msi2imds")
    assert_serves(machine, MSI2IMDS)


def supervisor(machine):
    return machine.run("systemctl", "show", "--value", "--property=MainPID", "msi2imds").strip()


def exists(machine, path):
    return machine.attempt("test", "-e", path).returncode == 0


def files_of(machine):
    """What stands where, without what a machine changes by itself."""
    lines = [line for line in machine.run(*FIND).splitlines() if not re.match(CHANGING, line.split(" ")[0])]
    return sorted(lines) + sorted(machine.run(*FIND_OURS).splitlines())


def users_of(machine):
    return (machine.run("getent", "passwd") + machine.run("getent", "group")).splitlines()


def kernel_of(machine):
    return SystemdService(machine).traces()


def traces_of(machine):
    return files_of(machine), users_of(machine), kernel_of(machine)


def test_install_starts_nothing(machine, tarball):
    install(machine, tarball)
    assert machine.attempt("systemctl", "is-enabled", *UNITS).stdout.split() == ["disabled"] * 3
    assert machine.attempt("systemctl", "is-active", *UNITS).stdout.split() == ["inactive"] * 3
    assert kernel_of(machine) == []
    assert_refused(machine.network)


def test_installed_units_are_without_a_fault(machine, tarball):
    install(machine, tarball)
    verified = machine.attempt("systemd-analyze", "verify", "--man=no", *UNITS)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_drop_ins_are_those_of_this_systemd(machine, tarball):
    install(machine, tarball)
    linked = machine.run("sh", "-c", "readlink /etc/systemd/system/msi2imds*.d/*.conf").splitlines()
    versions = {int(re.fullmatch(r"/opt/msi2imds/systemd/(\d+)/.*", path)[1]) for path in linked}
    assert 208 in versions and max(versions) <= int(machine.run("systemctl", "--version").split()[1])


def test_upgrade_loses_no_request(machine, tarball, newer_tarball):
    install(machine, tarball)
    machine.write("/etc/msi2imds/msi2imds.toml", "[imds]\nboot_grace = 1\n")
    start(machine)
    before = supervisor(machine)
    with Callers(machine) as callers:
        callers.wait_for("token", 10)
        for version in (newer_tarball, tarball, newer_tarball):
            install(machine, version)
            callers.wait_for("token", 10)
    print(f"three upgrades: {callers}")
    assert callers.outcomes == {"token": len(callers.results)}
    assert supervisor(machine) not in ("0", before)
    assert machine.run("cat", "/etc/msi2imds/msi2imds.toml") == "[imds]\nboot_grace = 1\n"
    assert exists(machine, "/etc/systemd/system/msi2imds-newer.service")
    assert not exists(machine, "/opt/msi2imds/share/doc/msi2imds/copyright")


def test_upgrade_does_not_restart_into_a_bad_configuration(machine, tarball):
    install(machine, tarball)
    start(machine)
    before = supervisor(machine)
    machine.write("/etc/msi2imds/conf.d/bad.toml", "unknown = 1\n")
    assert "is not restarted" in install(machine, tarball)
    assert supervisor(machine) == before
    assert a_token_is_served(machine.network)


def test_purge_leaves_nothing(machine, tarball):
    unpack(machine, tarball)
    before = traces_of(machine)
    install(machine, tarball)
    start(machine)
    for one, other in zip(before, traces_of(machine)):
        assert one != other
    machine.run("/opt/msi2imds/uninstall.sh", "--purge")
    for one, other in zip(before, traces_of(machine)):
        assert set(one) ^ set(other) == set()
    assert machine.attempt("systemctl", "cat", "msi2imds.service").returncode != 0
    assert_refused(machine.network)


def test_uninstall_keeps_what_is_the_operators(machine, tarball):
    install(machine, tarball)
    machine.write("/etc/msi2imds/conf.d/own.toml", "[log]\nformat = 'text'\n")
    start(machine)
    machine.run("/opt/msi2imds/uninstall.sh")
    assert kernel_of(machine) == []
    assert_refused(machine.network)
    kept = machine.run("find", "/etc", "/opt", "-xdev", "-path", "*msi2imds*").split()
    configuration = ["", "/conf.d", "/conf.d/own.toml", "/msi2imds.toml"]
    assert sorted(kept) == [f"/etc/msi2imds{path}" for path in configuration]
    assert any(line.startswith("msi2imds:") for line in users_of(machine))
    install(machine, tarball)


OTHER_ARCHITECTURE = "mkdir -p /tmp/bin; printf '#!/bin/sh\necho aarch64\n' >/tmp/bin/uname; chmod +x /tmp/bin/uname"


@pytest.mark.parametrize("arrange, complaint", [
    ("chmod 755 /root; exec setpriv --reuid=65534 --clear-groups", "needs root"),
    (f"{OTHER_ARCHITECTURE}; PATH=/tmp/bin:$PATH exec", "this is for x86_64, and the machine is aarch64"),
    ("exec unshare --mount sh -c 'mount -t tmpfs -o ro tmpfs /opt; exec \"$@\"' sh", "cannot write to /opt"),
])  # fmt: skip
def test_install_says_what_stands_in_the_way(machine, tarball, arrange, complaint):
    folder = unpack(machine, tarball)
    tried = machine.attempt("sh", "-c", f'{arrange} "$@"', "sh", folder + "/install.sh")
    assert (tried.returncode, tried.stdout, tried.stderr) == (1, "", f"install.sh: {complaint}\n")
    assert not exists(machine, "/opt/msi2imds") and not exists(machine, "/etc/msi2imds")


def test_install_leaves_a_package_alone(tarball):
    def add(files):
        (files / "usr/lib/systemd/system").mkdir(parents=True)
        (files / "usr/lib/systemd/system/msi2imds.service").touch()

    with BareMachine(add) as machine:
        tried = machine.attempt(unpack(machine, tarball) + "/install.sh")
        assert tried.returncode == 1 and "is here already" in tried.stderr
        assert not exists(machine, "/opt/msi2imds")


# Without a systemd that runs, as while an image is built; then the program itself. CentOS 7 has no nft.
IN_A_ROOT = """
set -e
mount -t tmpfs -o mode=755 tmpfs "$ROOT"
tar --extract --file="$ARCHIVE" --directory="$ROOT"
tar --extract --gzip --file="$TARBALL" --directory="$ROOT/root" --strip-components=1
for path in proc sys dev; do mount --rbind "/$path" "$ROOT/$path"; done
rm "$ROOT/usr/sbin/nft"
chroot "$ROOT" /bin/sh /root/install.sh
exec chroot "$ROOT" /opt/bin/msi2imds run
"""


@pytest.fixture
def host():
    with Namespace() as namespace:
        namespace.add_imds_address()
        yield namespace


@pytest.fixture
def emulator(host):
    running = Emulator(host)
    yield running
    running.stop()


@pytest.mark.parametrize("kernel", ["3.10", "4.4"])
def test_installs_and_serves_as_on_an_old_kernel(kernel, host, emulator, tarball, tmp_path):
    root, log = tmp_path / "root", tmp_path / "log"
    root.mkdir()
    archive = debian_root(packages_of("bookworm"))
    environment = clean_environment(ROOT=str(root), ARCHIVE=str(archive), TARBALL=str(tarball))
    command = [program("old_syscalls"), kernel, "unshare", "--mount", "--propagation=private", "sh", "-c", IN_A_ROOT]
    with log.open("w") as output:
        running = start_in(host, *command, environment=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: running.poll() is not None or a_token_is_served(host), 60, "a token is served")
        assert running.poll() is None, log.read_text()
        assert_curl_gets_a_token(host)
    finally:
        stop(running)
    text = log.read_text()
    assert "installed: msi2imds" in text and "redirect with iptables" in text
    assert " error " not in text and TOKEN_MARK not in text
    assert_refused(host)
