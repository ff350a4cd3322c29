# SPDX-License-Identifier: MIT
"""A virtual machine in which a script of tests/packaging/guest is played, with the kernel's part of SELinux or AppArmor."""

import pathlib
import shutil
import subprocess
import tempfile

import cloud_vm
from debian_root import debian_root
from machine import EMULATOR_UNIT
from programs import CHECKOUT, program

PACKAGES = (
    "curl", "dbus", "initramfs-tools", "iproute2", "iptables", "kmod", "linux-image-cloud-amd64", "netbase", "nftables",
    "procps", "systemd-sysv", "udev",
)  # fmt: skip
# All denials are logged, however many there are.
COMMAND_LINE = "log_buf_len=4M sysctl.kernel.printk_ratelimit=0"
STORIES = CHECKOUT / "tests" / "packaging" / "guest"
# It is emulated, on a busy machine.
SLOW = "[Service]\nTimeoutStartSec=600\nWatchdogSec=600\n"


def in_root(root, *command):
    """Runs a program of that root file system."""
    ended = subprocess.run(["chroot", root, *command], capture_output=True, text=True)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"


def _add_files(files, command):
    units = files / "etc/systemd/system"
    story = " ".join(("/bin/sh", f"/usr/local/sbin/{command[0]}", *command[1:]))
    (units / "story.service").write_text(cloud_vm.STORY_UNIT.format(after="multi-user.target", command=story))
    (units / "msi2imds.service.d").mkdir()
    (units / "msi2imds.service.d/slow.conf").write_text(SLOW)
    (units / "imds-address.service").write_text(cloud_vm.ADDRESS_UNIT)
    (units / "imds-emulator.service").write_text(EMULATOR_UNIT)
    cloud_vm.add_wants(files, "multi-user.target", "story.service")
    cloud_vm.add_wants(files, "imds-emulator.service", "imds-address.service")
    (files / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    shutil.copy(program("imds-emulator"), files / "usr/local/sbin")
    shutil.copy(STORIES / command[0], files / "usr/local/sbin")


def tell_story(command, packages, prepare, command_line, time_limit):
    """Boots a machine with these packages of Debian's besides, whose root `prepare` has changed, and plays the script with
    its arguments; what the machine printed on its consoles."""
    with tempfile.TemporaryDirectory(prefix="msi2imds-story-") as directory:
        work = pathlib.Path(directory)
        root, files = work / "root", work / "files"
        for folder in (root, files / "etc/systemd/system", files / "usr/local/sbin"):
            folder.mkdir(parents=True)
        cloud_vm.extract(debian_root((*PACKAGES, *packages)), root)
        _add_files(files, command)
        subprocess.run(["cp", "--recursive", "--no-dereference", f"{files}/.", root], check=True)
        prepare(root)
        return cloud_vm.boot(root, work, f"{COMMAND_LINE} {command_line}", time_limit)
