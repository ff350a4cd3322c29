# SPDX-License-Identifier: MIT
"""The image for Flatcar and Fedora CoreOS, the files for Ignition, and machines whose first boot has one of them."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest

pytest.register_assert_rewrite("callers", "coreos", "ignition", "legacy_port", "machine", "tokens")
pytest_plugins = ["coreos"]

import ignition
from bare_machine import BareMachine
from callers import Callers
from coreos import COREOS, IMAGE, TARBALL, assert_serves, make
from legacy_port import assert_refused
from programs import clean_environment
from raw_http import RESOURCE
from systemd_service import SystemdService

MSI2IMDS = "/usr/bin/msi2imds"
UNITS = "usr/lib/systemd/system"
RELEASE = "usr/lib/extension-release.d/extension-release.msi2imds"
SCRIPTS = ["install.sh", "uninstall.sh", "../setup"]
README = (COREOS / "README.md").read_text()
# What README.md tells an operator to do.
FILL_IN = re.search(r"^sed .*$", README, re.MULTILINE)[0]


@pytest.mark.parametrize("tool, name", [("make-sysext", IMAGE), ("make-tarball", TARBALL)])
def test_two_builds_are_the_same(tool, name, artefacts, staged_tree, sysext_image, tarball, tmp_path):
    """The second from a tree that was made at another time, by another user."""
    subprocess.run(["cp", "-R", staged_tree, tmp_path / "staged"], check=True)
    subprocess.run(["chown", "-R", "nobody", tmp_path / "staged"], check=True)
    again = make(tool, tmp_path / "staged", tmp_path / name)
    same = subprocess.run(["cmp", again, artefacts / name], capture_output=True, text=True)
    assert same.returncode == 0, same.stdout


def listed(image):
    """Mode and owner of each path."""
    shown = subprocess.run(["unsquashfs", "-lln", image], check=True, capture_output=True, text=True).stdout
    lines = [line.split() for line in shown.splitlines() if "squashfs-root/" in line]
    return {line[-1].removeprefix("squashfs-root/"): (line[0], line[1]) for line in lines}


def test_image_has_what_belongs_into_usr(sysext_image):
    files = listed(sysext_image)
    assert files["usr/bin/msi2imds"] == ("-rwxr-xr-x", "0/0")
    for path in (f"{UNITS}/msi2imds.service", f"{UNITS}/msi2imds.socket", "usr/lib/sysusers.d/msi2imds.conf", RELEASE):
        assert files[path] == ("-rw-r--r--", "0/0")
    assert {owner for _, owner in files.values()} == {"0/0"}
    assert {mode for mode, _ in files.values()} == {"drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"}
    # Links on some of the systems: a folder of ours would hide what is behind them.
    assert not [path for path in files if not path.startswith("usr") or re.match(r"usr/(sbin|lib64|local)\b", path)]
    # Merging alone starts nothing.
    assert not [path for path in files if re.search(r"\.(wants|requires|upholds)|setup", path)]


def test_image_has_the_drop_ins_that_every_target_understands(sysext_image):
    versions = {int(match[1]) for path in listed(sysext_image) if (match := re.search(r"\.d/(\d+)\.conf$", path))}
    assert 208 in versions and max(versions) <= 255


@contextlib.contextmanager
def mounted(image, directory):
    subprocess.run(["mount", "-o", "loop,ro", image, directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


def test_image_has_selinux_labels_and_may_have_any_name(sysext_image, tmp_path):
    with mounted(sysext_image, tmp_path) as root:
        paths = [os.path.join(folder, name) for folder, _, files in os.walk(root / "usr") for name in (".", *files)]
        types = {os.path.relpath(path, root): os.getxattr(path, "security.selinux").split(b":")[2] for path in paths}
        strict = os.getxattr(root / RELEASE, "user.extension-release.strict")
    assert types["usr"] == types["usr/share"] == b"usr_t"
    assert types["usr/bin"] == types["usr/bin/msi2imds"] == b"bin_t"
    assert types["usr/lib"] == types["usr/lib/systemd"] == b"lib_t"
    assert types[UNITS] == types[f"{UNITS}/msi2imds.service"] == b"systemd_unit_file_t"
    assert strict == b"0"


def test_nothing_names_a_place_where_it_is_not(sysext_image, tarball, tmp_path):
    subprocess.run(["unsquashfs", "-q", "-n", "-no-xattrs", "-d", tmp_path / "image", sysext_image], check=True)
    with tarfile.open(tarball) as archive:
        archive.extractall(tmp_path / "tarball")
    # Documents tell of every system.
    wrong = ["grep", "-rIl", "--exclude-dir=doc", "-e", "/usr/sbin/msi2imds", "-e", "/usr/lib/msi2imds/s[ey]", "."]
    assert subprocess.run(wrong, cwd=tmp_path, capture_output=True, text=True).stdout == ""


def test_scripts_are_portable():
    checked = subprocess.run(["shellcheck", *SCRIPTS, "make-tarball"], cwd=COREOS, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    for shell in (["dash"], ["busybox", "sh"]):
        for script in SCRIPTS:
            assert subprocess.run([*shell, "-n", COREOS / script]).returncode == 0


def filled_in(name, artefact):
    """The Ignition file as an operator makes it."""
    environment = clean_environment(FILE=str(artefact), URL=f"https://example.com/{artefact.name}")
    command = FILL_IN.replace("sysext.ign", str(COREOS / name))
    return json.loads(subprocess.run(command, shell=True, check=True, capture_output=True, env=environment).stdout)


def test_ignition_3_file_is_valid(sysext_image, tmp_path):
    filled = tmp_path / "filled.ign"
    filled.write_text(json.dumps(filled_in("sysext.ign", sysext_image)))
    for file in (COREOS / "sysext.ign", filled):
        checked = subprocess.run(["ignition-validate", file], capture_output=True, text=True)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


# What this file may use of the types of Ignition 0.35.
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


def assert_of_type(value, expected, where="$"):
    if isinstance(expected, dict):
        assert isinstance(value, dict) and value.keys() <= expected.keys(), f"{where}: {value}"
        for key, part in value.items():
            assert_of_type(part, expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(value, list), where
        for index, part in enumerate(value):
            assert_of_type(part, expected[0], f"{where}[{index}]")
    else:
        assert type(value) is expected, f"{where}: {value!r}"


def test_ignition_2_3_file_is_valid(tarball):
    """By hand, since ignition-validate of today does not know this version."""
    config = filled_in("container-linux.ign", tarball)
    assert_of_type(config, SPEC_2_3)
    assert config["ignition"]["version"] == "2.3.0"
    for file in config["storage"]["files"]:
        assert file["filesystem"] == "root" and os.path.isabs(file["path"])
        if "verification" in file["contents"]:
            assert re.fullmatch(r"sha512-[0-9a-f]{128}", file["contents"]["verification"]["hash"])
    for unit in config["systemd"]["units"]:
        assert re.search(r"^\[Install\]\nWantedBy=\S+$", unit["contents"], re.MULTILINE)


def test_image_and_ignition_have_the_same_unit():
    units = json.loads((COREOS / "sysext.ign").read_text())["systemd"]["units"]
    (start,) = [unit["contents"] for unit in units if unit["name"] == "start-msi2imds.service"]
    assert start == (COREOS / "start-msi2imds.service").read_text()


@contextlib.contextmanager
def first_boot(name, artefact, suite="bookworm"):
    """A machine whose first boot has an Ignition file, with all units started."""
    config = filled_in(name, artefact)
    downloads = {f"https://example.com/{artefact.name}": artefact}
    with BareMachine(lambda files: ignition.apply(config, files, downloads), suite) as machine:
        yield machine


def operate(machine, what):
    """The commands that README.md has for it."""
    text = re.search(rf"^- {what}: (.*?)(?=^- |^$)", README, re.MULTILINE | re.DOTALL)[1]
    for command in re.findall(r"`((?:systemctl|systemd-sys\w+|msi2imds|cp)\b[^`]*)`", text):
        machine.run(*command.split())


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_image_is_merged_and_serves_from_the_first_boot(sysext_image, suite):
    with first_boot("sysext.ign", sysext_image, suite) as machine:
        assert "msi2imds" in machine.run("systemd-sysext", "status")
        units = ("start-msi2imds", "msi2imds.socket", "msi2imds")
        assert machine.run("systemctl", "is-active", *units).split() == ["active"] * 3
        assert_serves(machine, MSI2IMDS)
        assert "responder" in machine.run("ps", "-u", "msi2imds", "-o", "args=")
        # The audit stands in the journal alone.
        assert RESOURCE in machine.run("journalctl", "--no-pager", "-u", "msi2imds")
        assert machine.attempt("test", "-e", "/var/log/msi2imds/audit.log").returncode == 1


def test_image_is_merged_on_a_running_machine(sysext_image):
    with BareMachine() as machine:
        (machine.root / "var/lib/extensions").mkdir()
        shutil.copy(sysext_image, machine.root / "var/lib/extensions/msi2imds.raw")
        operate(machine, "Running machine")
        assert_serves(machine, MSI2IMDS)
        assert machine.run("systemctl", "is-enabled", "systemd-sysext", "start-msi2imds").split() == ["enabled"] * 2


def test_image_is_upgraded_without_losing_a_request(sysext_image, newer_image):
    with first_boot("sysext.ign", sysext_image) as machine:
        assert_serves(machine, MSI2IMDS)
        before = SystemdService(machine).pid
        shutil.copy(newer_image, machine.root / "var/lib/extensions/new.raw")
        (machine.root / "var/lib/extensions/new.raw").rename(machine.root / "var/lib/extensions/msi2imds.raw")
        with Callers(machine) as callers:
            callers.wait_for("token", 10)
            operate(machine, "Upgrade")
            callers.wait_for("token", 10)
        print(f"one upgrade: {callers}")
        assert machine.attempt("systemctl", "cat", "msi2imds-newer.service").returncode == 0
        assert SystemdService(machine).pid not in (0, before)
        assert callers.outcomes == {"token": len(callers.results)}


def test_image_is_removed_without_a_trace(sysext_image):
    with first_boot("sysext.ign", sysext_image) as machine:
        assert_serves(machine, MSI2IMDS)
        (machine.root / "var/lib/extensions/msi2imds.raw").unlink()
        operate(machine, "Removal")
        assert SystemdService(machine).traces() == []
        assert machine.attempt("test", "-e", MSI2IMDS).returncode == 1
        assert_refused(machine.network)


def test_tarball_is_installed_and_serves_from_the_first_boot(tarball):
    with first_boot("container-linux.ign", tarball) as machine:
        assert machine.run("systemctl", "is-enabled", "msi2imds.socket", "msi2imds").split() == ["enabled"] * 2
        assert_serves(machine, "/opt/bin/msi2imds")
        # The next boot does not undo what the administrator does from now on.
        assert machine.attempt("systemctl", "is-enabled", "install-msi2imds").stdout.strip() == "disabled"
