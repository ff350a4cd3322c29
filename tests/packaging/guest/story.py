#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The life of the package on one machine, from what cloud-init installed to a purge that leaves nothing.

Runs in the machine: story.py apt|dnf VERSION NEWER [STEP...]. Prints a line for each step: PASS NAME, or FAIL NAME: WHY.
Beside this file are calling.py, raw_http.py and msi-extension; /srv/apt is a repository with the one version,
/srv/apt-newer and /srv/yum with both, /srv/tampered one that somebody has changed. With dnf cloud-init has installed nothing.
"""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import pwd
import re
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
UNITS = ("msi2imds.socket", "msi2imds.service")
OBSERVER = "msi2imds-observe.service"
CONFIGURATION = pathlib.Path("/etc/msi2imds/msi2imds.toml")
SITE = pathlib.Path("/etc/msi2imds/conf.d/90-story.toml")
EXTENSION_PORT = 50342
URL = f"http://localhost:{EXTENSION_PORT}/oauth2/token?resource=https%3A%2F%2Fmanagement.azure.com%2F"
SECONDS = 60
# What other programs write by themselves, and what a package manager keeps of every package.
VOLATILE = re.compile(
    r"/(proc|sys|dev|tmp|srv|root|boot|var/(tmp|cache|log/(journal|apt|private)|lib/(apt|dpkg|cloud|systemd|private)))(/|$)"
    r"|/run/(?!.*msi2imds)|/etc/[a-z.]+-$|/var/log/(dpkg\.log|alternatives\.log|cloud-init.*|[bw]tmp|lastlog|faillog|syslog)$"
    r"|/etc/ld\.so\.cache$|/__pycache__(/|$)|/etc/\.pwd\.lock$"
)


class Failed(Exception):
    """A step did not end as it should."""


def run(*command):
    """Output of a program that must succeed."""
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if ended.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit {ended.returncode}: {(ended.stdout + ended.stderr)[-600:]}")
    return ended.stdout


def output_of(*command):
    """Output of a program, whatever it returns."""
    with contextlib.suppress(FileNotFoundError):
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ended.stdout
    return ""


def check(condition, otherwise):
    if not condition:
        raise Failed(otherwise)


def wait_until(condition, what):
    deadline = time.monotonic() + SECONDS
    while not condition():
        check(time.monotonic() < deadline, f"not within {SECONDS} s: {what}")
        time.sleep(0.05)


class Apt:
    """The package in the hands of apt."""

    def install(self, version):
        return self._get("install", "--allow-downgrades", f"msi2imds={version}-1")

    downgrade = install

    @staticmethod
    def publish_newer():
        newer = pathlib.Path("/srv/apt-newer")
        if newer.exists():
            pathlib.Path("/srv/apt").rename("/srv/apt-older")
            newer.rename("/srv/apt")
            run("apt-get", "-q", "update")

    def remove(self):
        self._get("remove", "msi2imds")

    def purge(self):
        self._get("purge", "msi2imds")

    def version(self):
        return output_of("dpkg-query", "-W", "-f", "${Version}", "msi2imds")

    @staticmethod
    def _get(*arguments):
        return run("apt-get", "-y", "-q", "-o", "Dpkg::Options::=--force-confold", *arguments)


class Dnf:
    """The package in the hands of dnf, which knows no purge: logs, state and user stay."""

    def publish_newer(self):
        """It was always there: dnf is told which version."""

    def install(self, version):
        return self._dnf("install", f"msi2imds-{version}-1")

    def downgrade(self, version):
        return self._dnf("downgrade", f"msi2imds-{version}-1")

    def remove(self):
        self._dnf("remove", "msi2imds")

    def version(self):
        return output_of("rpm", "-q", "--queryformat", "%{VERSION}-%{RELEASE}", "msi2imds")

    @staticmethod
    def _dnf(*arguments):
        return run("dnf", "-y", "--disablerepo=*", "--enablerepo=msi2imds", *arguments)


def shown(unit, name):
    return run("systemctl", "show", f"--property={name}", unit).strip().partition("=")[2]


def states(question):
    """Of the socket, the service and the observer."""
    return output_of("systemctl", question, *UNITS, OBSERVER).split()


def wait_for_service():
    run("msi2imds", "status", "--wait", str(SECONDS))


def ask():
    """Who answers the legacy client: "msi2imds", "extension" or "nobody"."""
    ended = subprocess.run(["curl", "-s", "-f", "-m", "20", "-H", "Metadata: true", URL], capture_output=True, text=True)
    if ended.returncode != 0:
        return "nobody"
    payload = json.loads(ended.stdout)["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims.get("answered_by", "msi2imds")


def check_health(status, beginning):
    """What `msi2imds health` ends with, and what its one line begins with."""
    ended = subprocess.run(["msi2imds", "health"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    is_told = ended.returncode == status and ended.stdout.startswith(beginning) and ended.stdout.count("\n") == 1
    check(is_told, f"expected {status} and {beginning!r}, health said {ended.returncode}: {ended.stdout}{ended.stderr}")


class Clients:
    """Ask for tokens in connections of their own, from entry to exit."""

    ENOUGH = 30

    def __enter__(self):
        self._results = tempfile.NamedTemporaryFile("r")
        command = [sys.executable, str(HERE / "calling.py"), str(EXTENSION_PORT), "3", "0.02"]
        with open(self._results.name, "w") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output)
        self.wait_for_more()
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self.outcomes = self._so_far()
        self._results.close()

    def _so_far(self):
        self._results.seek(0)
        return [line.split()[0] for line in self._results if line.endswith("\n")]

    def wait_for_more(self):
        goal = len(self._so_far()) + self.ENOUGH
        wait_until(lambda: len(self._so_far()) >= goal, f"{self.ENOUGH} more requests have ended")

    def check_nothing_lost(self):
        lost = [outcome for outcome in self.outcomes if outcome != "token"]
        check(not lost, f"{len(self.outcomes)} requests, of which lost: {lost}")


@contextlib.contextmanager
def without_imds():
    """Clients get the tokens that are there."""
    run("systemctl", "stop", "imds-emulator")
    try:
        yield
    finally:
        run("systemctl", "start", "imds-emulator")


@contextlib.contextmanager
def extension():
    """The extension's simulator on its port."""
    command = [sys.executable, str(HERE / "msi-extension"), "--port", str(EXTENSION_PORT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        ready, _, _ = select.select([process.stdout], [], [], SECONDS)
        check(ready and process.stdout.readline().startswith("listening"), "the extension's simulator does not start")
        yield
    finally:
        process.terminate()
        process.wait()


def kernel_traces():
    """What of msi2imds is in the kernel, as text; empty when there is nothing."""
    namespace = os.stat("/proc/self/ns/net").st_ino
    has_bpftool = shutil.which("bpftool") is not None
    links = json.loads(run("bpftool", "-j", "link", "show") or "[]") if has_bpftool else []
    traces = [f"link {link}" for link in links if link.get("netns_ino") == namespace]
    tree = run("bpftool", "-j", "cgroup", "tree", cgroup2()) if has_bpftool and cgroup2() else ""
    for program in (program for group in json.loads(tree or "[]") for program in group["programs"]):
        traces += [f"program {program}"] if re.search("connect|getpeername", program["attach_type"]) else []
    traces += [f"pin {path}" for path in pathlib.Path("/sys/fs/bpf").rglob("*msi2imds*")]
    rules = "".join(output_of(*command) for command in (["nft", "list", "ruleset"], ["iptables-legacy-save"], ["ip6tables-legacy-save"]))
    traces += [f"rule {line}" for line in rules.splitlines() if "msi2imds" in line.lower()]
    reserved = pathlib.Path("/proc/sys/net/ipv4/ip_local_reserved_ports").read_text().strip()
    traces += [f"reserved {reserved}"] if reserved else []
    traces += [f"mount {line}" for line in pathlib.Path("/proc/mounts").read_text().splitlines() if "msi2imds" in line]
    listening = output_of("ss", "-H", "-l", "-n", "-t")
    traces += [f"listener {line}" for line in listening.splitlines() if re.search(r":(342|50342)\s", line)]
    return traces


def cgroup2():
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        if line.split()[2] == "cgroup2":
            return line.split()[1]
    return None


def processes():
    names = []
    for directory in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            names.append((directory / "comm").read_text().strip())
    return [name for name in names if name == "msi2imds"]


def contents(path, status):
    """What tells whether they are the same; those of programs and libraries are many and never written to in place."""
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    if stat.S_ISREG(status.st_mode) and path.startswith("/usr/"):
        return (status.st_ino, status.st_size, status.st_mtime_ns)
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""


def files():
    """Every file that does not change by itself: mode, owner and contents."""
    found = {}
    for directory, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if not VOLATILE.match(os.path.join(directory, name))]
        for path in (os.path.join(directory, name) for name in [*folders, *names]):
            if not VOLATILE.match(path):
                with contextlib.suppress(FileNotFoundError):
                    status = os.lstat(path)
                    found[path] = (status.st_mode, status.st_uid, status.st_gid, contents(path, status))
    return found


def check_same(before, after):
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    check(not changed, f"differs from before: {changed[:20]}")


def has_user():
    return any(entry.pw_name == "msi2imds" for entry in pwd.getpwall())


# The steps, in their order; each relies on those before it.


def comes_up(package, old, _):
    status = output_of("cloud-init", "status", "--wait")
    check("done" in status, f"cloud-init: {status} {output_of('grep', '-hE', 'ERROR|Traceback', '/var/log/cloud-init.log')[-800:]}")
    check(package.version() == f"{old}-1", f"installed: {package.version()}")
    wait_until(lambda: states("is-active") == ["active", "active", "inactive"], "the units are active")
    check(states("is-enabled") == ["enabled", "enabled", "disabled"], f"enabled: {states('is-enabled')}")
    wait_for_service()
    check(ask() == "msi2imds", "the legacy client gets no token")
    check_health(0, "healthy: intercepting with ")


def came_from_the_signed_repository(_, old, __):
    policy = output_of("apt-cache", "policy", "msi2imds")
    check(f"*** {old}-1" in policy and "file:/srv/apt" in policy, policy)


def tampered_repository_is_refused(package, *_):
    source = next(pathlib.Path("/etc/apt/sources.list.d").glob("*msi2imds*"))
    genuine = source.read_text()
    source.write_text(genuine.replace("/srv/apt", "/srv/tampered"))
    try:
        said = output_of("apt-get", "update")
        check("BADSIG" in said or "not signed" in said or "invalid" in said, f"apt took it: {said[-600:]}")
    finally:
        source.write_text(genuine)
        run("apt-get", "update")


def restart_loses_nothing(*_):
    with Clients() as clients, without_imds():
        for _ in range(2):
            run("systemctl", "restart", "msi2imds")
            wait_for_service()
            clients.wait_for_more()
    clients.check_nothing_lost()


def upgrade_loses_nothing(package, _, new):
    package.publish_newer()
    pid = shown("msi2imds.service", "MainPID")
    CONFIGURATION.write_text(CONFIGURATION.read_text() + "# ours\n")
    with Clients() as clients, without_imds():
        package.install(new)
        wait_for_service()
        clients.wait_for_more()
    clients.check_nothing_lost()
    check(package.version() == f"{new}-1", package.version())
    check(shown("msi2imds.service", "MainPID") != pid, "the old version still runs")
    check(CONFIGURATION.read_text().endswith("# ours\n"), "the administrator's configuration is lost")


def downgrade_loses_nothing(package, old, _):
    with Clients() as clients, without_imds():
        package.downgrade(old)
        wait_for_service()
        clients.wait_for_more()
    clients.check_nothing_lost()
    check(package.version() == f"{old}-1", package.version())


def configuration_that_is_not_understood_is_no_outage(package, _, new):
    pid = shown("msi2imds.service", "MainPID")
    SITE.write_text("[nonsense]\n")
    try:
        with Clients() as clients:
            said = package.install(new)
            clients.wait_for_more()
        clients.check_nothing_lost()
        check("mend the configuration" in said, said[-600:])
        check(shown("msi2imds.service", "MainPID") == pid, "it was restarted")
    finally:
        SITE.unlink()
    run("systemctl", "restart", "msi2imds")
    wait_for_service()


def health_tells_what_is_wrong(*_):
    """Each of the main faults, and that it is over."""
    healthy = (0, "healthy: intercepting with ")
    check(ask() == "msi2imds", "the legacy client gets no token")
    check_health(*healthy)
    run("systemctl", "kill", "--signal=SIGKILL", "msi2imds.service")
    wait_for_service()
    check_health(*healthy)
    run("systemctl", "stop", *UNITS)
    check_health(1, "not healthy: msi2imds is not running (")
    refused = subprocess.run(["systemctl", "start", OBSERVER], stdin=subprocess.DEVNULL, capture_output=True)
    check(refused.returncode != 0, "it observes, although serving is enabled")
    check_health(1, "not healthy: msi2imds is not running (")
    run("systemctl", "reset-failed", OBSERVER)
    run("systemctl", "start", "msi2imds")
    wait_for_service()
    run("nft", "add table ip story; add chain ip story local { type nat hook output priority -150; };"
        f" add rule ip story local tcp dport {EXTENSION_PORT} redirect to :9")  # fmt: skip
    try:
        check_health(1, "not healthy: ")
    finally:
        run("nft", "delete", "table", "ip", "story")
    wait_for_service()
    SITE.write_text("[imds]\ndeadline = 1\n")
    run("systemctl", "restart", "msi2imds")  # a reload may be told of before it is done
    wait_for_service()
    with without_imds():
        run("msi2imds", "flush")
        check(ask() == "nobody", "somebody gave a token without IMDS")
        check_health(1, "not healthy: the last request to IMDS failed: ")
    SITE.unlink()
    run("systemctl", "reload", "msi2imds")
    wait_until(lambda: ask() == "msi2imds", "IMDS answers again")
    check_health(*healthy)


def removal_detaches_everything(package, *_):
    package.remove()
    check(not processes(), "msi2imds still runs")
    check(not kernel_traces(), f"left in the kernel: {kernel_traces()}")
    kept = CONFIGURATION.exists() or CONFIGURATION.with_suffix(".toml.rpmsave").exists()
    check(kept, "the administrator's configuration is gone")
    enabled = [str(path) for path in pathlib.Path("/etc/systemd").rglob("*msi2imds*")]
    check(not enabled, f"still enabled: {enabled}")
    check(ask() == "nobody", "somebody answers")


def purge_leaves_nothing(package, *_):
    package.purge()
    left = [path for path in files() if "msi2imds" in path and path not in BROUGHT_BY_CLOUD_INIT]
    check(not left, f"files: {left}")
    check(not has_user(), "the user is left")


def installing_starts_and_enables_nothing(package, old, _):
    global BEFORE
    BEFORE = files()
    with extension():
        check(ask() == "extension", "the extension's simulator does not answer")
        package.install(old)
        check(states("is-active") == ["inactive"] * 3, "a unit was started")
        check(states("is-enabled") == ["disabled"] * 3, "a unit was enabled")
        check_health(1, "not healthy: msi2imds is not running (")
        run("systemctl", "preset", *UNITS, OBSERVER)
        check(states("is-enabled") == ["disabled"] * 3, "the preset enables a unit")
        traces = [trace for trace in kernel_traces() if not trace.startswith("listener")]
        check(not traces, f"in the kernel: {traces}")
        check(ask() == "extension", "the extension is not asked any more")


def starting_takes_over_and_stopping_gives_back(*_):
    with extension():
        run("systemctl", "start", "msi2imds")
        wait_for_service()
        check(ask() == "msi2imds", "the extension is still asked")
        check_health(0, "healthy: intercepting with ")
        run("systemctl", "stop", *UNITS)
        check(ask() == "extension", "the extension is not asked any more")
        check_health(1, "not healthy: msi2imds is not running (")


def enabling_and_starting_serves(*_):
    run("systemctl", "enable", "msi2imds")
    run("systemctl", "start", "msi2imds")
    wait_for_service()
    check(ask() == "msi2imds", "the legacy client gets no token")


def upgrade_restarts_the_observer_alone(package, _, new):
    package.publish_newer()
    run("systemctl", "start", OBSERVER)
    pid = shown(OBSERVER, "MainPID")
    package.install(new)
    check(states("is-active") == ["inactive", "inactive", "active"], f"active: {states('is-active')}")
    check(shown(OBSERVER, "MainPID") != pid, "the old version still observes")
    wait_until(lambda: '"observing":true' in output_of("msi2imds", "status", "--json"), "the observer answers")
    check_health(0, "healthy: observing")


def purge_of_a_running_service_leaves_nothing(package, *_):
    """Whatever the configuration says by then, and whoever else was put into its group."""
    run("systemctl", "stop", OBSERVER)
    enabling_and_starting_serves()
    SITE.write_text("[nonsense]\n")
    package.purge()
    check(not processes(), "msi2imds still runs")
    check(not kernel_traces(), f"left in the kernel: {kernel_traces()}")
    check(not has_user(), "the user is left")
    check_same(BEFORE, files())


BEFORE = {}
BROUGHT_BY_CLOUD_INIT = (
    "/etc/apt/keyrings/msi2imds.gpg", "/etc/apt/sources.list.d/msi2imds.list", "/run/install-msi2imds",
)  # fmt: skip
STEPS = {
    "apt": [
        comes_up, came_from_the_signed_repository, tampered_repository_is_refused, restart_loses_nothing,
        upgrade_loses_nothing, downgrade_loses_nothing, configuration_that_is_not_understood_is_no_outage,
        health_tells_what_is_wrong, removal_detaches_everything, purge_leaves_nothing, installing_starts_and_enables_nothing,
        starting_takes_over_and_stopping_gives_back, upgrade_restarts_the_observer_alone,
        purge_of_a_running_service_leaves_nothing,
    ],
    "dnf": [
        installing_starts_and_enables_nothing, starting_takes_over_and_stopping_gives_back, enabling_and_starting_serves,
        restart_loses_nothing, upgrade_loses_nothing, downgrade_loses_nothing,
        configuration_that_is_not_understood_is_no_outage, removal_detaches_everything,
    ],
}
# On a machine that has never had the package, so that nothing of an earlier installation is there before.
ON_A_NEW_MACHINE = [
    installing_starts_and_enables_nothing, starting_takes_over_and_stopping_gives_back,
    upgrade_restarts_the_observer_alone, purge_of_a_running_service_leaves_nothing,
]  # fmt: skip


def tell(steps, arguments):
    """Plays the steps that belong to the package manager; `arguments` are its name and what each step is given."""
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    manager, old, new, *chosen = arguments
    package = {"apt": Apt, "dnf": Dnf}[manager]()
    for step in (step for step in steps[manager] if not chosen or step.__name__ in chosen):
        began = time.monotonic()
        try:
            step(package, old, new)
            outcome = f"PASS {step.__name__} ({time.monotonic() - began:.1f} s)"
        except Exception as problem:  # the next steps tell more
            outcome = f"FAIL {step.__name__}: {type(problem).__name__}: {' '.join(str(problem).split())}"
        print(outcome, flush=True)


if __name__ == "__main__":
    tell(STEPS, sys.argv[1:])
