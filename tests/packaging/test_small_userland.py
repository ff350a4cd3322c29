# SPDX-License-Identifier: MIT
"""The tarball's install.sh and uninstall.sh in a root that has busybox and nothing else, and in one with /usr/local."""

import gzip
import os
import pathlib
import re
import shutil
import stat
import subprocess

import pytest

from programs import CHECKOUT

PACKAGING = CHECKOUT / "packaging"
TARBALL = "msi2imds-1.2.3-x86_64.tar.gz"
PROGRAM = "#!/bin/sh\necho msi2imds 1.2.3\n"  # what it does elsewhere is no matter here


@pytest.fixture(scope="module")
def tarball(tmp_path_factory):
    """Of the scripts and units as they are, and a program that only tells its version."""
    staged = tmp_path_factory.mktemp("staged")
    for folder in ("usr/sbin", "usr/lib/msi2imds", "usr/lib/systemd/system", "usr/lib/systemd/system-preset",
                   "usr/lib/tmpfiles.d", "usr/share/man/man5", "usr/share/man/man8", "etc/logrotate.d", "etc/msi2imds"):  # fmt: skip
        (staged / folder).mkdir(parents=True)
    (staged / "usr/sbin/msi2imds").write_text(PROGRAM)
    shutil.copy(PACKAGING / "setup", staged / "usr/lib/msi2imds/setup")
    shutil.copytree(PACKAGING / "systemd", staged / "usr/lib/msi2imds/systemd")
    for unit in ("msi2imds.service", "msi2imds.socket", "msi2imds-observe.service", "msi2imds-textfile.service", "msi2imds-textfile.timer"):
        shutil.copy(PACKAGING / "systemd" / unit, staged / "usr/lib/systemd/system")
    for page in ("man5/msi2imds.toml.5.gz", "man8/msi2imds.8.gz"):
        (staged / "usr/share/man" / page).write_bytes(gzip.compress(b".TH"))
    shutil.copy(PACKAGING / "logrotate/msi2imds", staged / "etc/logrotate.d")
    shutil.copy(PACKAGING / "msi2imds.toml", staged / "etc/msi2imds")
    for script in ("usr/sbin/msi2imds", "usr/lib/msi2imds/setup"):
        (staged / script).chmod(0o755)
    made = staged / TARBALL
    subprocess.run([PACKAGING / "coreos/make-tarball", staged, made], check=True)
    return made


# Debian builds busybox without them; with the options that busybox's own have.
APPLETS = {
    "addgroup": '[ "$1" = -S ] && [ $# = 2 ] && echo "$2:x:99:" >>/etc/group',
    "adduser": """
        [ "$1 $2 $3 $4 $5 $6 $7 $8" = "-S -D -H -h /nonexistent -s /sbin/nologin -G" ] && [ $# = 10 ] || exit 1
        gid=$(sed -n "s/^$9:x:\\([0-9]*\\):.*/\\1/p" /etc/group) && shift 9
        echo "$1:x:98:$gid::/nonexistent:/sbin/nologin" >>/etc/passwd""",
    "deluser": '[ $# = 1 ] && sed -i "/^$1:/d" /etc/passwd',
    "delgroup": '[ $# = 1 ] && sed -i "/^$1:/d" /etc/group',
}


class SmallRoot:
    """A root directory with busybox, its applets but for `without`, and the files of users."""

    def __init__(self, directory, tarball, without=(), more=()):
        self.path = directory
        for folder in ("bin", "dev", "etc", "root", "tmp", "var/lib", *more):
            (directory / folder).mkdir(parents=True)
        shutil.copy("/usr/bin/busybox", directory / "bin")  # linked statically
        for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet not in ("busybox", "getent", "useradd", *APPLETS):
                (directory / "bin" / applet).symlink_to("busybox")
        for applet, does in APPLETS.items():
            if applet not in without:
                (directory / "bin" / applet).write_text(f"#!/bin/sh\n{does}\n")
                (directory / "bin" / applet).chmod(0o755)
        os.mknod(directory / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        (directory / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (directory / "etc/group").write_text("root:x:0:\n")
        (directory / "etc/shadow").write_text("root:*:1:0:99999:7:::\n")
        subprocess.run(["tar", "-xzf", tarball, "-C", directory / "root"], check=True)

    def run(self, *command):
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/sbin:/bin"}
        return subprocess.run(["chroot", self.path, *command], env=environment, capture_output=True, text=True, check=False)

    def install(self):
        return self.run("/root/msi2imds-1.2.3/install.sh")

    def uninstall(self):
        return self.run("/opt/msi2imds/uninstall.sh", "--purge")

    def files(self):
        """All but what adduser keeps of the files before."""
        found = {os.path.relpath(pathlib.Path(folder) / name, self.path) for folder, folders, files in os.walk(self.path) for name in folders + files}
        return {path for path in found if not re.fullmatch(r"etc/(passwd|group|g?shadow)[-+]?|etc/\.pwd\.lock", path)}


def test_busybox_alone_is_enough(tmp_path, tarball):
    root = SmallRoot(tmp_path, tarball)
    before = root.files()
    installed = root.install()
    assert (installed.returncode, installed.stderr) == (0, ""), installed
    assert "installed: msi2imds 1.2.3" in installed.stdout
    user = next(line for line in (root.path / "etc/passwd").read_text().splitlines() if line.startswith("msi2imds:"))
    group = next(line for line in (root.path / "etc/group").read_text().splitlines() if line.startswith("msi2imds:"))
    assert user.split(":")[3] == group.split(":")[2] and user.endswith(":/nonexistent:/sbin/nologin")
    assert root.install().returncode == 0, "an upgrade"
    removed = root.uninstall()
    assert (removed.returncode, removed.stderr) == (0, ""), removed
    assert root.files() == before, "no empty folder either"
    assert "msi2imds" not in (root.path / "etc/passwd").read_text() + (root.path / "etc/group").read_text()


def test_a_user_that_cannot_be_made_is_said_and_the_rest_is_done(tmp_path, tarball):
    root = SmallRoot(tmp_path, tarball, without=("adduser", "addgroup"))
    installed = root.install()
    assert installed.returncode == 0, installed
    assert "user msi2imds could not be made: make it, with a group of that name, or set responder.user" in installed.stdout
    assert (root.path / "var/lib/msi2imds").is_dir() and "installed: msi2imds 1.2.3" in installed.stdout


def test_where_opt_bin_is_in_nobodys_path_it_is_found_all_the_same(tmp_path, tarball):
    root = SmallRoot(tmp_path, tarball, more=("usr/local/bin",))
    before = root.files()
    assert "PATH does not have it" not in root.install().stdout
    assert root.run("msi2imds", "--version").stdout == "msi2imds 1.2.3\n"
    for page in ("man8/msi2imds.8.gz", "man5/msi2imds.toml.5.gz"):
        assert root.run("test", "-e", f"/usr/local/share/man/{page}").returncode == 0
    assert root.uninstall().returncode == 0
    assert root.files() == before


def test_what_is_in_usr_local_already_stays(tmp_path, tarball):
    root = SmallRoot(tmp_path, tarball, more=("usr/local/bin",))
    own = root.path / "usr/local/bin/msi2imds"
    own.write_text("#!/bin/sh\necho own\n")
    root.install()
    assert "echo own" in own.read_text()
    root.uninstall()
    assert "echo own" in own.read_text()


def test_where_nothing_can_be_linked_it_is_said_how_to_call_it(tmp_path, tarball):
    assert "PATH does not have it: call it /opt/bin/msi2imds" in SmallRoot(tmp_path, tarball).install().stdout
