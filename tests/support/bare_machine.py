# SPDX-License-Identifier: MIT
"""A machine with an IMDS, but nothing of msi2imds."""

import pathlib
import shutil

from cloud_machine import packages_of
from machine import EMULATOR_UNIT, Machine
from programs import program

# Of a virtual machine's devices a container lacks the ones that file systems in files need.
LOOP_DEVICES_UNIT = """
[Unit]
DefaultDependencies=no
Before=systemd-sysext.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'mknod /dev/loop-control c 10 237; for n in 0 1 2 3 4 5 6 7; do mknod /dev/loop$n b 7 $n; done'
"""


class BareMachine(Machine):
    """`add(files)` puts what the test brings into the folder that becomes part of the root file system."""

    more_packages = ()

    def __init__(self, add=lambda files: None, suite="bookworm"):
        super().__init__()
        self._add = add
        self.suite = suite
        self.packages = (*packages_of(suite), *self.more_packages)

    def _files(self):
        files = self.directory / "files"
        units = files / "etc/systemd/system"
        (units / "sysinit.target.wants").mkdir(parents=True)
        (units / "imds-emulator.service").write_text(EMULATOR_UNIT)
        (units / "loop-devices.service").write_text(LOOP_DEVICES_UNIT)
        (units / "sysinit.target.wants/loop-devices.service").symlink_to("../loop-devices.service")
        for folder in ("etc/apt", "etc/cloud", "usr/local/sbin"):
            (files / folder).mkdir(parents=True)
        (files / "etc/cloud/cloud-init.disabled").touch()
        (files / "etc/apt/sources.list").write_text("")
        shutil.copy(program("imds-emulator"), files / "usr/local/sbin")
        self._add(files)
        return files

    def _install(self):
        """Nothing."""

    @property
    def root(self):
        """The machine's root file system, seen from here."""
        return pathlib.Path(f"/proc/{self.leader}/root")
