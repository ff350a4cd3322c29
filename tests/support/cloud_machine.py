# SPDX-License-Identifier: MIT
"""A machine of some Debian that has nothing of msi2imds: what its cloud-init is told is all that it gets."""

import pathlib
import shutil
import subprocess

from machine import EMULATOR_UNIT, Machine
from programs import CHECKOUT, program

SUPPORT = CHECKOUT / "tests" / "support"
STORY = CHECKOUT / "tests" / "packaging" / "guest"
PACKAGES = (
    "apt", "ca-certificates", "cloud-init", "curl", "dbus", "iproute2", "iptables", "netbase", "nftables", "procps",
    "systemd-sysv",
)  # fmt: skip
# The package manager of another system.
DNF = ("dnf", "rpm")
CLOUD_CONFIGURATION = """
datasource_list: [NoCloud, None]
network: {config: disabled}
ssh_genkeytypes: []
locale: C.UTF-8
resize_rootfs: false
"""


def packages_of(suite):
    """Debian 11 cannot install bpftool, by which the story sees BPF links."""
    return PACKAGES if suite == "bullseye" else (*PACKAGES, "bpftool")


def user_data(form, key_file):
    """One of the shipped files, filled in for a repository in the machine's own /srv."""
    shipped = CHECKOUT / "packaging" / "cloud-init"
    command = [shipped / "fill-in", "file:///srv", key_file, shipped / f"{form}.yaml"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def cloud_files(files, repositories, user_data):
    """Puts into `files` what the machine has besides Debian's packages: cloud-init's seed, the emulator, the story."""
    for folder in ("usr/local/sbin", "etc/systemd/system", "etc/cloud/cloud.cfg.d", "etc/apt", "srv",
                   "var/lib/cloud/seed/nocloud"):  # fmt: skip
        (files / folder).mkdir(parents=True)
    (files / "etc/apt/sources.list").write_text("")
    (files / "etc/cloud/cloud.cfg.d/99-test.cfg").write_text(CLOUD_CONFIGURATION)
    seed = files / "var/lib/cloud/seed/nocloud"
    (seed / "meta-data").write_text("instance-id: test\nlocal-hostname: msi2imds-test\n")
    (seed / "user-data").write_text(user_data)
    shutil.copy(program("imds-emulator"), files / "usr/local/sbin")
    (files / "etc/systemd/system/imds-emulator.service").write_text(EMULATOR_UNIT)
    for name, repository in repositories.items():
        shutil.copytree(repository, files / "srv" / name)
    shutil.copytree(STORY, files / "srv/story")
    for name in ("calling.py", "raw_http.py", "msi-extension"):
        shutil.copy(SUPPORT / name, files / "srv/story")


class CloudMachine(Machine):
    """Booted on entry, when cloud-init is done, and gone on exit. `repositories` are put into /srv under their names."""

    more_packages = ()

    def __init__(self, suite, repositories, user_data):
        super().__init__()
        self.suite = suite
        self.packages = (*packages_of(suite), *self.more_packages)
        self._repositories = repositories
        self._user_data = user_data

    def _files(self):
        files = pathlib.Path(self.directory) / "files"
        files.mkdir()
        cloud_files(files, self._repositories, self._user_data)
        return files

    def _install(self):
        """Nothing but what cloud-init has installed."""
