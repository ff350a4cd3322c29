# SPDX-License-Identifier: MIT
"""Where the programs under test are, and how a test starts and ends one."""

import contextlib
import os
import pathlib
import signal
import subprocess

from waiting import SLOWNESS

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
CLIENTS = CHECKOUT / "build" / "e2e-clients"


def build_directory():
    return pathlib.Path(os.environ.get("MSI2IMDS_BUILD", CHECKOUT / "build" / "release"))


def program(name):
    path = build_directory() / name
    assert path.exists(), f"{path} is missing: build it, or point MSI2IMDS_BUILD at a build directory"
    return path


def clean_environment(**more):
    """No proxy variable reaches a program under test, nor a setting of the developer's shell."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", **more}


def run_in(namespace, *arguments, environment=None, timeout=30):
    """Runs a program in the namespace to its end; its output is text."""
    return subprocess.run(
        namespace.command(*arguments),
        env=environment or clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout * SLOWNESS,
    )


def start_in(namespace, *arguments, environment=None, **popen_options):
    """Starts a program in the namespace; `pid` is the program's own."""
    return subprocess.Popen(
        namespace.command(*arguments),
        env=environment or clean_environment(),
        stdin=subprocess.DEVNULL,
        **popen_options,
    )


def stop(process, seconds=15):
    """Asks, then ends it; returns the exit status, negative for a signal."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds * SLOWNESS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


@contextlib.contextmanager
def stopped(pid):
    """A process that stands still meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
