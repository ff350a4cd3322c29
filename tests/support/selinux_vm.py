# SPDX-License-Identifier: MIT
"""A virtual machine with an SELinux policy enforcing from its first process on; its files are labelled before that."""

import ctypes
import dataclasses
import os
import pathlib
import shutil
import subprocess

import debian_root
import story_vm
from programs import CHECKOUT

PACKAGES = ("logrotate", "policycoreutils", "selinux-policy-default", "selinux-utils")
COMMAND_LINE = "security=selinux enforcing={enforcing}"
# What the package of the module does when it goes.
REMOVAL = [CHECKOUT / "packaging/rpm/selinux" / name for name in ("preun", "postun")]
# The story is what an administrator does at a shell.
ADMINISTRATOR = "[Service]\nSELinuxContext=unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\n"


@dataclasses.dataclass(frozen=True)
class Policy:
    """Of a distribution; the rest of the machine is Debian's."""

    kind: str  # SELINUXTYPE
    service_domain: str  # of services that it does not know
    installed: pathlib.Path | None = None  # a directory with its /etc/selinux/KIND and /var/lib/selinux/KIND; none: Debian's

    @property
    def is_there(self):
        return self.installed is None or self.installed.is_dir()


def _of_el(name):
    return Policy("targeted", "unconfined_service_t", debian_root.CACHE.with_name("msi2imds-selinux") / name)


POLICIES = {"debian": Policy("default", "initrc_t"), "el9": _of_el("el9"), "el10": _of_el("el10")}


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


def label(root, kind):
    """As `setfiles` would on a machine with SELinux."""
    labels = Labels(root / f"etc/selinux/{kind}/contexts/files/file_contexts")
    for directory, folders, files in os.walk(root):
        for name in (".", *folders, *files):
            path = os.path.normpath(os.path.join(directory, name))
            wanted = labels.of("/" + os.path.relpath(path, root).removeprefix("."), os.lstat(path).st_mode)
            if wanted:
                os.setxattr(path, "security.selinux", wanted + b"\0", follow_symlinks=False)


def _choose(policy, root):
    if policy.installed:
        subprocess.run(["cp", "--archive", f"{policy.installed}/.", root], check=True)
    (root / "etc/selinux/config").write_text(f"SELINUX=enforcing\nSELINUXTYPE={policy.kind}\n")
    folder = root / "etc/systemd/system/story.service.d"
    folder.mkdir()
    (folder / "administrator.conf").write_text(ADMINISTRATOR)


def _install(root, package):
    """As the package does, without a package manager's database."""
    subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    subprocess.run(["mount", "--bind", "/dev", root / "dev"], check=True)
    try:
        story_vm.in_root(root, "/usr/lib/msi2imds/setup", "install")
    finally:
        subprocess.run(["umount", root / "dev"], check=True)


def tell_story(package, module, policy, time_limit, enforcing=True):
    """Boots a machine with the deb, and the policy module unless that is None; what it printed on its consoles."""

    def prepare(root):
        _choose(policy, root)
        _install(root, package)
        if module:
            for file in (module, *REMOVAL):
                shutil.copy(file, root / "root")
            story_vm.in_root(root, "semodule", "--noreload", "--install", f"/root/{module.name}")
        label(root, policy.kind)

    command = ("selinux_story", "with_module") if module else ("selinux_story",)
    return story_vm.tell_story(command, PACKAGES, prepare, COMMAND_LINE.format(enforcing=int(enforcing)), time_limit)
