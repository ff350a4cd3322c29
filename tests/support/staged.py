# SPDX-License-Identifier: MIT
"""The tree that `cmake --install` stages, from which sysext image and tarball are made."""

import shutil
import subprocess

from programs import CHECKOUT, program

PACKAGING = CHECKOUT / "packaging"


def stage(directory):
    copies = {
        "usr/lib/msi2imds/setup": PACKAGING / "setup",
        "usr/lib/systemd/system-preset/90-msi2imds.preset": PACKAGING / "system/presets.conf",
        "usr/lib/sysctl.d/10-msi2imds.conf": PACKAGING / "system/sysctl.conf",
        "usr/lib/sysusers.d/msi2imds.conf": PACKAGING / "system/sysusers.conf",
        "usr/lib/tmpfiles.d/msi2imds.conf": PACKAGING / "system/tmpfiles.conf",
        "usr/share/doc/msi2imds/copyright": CHECKOUT / "LICENSE",
        "etc/msi2imds/msi2imds.toml": PACKAGING / "msi2imds.toml",
        "etc/logrotate.d/msi2imds": PACKAGING / "logrotate/msi2imds",
    }
    for unit in (PACKAGING / "systemd").glob("msi2imds*"):
        copies[f"usr/lib/systemd/system/{unit.name}"] = unit
    for drop_in in (PACKAGING / "systemd").glob("[0-9]*/*.conf"):
        copies[f"usr/lib/msi2imds/systemd/{drop_in.parent.name}/{drop_in.name}"] = drop_in
    for path, source in copies.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, directory / path)
    binary = directory / "usr/sbin/msi2imds"
    binary.parent.mkdir()
    subprocess.run(["strip", "-o", binary, program("msi2imds")], check=True)
    return directory
