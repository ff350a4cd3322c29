# SPDX-License-Identifier: MIT
"""A machine with systemd as its first process: a container of systemd-nspawn, on loopback only."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from debian_root import debian_root
from kernel_state import children_of, is_running, status_of
from namespace import IMDS_ADDRESS, Namespace
from programs import CHECKOUT, clean_environment, program
from waiting import wait_until

PACKAGES = ("iptables", "nftables", "procps", "systemd-sysv")
PACKAGING = CHECKOUT / "packaging"
UNITS = PACKAGING / "systemd"

# Everything is mounted in a mount namespace of its own, which takes it away with the last process in it.
START = """
set -e
for cgroup in $CGROUPS; do
  echo $$ > "$cgroup/cgroup.procs"
done
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs "$ROOT"
tar --extract --file="$ARCHIVE" --directory="$ROOT"
cp --recursive "$FILES/." "$ROOT"
mount -t bpf -o mode=700 bpf "$BPF"
while true; do
  ended=0
  systemd-nspawn --quiet --register=no --keep-unit --link-journal=no --machine=msi2imds --directory="$ROOT" --private-network \
    --boot --console=pipe --capability=all --system-call-filter="$SYSTEM_CALLS" --bind="$BPF:/sys/fs/bpf" ||
    ended=$?
  [ "$ended" = "$REBOOT" ] || exit "$ended"
done
"""
REBOOT = 133  # how systemd-nspawn ends then

EMULATOR_UNIT = f"""
[Service]
ExecStart=/usr/local/sbin/imds-emulator --listen {IMDS_ADDRESS}:80
"""


class GuestNetwork(Namespace):
    """The network of a machine, which made it and removes it."""

    def __init__(self, leader):
        self.path = f"/proc/{leader}/ns/net"

    def add_imds_address(self):
        subprocess.run(self.command("ip", "address", "add", f"{IMDS_ADDRESS}/32", "dev", "lo"), check=True)


def _hierarchies(kind):
    """Where cgroups of this kind are mounted on the host."""
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return [pathlib.Path(path) for _, path, found, *_ in mounts if found == kind]


def _cgroup2():
    mounted = _hierarchies("cgroup2")
    assert mounted, "no cgroup2 is mounted"
    return mounted[0]


def can_have_legacy_cgroups():
    return any(path.name == "systemd" for path in _hierarchies("cgroup"))


class Machine:
    """Booted on entry and gone on exit. It has msi2imds as its packages install it, and an IMDS on its own loopback."""

    suite = "bookworm"
    packages = PACKAGES
    system_calls = "bpf perf_event_open"  # beside those that systemd-nspawn allows

    def __init__(self, legacy_cgroups=False):
        """With `legacy_cgroups`, nothing mounts cgroup2 in the machine."""
        self.legacy_cgroups = legacy_cgroups

    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="msi2imds-machine-"))
        # All that the machine runs or attaches stays within.
        self.cgroup = _cgroup2() / self.directory.name
        self.cgroups = [self.cgroup]
        if self.legacy_cgroups:
            # A new cpuset takes no process before it is told its processors; systemd does without.
            hierarchies = [path for path in _hierarchies("cgroup") if path.name != "cpuset"]
            self.cgroups += [path / self.directory.name for path in hierarchies]
        self.process = self.leader = None
        try:
            self._boot(debian_root(self.packages, self.suite), self._files())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _files(self):
        """What the machine has besides Debian's packages."""
        files = self.directory / "files"
        folders = ("sbin", "local/sbin", "lib/systemd/system", "lib/msi2imds", "lib/sysusers.d", "lib/tmpfiles.d")
        for folder in folders:
            (files / "usr" / folder).mkdir(parents=True)
        shutil.copy(program("msi2imds"), files / "usr/sbin")
        shutil.copy(program("imds-emulator"), files / "usr/local/sbin")
        for unit in UNITS.glob("*.[st]*"):
            shutil.copy(unit, files / "usr/lib/systemd/system")
        for generation in UNITS.glob("[0-9]*"):
            shutil.copytree(generation, files / "usr/lib/msi2imds/systemd" / generation.name)
        shutil.copy(PACKAGING / "setup", files / "usr/lib/msi2imds")
        for kind in ("sysusers", "tmpfiles"):
            shutil.copy(PACKAGING / "system" / f"{kind}.conf", files / f"usr/lib/{kind}.d/msi2imds.conf")
        (files / "usr/lib/systemd/system/imds-emulator.service").write_text(EMULATOR_UNIT)
        return files

    def _boot(self, archive, files):
        for cgroup in self.cgroups:
            cgroup.mkdir()
        places = {"ARCHIVE": archive, "FILES": files, "CGROUPS": " ".join(map(str, self.cgroups))}
        for name in ("ROOT", "BPF"):
            places[name] = self.directory / name.lower()
            places[name].mkdir()
        with (self.directory / "console").open("wb") as console:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--propagation=private", "sh", "-c", START],
                env=clean_environment(
                    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="0" if self.legacy_cgroups else "1",
                    REBOOT=str(REBOOT),
                    SYSTEM_CALLS=self.system_calls,
                    **{name: str(path) for name, path in places.items()},
                ),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_booted()
        self._install()

    def reboot(self):
        """Its files stay; its network is a new one."""
        before = self.leader
        self.attempt("systemctl", "reboot")
        wait_until(lambda: not is_running(before), 60, "the machine is down")
        self._wait_until_booted()

    def _wait_until_booted(self):
        self.leader = wait_until(self._find_leader, 60, "the machine has a first process")
        wait_until(self._is_booted, 60, "the machine has booted")
        self.network = GuestNetwork(self.leader)
        self.network.add_imds_address()
        self.run("systemctl", "start", "imds-emulator")

    def _install(self):
        """What a package does once its files are there."""
        self.run("/usr/lib/msi2imds/setup", "install")

    def _find_leader(self):
        assert self.process.poll() is None, f"systemd-nspawn: {(self.directory / 'console').read_text()}"
        of_nspawn = [pid for child in children_of(self.process.pid) for pid in children_of(child)]
        running = [pid for pid in of_nspawn if is_running(pid)]  # not that of before a reboot
        return next((pid for pid in running if status_of(pid).get("NSpid", "").split()[1:] == ["1"]), None)

    def _is_booted(self):
        assert self.process.poll() is None, f"systemd-nspawn: {(self.directory / 'console').read_text()}"
        return self.attempt("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def close(self):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.leader or self.process.pid, signal.SIGKILL)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        wait_until(lambda: not self._pids(), 10, "nothing runs in the machine's cgroup")
        # systemd-nspawn makes one of version 1, too.
        for hierarchy in _hierarchies("cgroup") + _hierarchies("cgroup2"):
            for directory, _, _ in os.walk(hierarchy / self.directory.name, topdown=False):
                os.rmdir(directory)
        shutil.rmtree(self.directory)

    def _pids(self):
        """Also ends what still runs there."""
        pids = [int(pid) for procs in self.cgroup.rglob("cgroup.procs") for pid in procs.read_text().split()]
        for pid in filter(is_running, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids

    def write(self, path, text):
        """Writes a file of the machine."""
        file = pathlib.Path(f"/proc/{self.leader}/root{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def popen(self, *arguments, namespaces=("mount", "uts", "ipc", "net", "pid", "cgroup"), **popen_options):
        """Starts a program as one of the machine's, also for what is attached to its cgroups."""
        entered = pathlib.Path(f"/proc/{self.leader}/cgroup").read_text().split("0::")[1].split()[0]
        join = f'echo $$ > "{_cgroup2()}{entered}/cgroup.procs" && exec "$@"'
        enter = ["nsenter", f"--target={self.leader}", *[f"--{name}" for name in namespaces], "--"]
        return subprocess.Popen(
            ["sh", "-c", join, "sh", *enter, *[str(argument) for argument in arguments]],
            env=clean_environment(),
            text=True,
            **popen_options,
        )

    def attempt(self, *arguments, timeout=120):
        """Runs a program of the machine to its end, whatever it returns."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with self.popen(*arguments, **pipes) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def run(self, *arguments):
        """Runs a program of the machine that must succeed; returns what it prints."""
        ended = self.attempt(*arguments)
        assert ended.returncode == 0, f"{' '.join(arguments)}: exit {ended.returncode}: {ended.stdout}{ended.stderr}"
        return ended.stdout
