# SPDX-License-Identifier: MIT
"""The kinds of machine that can be emulated, by Debian's names."""

import dataclasses
import pathlib
import platform
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from debian_root import unpacked_packages

# What the guest's tools are in, where this machine has none that run there.
TOOL_PACKAGES = ("busybox-static", "iproute2", "iptables", "nftables")


@dataclasses.dataclass(frozen=True)
class Architecture:
    name: str
    machine: str  # as uname calls it
    # Emulation works everywhere; /dev/kvm may be there and of no use.
    qemu: tuple
    # Two serial ports: what the guest says, and what it leaves.
    ports: tuple
    console: str
    results: str
    # The preset of the guest's programs.
    preset: str

    @property
    def is_ours(self):
        return platform.machine() == self.machine

    @property
    def libraries(self):
        return f"usr/lib/{self.machine}-linux-gnu"

    @property
    def strip(self):
        return "strip" if self.is_ours else "llvm-strip"

    @property
    def runner(self):
        """What a program of it is started by here."""
        return () if self.is_ours else (f"qemu-{self.machine}",)

    def tools(self):
        """A root directory with the guest's tools."""
        return pathlib.Path("/") if self.is_ours else unpacked_packages(TOOL_PACKAGES, self.name)


ARCHITECTURES = {
    "amd64": Architecture(
        "amd64", "x86_64", ("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"),
        ("-serial", "file:{console}", "-serial", "file:{results}"), "ttyS0", "ttyS1", "release",
    ),
    # A processor of Azure's, without pointer authentication, which would take the emulation a multiple of the time.
    "arm64": Architecture(
        "arm64", "aarch64", ("qemu-system-aarch64", "-accel", "tcg,thread=multi", "-machine", "virt", "-cpu", "neoverse-n1"),
        ("-serial", "file:{console}", "-chardev", "file,id=results,path={results}", "-device", "pci-serial,chardev=results"),
        "ttyAMA0", "ttyS0", "release-arm64",
    ),
}  # fmt: skip


def of_this_machine():
    return next(one for one in ARCHITECTURES.values() if one.is_ours)
