# SPDX-License-Identifier: MIT
"""Root file systems of Debian, made once for each list of packages, and anew when they are a month old."""

import fcntl
import hashlib
import os
import pathlib
import subprocess
import time

# Beside the compiler's cache: it takes minutes to make them, whatever the checkout.
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "msi2imds-debian"
OLDEST_SECONDS = 30 * 86400
# What no test reads.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


class CannotMake(Exception):
    """The packages cannot be had."""


def _mirror_of(suite):
    """Where this machine gets packages of the suite from; nothing: mmdebstrap's own choice."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {suite}"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True)
    return listed.stdout.split()[:1]


def _make_archive(archive, suite, packages):
    partial = archive.with_suffix(f".{os.getpid()}.tar")
    command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(packages)}"]
    command += ["--aptopt=Apt::Install-Recommends false", "--dpkgopt=force-unsafe-io"]
    command += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    try:
        made = subprocess.run([*command, suite, partial, *_mirror_of(suite)], capture_output=True, text=True)
        if made.returncode != 0:
            raise CannotMake(f"mmdebstrap: {made.stderr[-2000:]}")
        partial.rename(archive)
    finally:
        partial.unlink(missing_ok=True)


def debian_root(packages, suite="bookworm"):
    """An archive of a root file system that has these packages."""
    key = hashlib.sha256(repr((sorted(set(packages)), LEFT_OUT)).encode()).hexdigest()[:12]
    archive = CACHE / f"{suite}-{key}.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists() or time.time() - archive.stat().st_mtime > OLDEST_SECONDS:
            _make_archive(archive, suite, packages)
    return archive
