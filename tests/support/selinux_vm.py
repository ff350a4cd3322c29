# SPDX-License-Identifier: MIT
"""A virtual machine with Debian's SELinux policy enforcing from its first process on; its files are labelled before that."""

import ctypes
import os
import pathlib
import shutil
import subprocess

import story_vm

PACKAGES = ("policycoreutils", "selinux-policy-default", "selinux-utils")
COMMAND_LINE = "security=selinux enforcing={enforcing}"
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


def _install(root, package):
    """As the package does, without a package manager's database."""
    subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    subprocess.run(["mount", "--bind", "/dev", root / "dev"], check=True)
    try:
        story_vm.in_root(root, "/usr/lib/msi2imds/setup", "install")
    finally:
        subprocess.run(["umount", root / "dev"], check=True)


def tell_story(package, module, time_limit, enforcing=True):
    """Boots a machine with the deb, and the policy module unless that is None; what it printed on its consoles."""

    def prepare(root):
        _install(root, package)
        if module:
            copy = pathlib.Path(shutil.copy(module, root / "root/msi2imds.pp"))
            story_vm.in_root(root, "semodule", "--noreload", "--install", "/root/msi2imds.pp")
            copy.unlink()
        label(root)

    command = ("selinux_story", "with_module") if module else ("selinux_story",)
    return story_vm.tell_story(command, PACKAGES, prepare, COMMAND_LINE.format(enforcing=int(enforcing)), time_limit)
