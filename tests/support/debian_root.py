# SPDX-License-Identifier: MIT
"""Root file systems of Debian, made once for each list of packages, and anew when they are a month old."""

import contextlib
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


def _mmdebstrap(target, suite, packages, *options):
    command = ["mmdebstrap", "--quiet", *options, f"--include={','.join(packages)}", "--aptopt=Apt::Install-Recommends false"]
    made = subprocess.run([*command, suite, target, *_mirror_of(suite)], capture_output=True, text=True)
    if made.returncode != 0:
        raise CannotMake(f"mmdebstrap: {made.stderr[-2000:]}")


def _make_archive(archive, suite, packages):
    partial = archive.with_suffix(f".{os.getpid()}.tar")
    left_out = [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    try:
        _mmdebstrap(partial, suite, packages, "--variant=essential", "--dpkgopt=force-unsafe-io", *left_out)
        partial.rename(archive)
    finally:
        partial.unlink(missing_ok=True)


def _key(packages):
    return hashlib.sha256(repr((sorted(set(packages)), LEFT_OUT)).encode()).hexdigest()[:12]


@contextlib.contextmanager
def _locked(path):
    """What it gives: whether that has to be made."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not path.exists() or time.time() - path.stat().st_mtime > OLDEST_SECONDS


def debian_root(packages, suite="bookworm"):
    """An archive of a root file system that has these packages."""
    archive = CACHE / f"{suite}-{_key(packages)}.tar"
    with _locked(archive) as must_make:
        if must_make:
            _make_archive(archive, suite, packages)
    return archive


def unpacked_packages(packages, architecture, suite="bookworm"):
    """A directory into which the packages and what they need were unpacked. Nothing of it was run or set up, so that the
    architecture may be another one."""
    directory = CACHE / f"{suite}-{architecture}-{_key(packages)}"
    with _locked(directory) as must_make:
        if must_make:
            partial = directory.with_suffix(".partial")
            subprocess.run(["rm", "-rf", partial], check=True)
            _mmdebstrap(partial, suite, packages, "--variant=extract", f"--architectures={architecture}")
            subprocess.run(["rm", "-rf", directory], check=True)
            partial.rename(directory)
            directory.touch()
    return directory
