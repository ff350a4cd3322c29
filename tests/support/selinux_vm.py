# SPDX-License-Identifier: MIT
"""A virtual machine with Debian's SELinux policy enforcing from its first process on; its files are labelled before that."""

import ctypes
import os
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
    "policycoreutils", "procps", "selinux-policy-default", "selinux-utils", "systemd-sysv", "udev",
)  # fmt: skip
# All denials are logged, however many there are.
COMMAND_LINE = "security=selinux enforcing={enforcing} log_buf_len=4M sysctl.kernel.printk_ratelimit=0"
STORY = CHECKOUT / "tests" / "packaging" / "guest" / "selinux_story"
STORY_UNIT = """
[Unit]
After=multi-user.target imds-emulator.service
Wants=imds-emulator.service
[Service]
Type=oneshot
ExecStart=/bin/sh /usr/local/sbin/selinux_story {argument}
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/dev/ttyS1
StandardError=file:/dev/ttyS1
"""
# It is emulated, on a busy machine.
SLOW = "[Service]\nTimeoutStartSec=600\nWatchdogSec=600\n"
LABELS = "etc/selinux/default/contexts/files/file_contexts"


class _Option(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int), ("value", ctypes.c_char_p))


class Labels:
    """What the policy of a root file system wants its files to be labelled; no machine with SELinux is needed."""

    FILES, PATH = 0, 3  # SELABEL_CTX_FILE, SELABEL_OPT_PATH

    def __init__(self, path):
        self._library = ctypes.CDLL("libselinux.so.1", use_errno=True)
        self._library.selabel_open.restype = ctypes.c_void_p
        options = (_Option * 1)(_Option(self.PATH, os.fsencode(path)))
        self._handle = ctypes.c_void_p(self._library.selabel_open(self.FILES, options, 1))
        assert self._handle, f"{path}: {os.strerror(ctypes.get_errno())}"

    def of(self, path, mode):
        """None: the policy has no opinion."""
        label = ctypes.c_char_p()
        found = self._library.selabel_lookup_raw(self._handle, ctypes.byref(label), os.fsencode(path), mode)
        if found != 0:
            return None
        copied = label.value
        self._library.freecon(label)
        return copied


def label(root):
    """As `setfiles` would on a machine with SELinux."""
    labels = Labels(root / LABELS)
    for directory, folders, files in os.walk(root):
        for name in (".", *folders, *files):
            path = os.path.normpath(os.path.join(directory, name))
            wanted = labels.of("/" + os.path.relpath(path, root).removeprefix("."), os.lstat(path).st_mode)
            if wanted:
                os.setxattr(path, "security.selinux", wanted + b"\0", follow_symlinks=False)


def _in_root(root, *command):
    ended = subprocess.run(["chroot", root, *command], capture_output=True, text=True)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"


def _install(root, files):
    """As the package does, without a package manager's database."""
    subprocess.run(["cp", "--recursive", "--no-dereference", f"{files}/.", root], check=True)
    subprocess.run(["mount", "--bind", "/dev", root / "dev"], check=True)
    try:
        _in_root(root, "/usr/lib/msi2imds/setup", "install")
    finally:
        subprocess.run(["umount", root / "dev"], check=True)


def tell_story(package, module, time_limit, enforcing=True):
    """Boots a machine with the deb, and the policy module unless that is None; what it printed on its consoles."""
    with tempfile.TemporaryDirectory(prefix="msi2imds-selinux-") as directory:
        work = pathlib.Path(directory)
        root, files = work / "root", work / "files"
        for folder in (root, files / "etc/systemd/system", files / "usr/local/sbin"):
            folder.mkdir(parents=True)
        cloud_vm.extract(debian_root(PACKAGES), root)
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
        units = files / "etc/systemd/system"
        (units / "story.service").write_text(STORY_UNIT.format(argument="with_module" if module else ""))
        (units / "msi2imds.service.d").mkdir()
        (units / "msi2imds.service.d/slow.conf").write_text(SLOW)
        (units / "imds-address.service").write_text(cloud_vm.ADDRESS_UNIT)
        (units / "imds-emulator.service").write_text(EMULATOR_UNIT)
        cloud_vm.add_wants(files, "multi-user.target", "story.service")
        cloud_vm.add_wants(files, "imds-emulator.service", "imds-address.service")
        (files / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
        shutil.copy(program("imds-emulator"), files / "usr/local/sbin")
        shutil.copy(STORY, files / "usr/local/sbin")
        _install(root, files)
        if module:
            copy = pathlib.Path(shutil.copy(module, root / "root/msi2imds.pp"))
            _in_root(root, "semodule", "--noreload", "--install", "/root/msi2imds.pp")
            copy.unlink()
        label(root)
        return cloud_vm.boot(root, work, COMMAND_LINE.format(enforcing=int(enforcing)), time_limit)
