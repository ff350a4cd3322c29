# SPDX-License-Identifier: MIT
"""The custom script extension's script in a Debian of its own: real apt and dnf, and a package that does nothing."""

import base64
import contextlib
import shutil
import subprocess

import pytest

from cloud_machine import DNF, packages_of
from debian_root import debian_root
from programs import CHECKOUT, clean_environment, stop

SCRIPT = CHECKOUT / "packaging" / "fleet" / "custom-script" / "install.sh"
PUBLISH = CHECKOUT / "packaging" / "repository"
# Both write down what they are asked.
PROGRAM = '#!/bin/sh\necho "msi2imds $*" >>/asked\n'
SYSTEMCTL = '#!/bin/sh\necho "systemctl $*" >>/asked\ncase $1 in\nis-active) [ -e /serves ] ;;\nis-enabled) [ -e /enabled ] ;;\nesac\n'
CONTROL = """Package: msi2imds
Version: {version}
Architecture: amd64
Maintainer: Tests <tests@example.com>
Description: stands for msi2imds
"""
SPEC = """Name: msi2imds
Version: 1
Release: 1
Summary: stands for msi2imds
License: MIT
AutoReqProv: no
%description
%files
/usr/sbin/msi2imds
%install
mkdir -p %{buildroot}/usr/sbin
cp {program} %{buildroot}/usr/sbin
"""
# No network, and what is mounted goes with the last process.
ENTER = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
# Holds what dpkg locks until its input ends.
HOLD = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


def run(*command, **options):
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def make_deb(directory, version):
    tree = directory / f"tree-{version}"
    (tree / "usr/sbin").mkdir(parents=True)
    (tree / "usr/sbin/msi2imds").write_text(PROGRAM)
    (tree / "usr/sbin/msi2imds").chmod(0o755)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(CONTROL.format(version=version))
    deb = directory / f"msi2imds_{version}_amd64.deb"
    run("dpkg-deb", "--root-owner-group", "--build", tree, deb)
    return deb


def make_rpm(directory):
    program = directory / "tree-1/usr/sbin/msi2imds"
    spec = directory / "msi2imds.spec"
    spec.write_text(SPEC.replace("{program}", str(program)))
    run("rpmbuild", "--quiet", "--define", f"_topdir {directory}/rpm", "--target", "x86_64", "-bb", spec)
    return next((directory / "rpm").rglob("*.rpm"))


class Repository:
    """Signed by the key of these tests."""

    def __init__(self, directory, signing_key):
        self.path = directory / "srv"
        home, self._key = signing_key
        self._environment = clean_environment(GNUPGHOME=home)
        self._directory = directory
        self.publish("apt", make_deb(directory, 1))
        self.publish("yum", make_rpm(directory))
        self.key = (self.path / "apt/msi2imds.asc").read_bytes()

    def publish(self, kind, package):
        run(PUBLISH / f"make-{kind}", self.path / kind, self._key, package, env=self._environment)

    def publish_newer(self):
        self.publish("apt", make_deb(self._directory, 2))


class Root:
    """A Debian in which the script runs."""

    def __init__(self, path, repository):
        self.path = path
        self._key = base64.b64encode(repository.key).decode()
        shutil.copy(SCRIPT, path / "install.sh")
        shutil.copytree(repository.path, path / "srv", dirs_exist_ok=True)
        self.write("etc/apt/sources.list", "deb http://gone.invalid/debian stable main\n")
        self.write("usr/bin/systemctl", SYSTEMCTL, executable=True)

    def write(self, name, text, executable=False):
        (self.path / name).unlink(missing_ok=True)
        (self.path / name).write_text(text)
        if executable:
            (self.path / name).chmod(0o755)

    def command(self, *arguments):
        isolated = ["unshare", "--mount", "--net", "--pid", "--fork", "--propagation=private", "sh", "-c", ENTER]
        return [*isolated, self.path, *arguments]

    def environment(self, **variables):
        filled = {"MSI2IMDS_REPOSITORY": "file:///srv", "MSI2IMDS_KEY": self._key, "MSI2IMDS_LOCK_SECONDS": "0"}
        return clean_environment(**{**filled, **variables})

    def install(self, *arguments, **variables):
        return subprocess.run(
            self.command("/bin/sh", "/install.sh", *arguments),
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def asked(self):
        """What was asked of systemctl and msi2imds since the last time."""
        file = self.path / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def remove_apt(self):
        (self.path / "usr/bin/apt-get").unlink()

    def rename_dnf(self, name):
        (self.path / "usr/bin/dnf").rename(self.path / "usr/bin" / name)

    @contextlib.contextmanager
    def locked(self, name):
        """While another process of the machine holds a lock."""
        command = ["/usr/bin/python3", "-c", HOLD, self.path / name]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout.readline() == "held\n"
            yield
        finally:
            stop(holder)
            holder.stdin.close()
            holder.stdout.close()


@pytest.fixture(scope="module")
def repository(tmp_path_factory, signing_key):
    return Repository(tmp_path_factory.mktemp("stand-in"), signing_key)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    path = tmp_path_factory.mktemp("debian")
    try:
        archive = debian_root((*packages_of("bookworm"), *DNF))
        run("tar", "--extract", f"--file={archive}", f"--directory={path}", "--exclude=./dev/*")
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
def root(unpacked, tmp_path, repository):
    path = tmp_path / "root"
    try:
        # By links, which is quick; apt, dpkg and dnf replace files instead of writing into them.
        run("cp", "--archive", "--link", unpacked, path)
        yield Root(path, repository)
    finally:
        shutil.rmtree(path)


def assert_installed(ended):
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_installs_and_starts_nothing_unless_told(root):
    assert_installed(root.install())
    assert (root.path / "usr/sbin/msi2imds").exists()
    assert root.asked() == []
    source = (root.path / "etc/apt/sources.list.d/msi2imds.list").read_text()
    assert source == "deb [arch=amd64 signed-by=/etc/apt/keyrings/msi2imds.gpg] file:///srv/apt stable main\n"


def test_runs_again_and_upgrades(root, repository):
    assert_installed(root.install())
    assert_installed(root.install())
    repository.publish_newer()
    shutil.copytree(repository.path, root.path / "srv", dirs_exist_ok=True)
    assert_installed(root.install())
    assert "Version: 2" in (root.path / "var/lib/dpkg/status").read_text()


def test_cuts_over(root):
    assert_installed(root.install("--cut-over"))
    started = ["systemctl enable msi2imds", "systemctl start msi2imds", "msi2imds status --wait 30"]
    assert root.asked()[-3:] == started


def test_observes_unless_msi2imds_serves(root):
    assert_installed(root.install("--observe"))
    assert root.asked()[2:4] == ["systemctl enable msi2imds-observe", "systemctl start msi2imds-observe"]
    for state in ("serves", "enabled"):
        root.write(state, "")
        assert_installed(root.install("--observe"))
        assert not [line for line in root.asked() if line.startswith(("systemctl start", "systemctl enable"))]
        (root.path / state).unlink()


def test_apt_before_1_1_gets_a_keyring_that_it_reads(root):
    (root.path / "usr/bin/apt-get").rename(root.path / "usr/bin/apt-get.real")
    old = '#!/bin/sh\n[ "$1" != --version ] || { echo "apt 1.0.9.10 for amd64"; exit; }\nexec apt-get.real "$@"\n'
    root.write("usr/bin/apt-get", old, executable=True)
    assert_installed(root.install())
    assert (root.path / "etc/apt/sources.list.d/msi2imds.list").read_text().startswith("deb [arch=amd64] file:")
    assert (root.path / "etc/apt/trusted.gpg.d/msi2imds.gpg").exists()


@pytest.mark.parametrize("manager", ["dnf", "yum", "tdnf"])
def test_installs_an_rpm(root, repository, manager):
    root.remove_apt()
    root.rename_dnf(manager)
    for _ in range(2):
        assert_installed(root.install("--cut-over"))
    assert (root.path / "etc/pki/rpm-gpg/RPM-GPG-KEY-msi2imds").read_bytes() == repository.key
    assert root.asked()[-1] == "msi2imds status --wait 30"


@pytest.mark.parametrize("spoilt", ["apt/dists/stable/InRelease", "yum/repodata/repomd.xml"])
def test_what_is_not_signed_is_not_installed(root, spoilt):
    if spoilt.startswith("yum"):
        root.remove_apt()
    file = root.path / "srv" / spoilt
    file.write_text(file.read_text().replace("main", "mian").replace("<revision>", "<revision>1"))
    (root.path / "srv/apt/dists/stable/Release").unlink()
    refused = root.install("--cut-over")
    assert refused.returncode == 1 and "install.sh: failed: " in refused.stderr
    assert not (root.path / "usr/sbin/msi2imds").exists()
    assert root.asked() == []


@pytest.mark.parametrize("lock", ["var/lib/dpkg/lock-frontend", "var/lib/apt/lists/lock"])
def test_another_package_manager_is_waited_for_but_not_for_ever(root, lock):
    with root.locked(lock):
        refused = root.install()
        assert refused.returncode == 1 and "another package manager has held its lock" in refused.stderr
    with root.locked(lock):
        waiting = subprocess.Popen(
            root.command("/bin/sh", "/install.sh"),
            env=root.environment(MSI2IMDS_LOCK_SECONDS="60"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert any("lock" in line for line in waiting.stdout)
    waiting.communicate()
    assert waiting.returncode == 0


def test_errors_are_told(root):
    assert root.install("--all").returncode == 2
    assert "there is no key" in root.install(MSI2IMDS_KEY="@KEY_ASC@").stderr
    assert root.install(MSI2IMDS_REPOSITORY="file:///nowhere").returncode == 1
    root.write("usr/bin/systemctl", '#!/bin/sh\n[ "$1" != start ]\n', executable=True)
    failed = root.install("--cut-over")
    assert failed.returncode == 1 and "msi2imds does not start" in failed.stderr
    root.write("run/ostree-booted", "")
    assert "read-only" in root.install().stderr
    (root.path / "run/ostree-booted").unlink()
    root.remove_apt()
    root.rename_dnf("something")
    missing = root.install()
    assert missing.returncode == 1 and "neither apt, dnf, tdnf nor yum" in missing.stderr
