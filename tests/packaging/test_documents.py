# SPDX-License-Identifier: MIT
"""What an operator reads and imports comes with every kind of package, as it is in the tree."""

import subprocess

import pytest

from programs import CHECKOUT

PACKAGES = CHECKOUT / "build" / "packages"
PAGES = ("CONTAINERS.md", "FLEET.md", "MIGRATION.md", "TROUBLESHOOTING.md", "callers.md", "json.md", "metrics.md", "monitoring.md", "units.md")
DOCUMENTS = {
    **{name: f"docs/{name}" for name in PAGES},
    **{f"examples/{name}": f"packaging/fleet/{name}" for name in ("alerts.yml", "grafana-dashboard.json")},
}
# How each prints one file; no two versions lie side by side.
READERS = {
    "deb": ("msi2imds_*_amd64.deb", 'dpkg-deb --fsys-tarfile "$1" | tar -xOf - "./usr/share/doc/msi2imds/$2"'),
    "rpm": ("msi2imds-[0-9]*.x86_64.rpm", 'rpm2cpio "$1" | cpio -i --quiet --to-stdout "./usr/share/doc/msi2imds/$2"'),
    "image": ("*-x86-64.raw", 'unsquashfs -cat "$1" "usr/share/doc/msi2imds/$2"'),
    "tarball": ("*-x86_64.tar.gz", 'tar -xzOf "$1" --wildcards "*/share/doc/msi2imds/$2"'),
}


@pytest.mark.parametrize("kind", READERS)
def test_every_kind_of_package_has_them(kind):
    pattern, read = READERS[kind]
    (package,) = PACKAGES.glob(pattern)
    for name, source in DOCUMENTS.items():
        printed = subprocess.run(["sh", "-c", read, "sh", package, name], capture_output=True, check=False).stdout
        # The paths in it are the tarball's own.
        assert printed == (CHECKOUT / source).read_bytes() or (kind == "tarball" and printed), f"{kind}: {name}"
