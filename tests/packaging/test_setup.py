# SPDX-License-Identifier: MIT
"""packaging/setup where a package manager calls it at the wrong place or time."""

import shutil

import pytest

from bare_machine import BareMachine
from callers import Callers

SETUP = "/usr/lib/msi2imds/setup"
# An image that is being built: a root of its own, with the building machine's kernel and services in sight.
IN_AN_IMAGE = """
mount -t tmpfs image /mnt
for folder in usr etc proc sys run var dev; do mkdir /mnt/$folder; mount --rbind /$folder /mnt/$folder; done
for link in bin sbin lib lib64; do ln -s usr/$link /mnt/$link; done
chroot /mnt "$@"
"""


@pytest.fixture
def machine(published):
    def add_repository(files):
        shutil.copytree(published.apt, files / "srv/apt")

    with BareMachine(add_repository) as machine:
        machine.write("/etc/apt/trusted.gpg.d/msi2imds.asc", published.key)
        machine.write("/etc/apt/sources.list.d/msi2imds.list", "deb file:///srv/apt stable main\n")
        machine.run("apt-get", "-q", "update")
        machine.run("apt-get", "-q", "-y", "install", "msi2imds")
        machine.run("systemctl", "start", "msi2imds")
        yield machine


def test_a_removal_in_an_image_leaves_the_building_machine_alone(machine):
    unshare = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", IN_AN_IMAGE, "sh")
    machine.run(*unshare, SETUP, "remove")
    assert machine.run("systemctl", "is-active", "msi2imds.socket", "msi2imds").split() == ["active"] * 2
    with Callers(machine, count=1) as callers:
        callers.wait_for("token", 20, count=3)
    assert set(callers.outcomes) == {"token"}


def test_a_unit_that_systemd_does_not_take_is_no_obstacle_to_removal(machine):
    machine.write("/etc/systemd/system/msi2imds.service.d/bad.conf", "[Service]\nExecStart=/bin/true\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("apt-get", "-q", "-y", "purge", "msi2imds")
    assert machine.attempt("pgrep", "-x", "msi2imds").stdout == ""


def test_a_group_that_is_there_already_is_taken(machine):
    machine.run("systemctl", "stop", "msi2imds.socket", "msi2imds")
    machine.run("sh", "-ec", "userdel msi2imds; getent group msi2imds || groupadd --system msi2imds")
    machine.run(SETUP, "install")
    assert machine.run("id", "-gn", "msi2imds").strip() == "msi2imds"
