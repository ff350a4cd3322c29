# SPDX-License-Identifier: MIT
"""Debian's kernels: fetched with apt, unpacked, kept in build/vm. The machine's own package lists stay as they are."""

import dataclasses
import pathlib
import re
import shutil
import subprocess

META_PACKAGE = "linux-image-cloud-{architecture}"
IMAGE = r"linux-image-\d"
# Packages of their own since Linux 7.2.
PARTS = r"linux-(base|binary|modules)-\d"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class DownloadFailed(Exception):
    """The mirror did not give us the package."""


@dataclasses.dataclass(frozen=True)
class Release:
    suite: str
    # What its kernel's version begins with; none where that moves on.
    version: str = ""
    # An old release leaves the mirrors one day, and not every mirror has the newest.
    may_be_gone: bool = False

    @property
    def name(self):
        return self.version or self.suite


RELEASES = (Release("bullseye", "5.10", may_be_gone=True), Release("bookworm", "6.1"), Release("trixie", "6.12"))
NEWEST = (Release("forky", may_be_gone=True), Release("trixie-backports", may_be_gone=True))


@dataclasses.dataclass(frozen=True)
class Kernel:
    version: str
    image: pathlib.Path
    root: pathlib.Path

    @property
    def modules(self):
        return self.root / "lib/modules" / self.version


def _run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def _checked(*command, **options):
    ended = _run(*command, **options)
    if ended.returncode != 0:
        raise DownloadFailed(f"{command[0]}: {ended.stderr.strip()}")
    return ended.stdout


def debian_mirror():
    """The one this machine takes its own packages from, or None where there is none."""
    if not shutil.which("apt-get"):
        return None
    listed = _run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    suites = "|".join(["bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable"])
    found = re.search(rf"^(\S+) (?:{suites}) main$", listed.stdout, re.MULTILINE)
    return found[1] if found else None


class Apt:
    """apt with lists, cache and sources of its own; proxies and the like are the machine's."""

    def __init__(self, directory, mirror, suite, architecture):
        self._directory = directory
        for part in ("lists/partial", "cache/archives/partial"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        sources = directory / "sources.list"
        sources.write_text(f"deb [arch={architecture} signed-by={KEYRING}] {mirror} {suite} main\n")
        settings = {
            "Dir::State": directory,
            "Dir::State::lists": directory / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": directory / "cache",
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "APT::Architecture": architecture,
            # The directories are root's.
            "APT::Sandbox::User": "root",
        }
        self._options = [f"-o{name}={value}" for name, value in settings.items()]

    def update(self):
        _checked("apt-get", *self._options, "update", "-q", "--error-on=any")

    def dependencies(self, package, pattern):
        """Those packages that another one depends on whose names match."""
        depends = _checked("apt-cache", *self._options, "depends", "--important", package)
        return [name for name in re.findall(r"Depends: (\S+)", depends) if re.match(pattern, name)]

    def download(self, package):
        _checked("apt-get", *self._options, "download", "-q", package, cwd=self._directory)
        return next(self._directory.glob(f"{package}_*.deb"))


def _unpacked(root):
    """The kernel of a package that was unpacked to its end, or None."""
    versions = [path.name for path in root.glob("lib/modules/*")]
    images = [path for path in (*root.glob("boot/vmlinuz-*"), *root.glob("lib/modules/*/vmlinuz"))]
    return Kernel(versions[0], images[0], root) if versions and images else None


def fetch(release, directory, mirror, architecture):
    """The release's kernel, downloaded unless an earlier run did. Each architecture has a directory of its own."""
    root = directory / "kernels" / release.suite
    kernel = _unpacked(root)
    if kernel is None:
        apt = Apt(directory / "apt" / release.suite, mirror, release.suite, architecture)
        apt.update()
        image = apt.dependencies(META_PACKAGE.format(architecture=architecture), IMAGE)[0]
        partial = root.with_name(f"{root.name}.partial")
        subprocess.run(["rm", "-rf", partial], check=True)
        partial.mkdir(parents=True)
        for name in (image, *apt.dependencies(image, PARTS)):
            package = apt.download(name)
            subprocess.run(["dpkg-deb", "--extract", package, partial], check=True)
            package.unlink()
        if not (partial / "lib").exists():  # newer packages say usr/lib
            (partial / "lib").symlink_to("usr/lib")
        partial.rename(root)
        kernel = _unpacked(root)
    assert kernel and kernel.version.startswith(release.version), f"{release.suite} has {kernel}"
    return kernel
