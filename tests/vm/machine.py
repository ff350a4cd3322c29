# SPDX-License-Identifier: MIT
"""One virtual machine, booted into an initramfs, without any network card."""

import dataclasses
import io
import pathlib
import subprocess
import tarfile
import time

MACHINE = ("-smp", "2", "-m", "1024")
CLOSED = ("-nodefaults", "-display", "none", "-no-reboot", "-nic", "none")
# qemu's translations of a program are found again at the same address only: without norandmaps, starting one takes six
# times as long.
COMMAND_LINE = "norandmaps console={console} quiet loglevel=3 panic=-1 rdinit=/init"
# The guest's first words. What ends before them has run nothing of ours: kernels die there now and then, for reasons
# that are the emulation's.
FIRST_WORDS = "kernel "
ATTEMPTS = 3


@dataclasses.dataclass
class Boot:
    seconds: float
    console: str
    # What the guest left in /results, by name; empty when it did not come to its end.
    results: dict
    failure: str = ""
    attempts: int = 1

    def reached_guest(self):
        return any(line.startswith(FIRST_WORDS) for line in self.console.splitlines())


def boot(architecture, kernel, initramfs, directory, environment, time_limit):
    """Runs the guest to its end; once more where the kernel died before its first process."""
    directory.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, ATTEMPTS + 1):
        machine = _boot_once(architecture, kernel, initramfs, directory, environment, time_limit)
        machine.attempts = attempt
        if machine.reached_guest():
            break
        console = directory / "console"
        console.rename(console.with_suffix(f".{attempt}"))
    return machine


def _boot_once(architecture, kernel, initramfs, directory, environment, time_limit):
    console, results = directory / "console", directory / "results.tar"
    for output in (console, results):
        output.write_bytes(b"")
    told = {"TERMINAL": architecture.console, "RESULTS": architecture.results, **environment}
    variables = " ".join(f"{name}={value}" for name, value in told.items())
    command = [
        *architecture.qemu, *MACHINE, *CLOSED, *(word.format(console=console, results=results) for word in architecture.ports),
        "-kernel", kernel.image, "-initrd", initramfs,
        "-append", f"{COMMAND_LINE.format(console=architecture.console)} {variables}",
    ]
    start = time.monotonic()
    failure = ""
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=time_limit)
        if ended.returncode != 0:
            failure = f"{architecture.qemu[0]}: {ended.stderr.strip()}"
    except subprocess.TimeoutExpired:
        failure = f"not at its end after {time_limit} s"
    seconds = time.monotonic() - start
    found = {} if failure else _unpacked(results)
    if not found and not failure:
        failure = "no results; the kernel may have panicked"
    return Boot(seconds, console.read_text(errors="replace").replace("\r", ""), found, failure)


def _unpacked(archive: pathlib.Path):
    try:
        with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as files:
            members = [member for member in files if member.isfile()]
            return {pathlib.Path(m.name).name: files.extractfile(m).read().decode() for m in members}
    except tarfile.TarError:
        return {}
