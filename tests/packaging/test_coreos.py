# SPDX-License-Identifier: MIT
"""The image for Flatcar and Fedora CoreOS, the tarball for Container Linux and others, and their Ignition files."""

import contextlib
import json
import os
import re
import subprocess
import tarfile

import pytest

pytest.register_assert_rewrite("callers", "legacy_port", "machine", "tokens")

import ignition
from bare_machine import BareMachine
from callers import Callers
from debian_root import debian_root
from emulator import Emulator
from legacy_port import a_token_is_served, assert_refused
from namespace import Namespace
from programs import CHECKOUT, clean_environment, program, run_in, start_in, stop
from raw_http import RESOURCE, token_target
from staged import stage
from systemd_service import SystemdService
from tokens import audience
from waiting import wait_until

COREOS = CHECKOUT / "packaging" / "coreos"
URL = "http://localhost:50342" + token_target()
IMAGE = "msi2imds-0.1.0-x86-64.raw"
TARBALL = "msi2imds-0.1.0-x86_64.tar.gz"
NEWER_TARBALL = "msi2imds-0.2.0-x86_64.tar.gz"
SCRIPTS = ["install.sh", "uninstall.sh", "make-tarball"]
# What README.md says an operator does.
FILL_IN = re.search(r"^sed .*$", (COREOS / "README.md").read_text(), re.MULTILINE)[0]

# What a machine that runs for a while writes by itself.
CHANGING = r"/var/(log|cache|tmp|lib/(systemd|private))(/|$)|/etc/(\.pwd\.lock|\.updated|(passwd|group|shadow|gshadow)-)$"


def make(tool, staged, output):
    environment = clean_environment(SOURCE_DATE_EPOCH="1700000000")
    subprocess.run([COREOS / tool, staged, output], check=True, env=environment, stdout=subprocess.DEVNULL)
    return output


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("coreos")


@pytest.fixture(scope="session")
def staged(work):
    """With drop-ins for versions of systemd that no unit of ours may have."""
    tree = stage(work / "staged")
    for since in (208, 999):
        folder = tree / f"usr/lib/msi2imds/systemd/{since}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "msi2imds.socket.conf").write_text(f"[Unit]\n# {since}\n")
    return tree


@pytest.fixture(scope="session")
def image(work, staged):
    return make("make-sysext", staged, work / IMAGE)


@pytest.fixture(scope="session")
def tarball(work, staged):
    return make("make-tarball", staged, work / TARBALL)


@pytest.fixture(scope="session")
def newer_tarball(work, staged):
    """A version with another unit file more, and one document less."""
    newer = work / "newer"
    subprocess.run(["cp", "-R", staged, newer], check=True)
    (newer / "usr/lib/systemd/system/msi2imds-newer.service").write_text("[Service]\nExecStart=/usr/sbin/msi2imds run\n")
    (newer / "usr/share/doc/msi2imds/copyright").unlink()
    return make("make-tarball", newer, work / NEWER_TARBALL)


def filled_in(name, artefact):
    """The Ignition file as an operator makes it."""
    environment = clean_environment(FILE=str(artefact), URL=f"https://example.com/{artefact.name}")
    command = FILL_IN.replace("sysext.ign", str(COREOS / name))
    return json.loads(subprocess.run(command, shell=True, check=True, capture_output=True, env=environment).stdout)


def assert_curl_gets_a_token(network):
    curl = run_in(network, "curl", "-sS", "--fail", "--noproxy", "*", "-H", "Metadata:true", URL)
    assert curl.returncode == 0, curl.stderr
    granted = audience(json.loads(curl.stdout)["access_token"])
    assert granted == RESOURCE


# Files


@pytest.mark.parametrize("tool, name", [("make-sysext", IMAGE), ("make-tarball", TARBALL)])
def test_two_builds_are_the_same(tool, name, work, staged, image, tarball):
    again = work / "again"
    again.mkdir(exist_ok=True)
    copied = again / "staged"
    # Made at other times, in another order, by another user.
    subprocess.run(["cp", "-R", staged, copied], check=True)
    subprocess.run(["chown", "-R", "nobody", copied], check=True)
    built = make(tool, copied, again / name)
    same = subprocess.run(["cmp", built, work / name], capture_output=True, text=True)
    subprocess.run(["rm", "-r", copied], check=True)
    assert same.returncode == 0, same.stdout


def listed(image):
    shown = subprocess.run(["unsquashfs", "-lln", image], check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in shown.splitlines() if "squashfs-root/" in line]
    return {line[-1].removeprefix("squashfs-root/"): (line[0], line[1]) for line in lines}


def test_image_has_what_belongs_into_usr(image):
    files = listed(image)
    units = "usr/lib/systemd/system"
    assert files["usr/bin/msi2imds"] == ("-rwxr-xr-x", "0/0")
    for path in (f"{units}/msi2imds.service", f"{units}/msi2imds.socket", "usr/lib/sysusers.d/msi2imds.conf"):
        assert files[path] == ("-rw-r--r--", "0/0")
    assert {owner for _, owner in files.values()} == {"0/0"}
    assert {mode for mode, _ in files.values()} == {"drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"}
    # Links on some of the systems: a folder of ours would hide what is behind them.
    assert not [path for path in files if not path.startswith("usr") or re.match(r"usr/(sbin|lib64|local)\b", path)]
    assert not [path for path in files if "setup" in path or "wants" in path]


def test_image_has_the_drop_ins_that_every_target_understands(image):
    drop_ins = [path for path in listed(image) if ".d/" in path and "/system/" in path]
    versions = {int(re.search(r"(\d+)\.conf$", path)[1]) for path in drop_ins}
    assert 208 in versions and max(versions) <= 255


def test_image_files_are_labelled_for_selinux(image, work):
    mounted = work / "mounted"
    mounted.mkdir()
    subprocess.run(["mount", "-o", "loop,ro", image, mounted], check=True)
    try:
        labels = {
            os.path.relpath(path, mounted): os.getxattr(path, "security.selinux").decode().split(":")[2]
            for folder, _, files in os.walk(mounted / "usr")
            for path in (folder, *[os.path.join(folder, name) for name in files])
        }
        strict = os.getxattr(mounted / "usr/lib/extension-release.d/extension-release.msi2imds", "user.extension-release.strict")
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert labels["usr"] == labels["usr/share"] == "usr_t"
    assert labels["usr/bin"] == labels["usr/bin/msi2imds"] == "bin_t"
    assert labels["usr/lib"] == labels["usr/lib/systemd"] == "lib_t"
    assert labels["usr/lib/systemd/system/msi2imds.service"] == "systemd_unit_file_t"
    assert strict == b"0"


def test_nothing_names_a_place_where_it_is_not(image, tarball, work):
    unpacked = work / "unpacked"
    unpacked.mkdir()
    subprocess.run(["unsquashfs", "-q", "-n", "-no-xattrs", "-d", unpacked / "image", image], check=True)
    with tarfile.open(tarball) as archive:
        archive.extractall(unpacked / "tarball")
    wrong = ["grep", "-rIl", "-e", "/usr/sbin/msi2imds", "-e", "/usr/lib/msi2imds", "."]
    assert subprocess.run(wrong, cwd=unpacked, capture_output=True, text=True).stdout == ""


def test_scripts_are_portable():
    checked = subprocess.run(["shellcheck", *SCRIPTS, "../setup"], cwd=COREOS, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    for shell in (["dash"], ["busybox", "sh"]):
        for script in ("install.sh", "uninstall.sh", "../setup"):
            assert subprocess.run([*shell, "-n", COREOS / script]).returncode == 0


# Ignition


def test_ignition_3_file_is_valid(image, work):
    filled = work / "filled.ign"
    filled.write_text(json.dumps(filled_in("sysext.ign", image)))
    for file in (COREOS / "sysext.ign", filled):
        checked = subprocess.run(["ignition-validate", file], capture_output=True, text=True)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


# Of the types of Ignition 0.35, what this file may use.
SPEC_2_3 = {
    "ignition": {"version": str},
    "storage": {
        "files": [
            {
                "filesystem": str,
                "path": str,
                "mode": int,
                "contents": {"source": str, "verification": {"hash": str}},
            }
        ]
    },
    "systemd": {"units": [{"name": str, "enabled": bool, "contents": str}]},
}


def assert_of_type(value, type_, where="$"):
    if isinstance(type_, dict):
        assert isinstance(value, dict) and value.keys() <= type_.keys(), f"{where}: {value}"
        for key, part in value.items():
            assert_of_type(part, type_[key], f"{where}.{key}")
    elif isinstance(type_, list):
        assert isinstance(value, list), where
        for index, part in enumerate(value):
            assert_of_type(part, type_[0], f"{where}[{index}]")
    else:
        assert type(value) is type_, f"{where}: {value!r}"


def test_ignition_2_3_file_is_valid(tarball):
    """Newer validators do not know this version."""
    config = filled_in("container-linux.ign", tarball)
    assert_of_type(config, SPEC_2_3)
    assert config["ignition"]["version"] == "2.3.0"
    for file in config["storage"]["files"]:
        assert file["filesystem"] == "root" and os.path.isabs(file["path"])
        if "verification" in file["contents"]:
            assert re.fullmatch(r"sha512-[0-9a-f]{128}", file["contents"]["verification"]["hash"])
    for unit in config["systemd"]["units"]:
        assert re.search(r"^\[Install\]\nWantedBy=\S+$", unit["contents"], re.MULTILINE)


def test_hash_that_was_not_filled_in_is_refused(image):
    config = json.loads((COREOS / "sysext.ign").read_text())
    source = config["storage"]["files"][0]["contents"]["source"]
    with pytest.raises(AssertionError):
        ignition.contents_of(config["storage"]["files"][0]["contents"], {source: image})


# Machines


@contextlib.contextmanager
def first_boot(name, artefact, suite="bookworm"):
    """A machine whose first boot has an Ignition file, with all units started."""
    config = filled_in(name, artefact)
    downloads = {f"https://example.com/{artefact.name}": artefact}
    with BareMachine(lambda files: ignition.apply(config, files, downloads), suite) as machine:
        yield machine


def assert_serves(machine, backend_program):
    status = machine.attempt(backend_program, "status", "--wait", "10")
    assert status.returncode == 0, status.stdout + status.stderr + machine.run("journalctl", "--no-pager", "-b", "-p", "5")
    assert_curl_gets_a_token(machine.network)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_image_is_merged_and_served_from_the_first_boot(image, suite):
    with first_boot("sysext.ign", image, suite) as machine:
        assert "msi2imds" in machine.run("systemd-sysext", "status")
        assert machine.attempt("touch", "/usr/bin/anything").returncode != 0
        assert machine.run("systemctl", "is-active", "start-msi2imds", "msi2imds.socket", "msi2imds").split() == ["active"] * 3
        assert_serves(machine, "/usr/bin/msi2imds")
        assert "responder" in machine.run("ps", "-u", "msi2imds", "-o", "args=")
        # The audit, which stands in no file.
        assert RESOURCE in machine.run("journalctl", "--no-pager", "-u", "msi2imds")
        assert machine.attempt("test", "-e", "/var/log/msi2imds/audit.log").returncode != 0


def test_image_is_refreshed_without_losing_a_request(image):
    with first_boot("sysext.ign", image) as machine:
        assert_serves(machine, "/usr/bin/msi2imds")
        with Callers(machine) as callers:
            callers.wait_for("token", 10)
            for command in ("systemd-sysext refresh", "systemctl daemon-reload", "systemctl restart msi2imds"):
                machine.run(*command.split())
            callers.wait_for("token", 10)
        assert callers.outcomes == {"token": len(callers.results)}


def test_image_is_removed_without_a_trace(image):
    with first_boot("sysext.ign", image) as machine:
        assert_serves(machine, "/usr/bin/msi2imds")
        machine.run("systemctl", "disable", "start-msi2imds")
        machine.run("systemctl", "stop", "msi2imds.socket", "msi2imds.service")
        machine.run("msi2imds", "detach", "--purge")
        machine.run("rm", "/var/lib/extensions/msi2imds.raw")
        machine.run("systemd-sysext", "refresh")
        assert SystemdService(machine).traces() == []
        assert machine.attempt("test", "-e", "/usr/bin/msi2imds").returncode != 0
        assert_refused(machine.network)


def test_tarball_is_installed_and_served_from_the_first_boot(tarball):
    with first_boot("container-linux.ign", tarball) as machine:
        assert machine.run("systemctl", "is-enabled", "msi2imds.socket", "msi2imds").split() == ["enabled"] * 2
        assert_serves(machine, "/opt/bin/msi2imds")
        # The next boot has nothing left to install.
        machine.run("systemctl", "restart", "install-msi2imds")
        assert machine.run("systemctl", "show", "--value", "--property=ConditionResult", "install-msi2imds").strip() == "no"


def unpack(machine, tarball):
    """As an operator does; returns the folder."""
    folder = machine.root / "root"
    subprocess.run(["tar", "--extract", "--gzip", f"--file={tarball}", f"--directory={folder}"], check=True)
    return f"/root/{tarball.name.removesuffix('.tar.gz')}"


def files_of(machine):
    """What stands where, without what a machine changes by itself."""
    listed = machine.run(
        "find", "/etc", "/opt", "/usr", "/var", "-xdev", "(", "-type", "d", "-printf", "%p %y %m %u\n", ")", "-o",
        "-printf", "%p %y %m %u %s %l\n",
    )  # fmt: skip
    own = machine.run("find", "/run", "/tmp", "/var", "-xdev", "-name", "*msi2imds*", "-not", "-path", "/var/log/journal/*")
    lines = [line for line in listed.splitlines() if not re.match(CHANGING, line.split(" ")[0])]
    return sorted(lines) + sorted(own.splitlines())


def users_of(machine):
    return machine.run("getent", "passwd") + machine.run("getent", "group")


def kernel_of(machine):
    return SystemdService(machine).traces()


@pytest.fixture(scope="module")
def container_linux():
    """A machine whose /usr cannot be written to."""
    with BareMachine() as machine:
        machine.run("mount", "--bind", "/usr", "/usr")
        machine.run("mount", "-o", "remount,bind,ro", "/usr")
        yield machine


@pytest.fixture
def clean_machine(container_linux):
    yield container_linux
    container_linux.attempt("/opt/msi2imds/uninstall.sh", "--purge")


def start(machine):
    machine.run("systemctl", "enable", "msi2imds")
    machine.run("systemctl", "start", "msi2imds")
    assert_serves(machine, "/opt/bin/msi2imds")


def test_install_starts_nothing(clean_machine, tarball):
    machine = clean_machine
    machine.run(unpack(machine, tarball) + "/install.sh")
    states = machine.attempt("systemctl", "is-enabled", "msi2imds.socket", "msi2imds", "msi2imds-observe").stdout.split()
    assert states == ["disabled"] * 3
    states = machine.attempt("systemctl", "is-active", "msi2imds.socket", "msi2imds", "msi2imds-observe").stdout.split()
    assert states == ["inactive"] * 3
    assert_refused(machine.network)
    verified = machine.attempt("systemd-analyze", "verify", "--man=no", "msi2imds.service", "msi2imds.socket", "msi2imds-observe.service")
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    version = machine.run("systemctl", "--version").split()[1]
    linked = machine.run("sh", "-c", "readlink /etc/systemd/system/msi2imds*.d/*.conf").splitlines()
    assert "/opt/msi2imds/systemd/208/msi2imds.socket.conf" in linked
    assert all(int(re.search(r"/(\d+)/", path)[1]) <= int(version) for path in linked)


def test_upgrade_loses_no_request(clean_machine, tarball, newer_tarball):
    machine = clean_machine
    machine.run(unpack(machine, tarball) + "/install.sh")
    machine.write("/etc/msi2imds/msi2imds.toml", "[imds]\nboot_grace = 1\n")
    start(machine)
    before = machine.run("systemctl", "show", "--value", "--property=MainPID", "msi2imds").strip()
    with Callers(machine) as callers:
        callers.wait_for("token", 10)
        for version in (newer_tarball, tarball, newer_tarball):
            machine.run(unpack(machine, version) + "/install.sh")
            callers.wait_for("token", 10)
    print(f"three upgrades: {callers}")
    assert callers.outcomes == {"token": len(callers.results)}
    after = machine.run("systemctl", "show", "--value", "--property=MainPID", "msi2imds").strip()
    assert after not in ("0", before)
    assert machine.run("cat", "/etc/msi2imds/msi2imds.toml") == "[imds]\nboot_grace = 1\n"
    assert machine.attempt("test", "-e", "/etc/systemd/system/msi2imds-newer.service").returncode == 0
    assert machine.attempt("test", "-e", "/opt/msi2imds/share/doc/msi2imds/copyright").returncode == 1


def test_bad_configuration_is_not_restarted_into(clean_machine, tarball):
    machine = clean_machine
    folder = unpack(machine, tarball)
    machine.run(folder + "/install.sh")
    start(machine)
    before = machine.run("systemctl", "show", "--value", "--property=MainPID", "msi2imds")
    machine.write("/etc/msi2imds/conf.d/bad.toml", "unknown = 1\n")
    assert "is not restarted" in machine.run(folder + "/install.sh")
    assert machine.run("systemctl", "show", "--value", "--property=MainPID", "msi2imds") == before
    assert a_token_is_served(machine.network)


def test_purge_leaves_nothing(clean_machine, tarball):
    machine = clean_machine
    folder = unpack(machine, tarball)
    before = files_of(machine), users_of(machine), kernel_of(machine)
    machine.run(folder + "/install.sh")
    start(machine)
    assert files_of(machine) != before[0] and users_of(machine) != before[1] and kernel_of(machine) != []
    machine.run("/opt/msi2imds/uninstall.sh", "--purge")
    assert (files_of(machine), users_of(machine), kernel_of(machine)) == before
    assert machine.attempt("systemctl", "cat", "msi2imds.service").returncode != 0
    assert_refused(machine.network)


def test_uninstall_keeps_what_is_the_operators(clean_machine, tarball):
    machine = clean_machine
    folder = unpack(machine, tarball)
    machine.run(folder + "/install.sh")
    machine.write("/etc/msi2imds/conf.d/own.toml", "[log]\nformat = 'text'\n")
    start(machine)
    machine.run("/opt/msi2imds/uninstall.sh")
    assert kernel_of(machine) == []
    assert_refused(machine.network)
    kept = machine.run("find", "/etc", "/opt", "-xdev", "-name", "*msi2imds*").split()
    assert sorted(kept) == ["/etc/msi2imds", "/etc/msi2imds/msi2imds.toml"]
    assert machine.attempt("test", "-e", "/etc/msi2imds/conf.d/own.toml").returncode == 0
    assert "msi2imds" in users_of(machine)
    machine.run(folder + "/install.sh")
    machine.run("/opt/msi2imds/uninstall.sh", "--purge")


@pytest.mark.parametrize("arrange, complaint", [
    ("exec setpriv --reuid=65534 --clear-groups", "needs root"),
    ("mkdir -p /tmp/bin; printf '#!/bin/sh\necho aarch64\n' >/tmp/bin/uname; chmod +x /tmp/bin/uname; PATH=/tmp/bin:$PATH exec", "this is for x86_64, and the machine is aarch64"),
    ("exec unshare --mount sh -c 'mount -t tmpfs -o ro tmpfs /opt; exec \"$@\"' sh", "cannot write to /opt"),
])  # fmt: skip
def test_install_says_what_stands_in_the_way(clean_machine, tarball, arrange, complaint):
    machine = clean_machine
    folder = unpack(machine, tarball)
    machine.run("chmod", "755", "/root")
    before = files_of(machine)
    tried = machine.attempt("sh", "-c", f'{arrange} "$@"', "sh", folder + "/install.sh")
    assert (tried.returncode, tried.stdout, tried.stderr.strip()) == (1, "", f"install.sh: {complaint}")
    assert files_of(machine) == before


# Old kernels, and no systemd that runs: as while an image is built

IN_A_ROOT = """
set -e
mount -t tmpfs -o mode=755 tmpfs "$ROOT"
tar --extract --file="$ARCHIVE" --directory="$ROOT"
tar --extract --gzip --file="$TARBALL" --directory="$ROOT/root"
for path in proc sys dev; do mount --rbind "/$path" "$ROOT/$path"; done
chroot "$ROOT" /bin/sh "/root/$FOLDER/install.sh"
exec chroot "$ROOT" "$@"
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


def test_installed_and_served_as_on_linux_3_10(host, emulator, tarball, tmp_path):
    (tmp_path / "root").mkdir()
    names = {"ROOT": tmp_path / "root", "ARCHIVE": debian_root(BareMachine.packages), "TARBALL": tarball}
    environment = clean_environment(FOLDER=TARBALL.removesuffix(".tar.gz"), **{name: str(path) for name, path in names.items()})
    inside = ["unshare", "--mount", "--propagation=private", "sh", "-c", IN_A_ROOT, "sh"]
    command = [program("old_syscalls"), "3.10", *inside, "/opt/bin/msi2imds", "run"]
    with (tmp_path / "log").open("w") as log:
        running = start_in(host, *command, environment=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: running.poll() is not None or a_token_is_served(host), 60, "a token is served")
        text = (tmp_path / "log").read_text()
        assert running.poll() is None, text
        assert "installed: msi2imds" in text and " error " not in text
        assert_curl_gets_a_token(host)
    finally:
        stop(running)
    assert "EMULATORSECRET" not in (tmp_path / "log").read_text()
    assert_refused(host)
