#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""From the previous release's package to this one's and back, while an operator's configuration is in force and clients ask.

Runs in the machine, beside story.py: upgrade.py apt|dnf PREVIOUS VERSION [STEP...]. /srv/backend, where it is there, says how
connections are redirected.
"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys

from story import (
    CONFIGURATION, SITE, URL, Apt, Clients, ask, check, check_health, check_same, files, has_user, kernel_traces,
    processes, run, shown, states, tell, wait_for_service, wait_until,
)  # fmt: skip

PROGRAM = pathlib.Path("/usr/sbin/msi2imds")
DISCOVERY_FILE = pathlib.Path("/var/lib/waagent/ManagedIdentity-Settings")
AUDIT_FILE = pathlib.Path("/var/log/msi2imds/audit.log")
BACKEND = pathlib.Path("/srv/backend")
UNITS_OF_PACKAGES = pathlib.Path("/usr/lib/systemd/system")
# Instead of the one that came with the package.
OPERATORS_CONFIGURATION = """# ours
[redirect]
backend = "{backend}"

[policy]
mode = "enforce"

[[allow]]
user = "root"

[audit]
file = "{audit_file}"
"""
# Without it nobody has the port of `listen` while one version goes and another comes.
SOCKET_DROP_IN = pathlib.Path("/etc/systemd/system/msi2imds.socket.d/listen.conf")
HOLDS_THE_LEGACY_PORT = "[Socket]\nListenStream=\nListenStream=127.0.0.1:50342\nListenStream=[::1]:50342\n"
# Of a user whom no rule names.
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

BEFORE = {}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main_pid():
    return shown("msi2imds.service", "MainPID")


def callers():
    """Requests by the caller's program, as the table that is kept has them."""
    found = {}
    for row in json.loads(run("msi2imds", "callers", "--json"))["callers"]:
        found[row["program"]] = found.get(row["program"], 0) + row["requests"]
    return found


def status_of_nobodys_request():
    command = [*AS_NOBODY, "curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Metadata: true", URL]
    return subprocess.run(command, capture_output=True, text=True).stdout


def check_serves(version, package):
    """That version runs and is well, and what the operator wrote is in force."""
    wait_for_service()
    check(package.version() == f"{version}-1", f"installed: {package.version()}")
    check(digest(pathlib.Path(f"/proc/{main_pid()}/exe")) == digest(PROGRAM), "another version than the installed one runs")
    check(states("is-active")[:2] == ["active", "active"], f"active: {states('is-active')}")
    check(ask() == "msi2imds", "an allowed client gets no token")
    check(status_of_nobodys_request() == "403", f"whom no rule allows gets {status_of_nobodys_request()}")
    check(CONFIGURATION.read_text() == configuration(), "the operator's configuration was changed")
    run("msi2imds", "status")
    doctor = subprocess.run(["msi2imds", "doctor"], capture_output=True, text=True)
    check(doctor.returncode == 0, f"doctor: {doctor.stdout}{doctor.stderr}")
    dangling = [str(path) for path in UNITS_OF_PACKAGES.glob("msi2imds*.d/*") if not path.exists()]
    check(not dangling, f"drop-ins that lead nowhere: {dangling}")


def check_kept(recorded, audited):
    """Callers that were known are; the next ones are added."""
    wait_until(lambda: all(callers().get(program, 0) >= count for program, count in recorded.items()), "the callers are read")
    check(AUDIT_FILE.read_text().startswith(audited), "the audit was begun anew")
    check("http://localhost:50342" in DISCOVERY_FILE.read_text(), "older clients no longer find the endpoint")


def backend():
    return BACKEND.read_text() if BACKEND.exists() else "auto"


def configuration():
    return OPERATORS_CONFIGURATION.format(backend=backend(), audit_file=AUDIT_FILE)


def check_lost(clients, may_be_lost):
    lost = [outcome for outcome in clients.outcomes if outcome not in ("token", *may_be_lost)]
    check(not lost, f"{len(clients.outcomes)} requests, of which lost: {lost[:20]}")


def change_version(change, version, package, may_be_lost=()):
    """Clients ask all the while."""
    recorded, audited, pid = callers(), AUDIT_FILE.read_text(), main_pid()
    check(recorded, "no caller was recorded")
    with Clients() as clients:
        change(version)
        wait_for_service()
        clients.wait_for_more()
    check_lost(clients, may_be_lost)
    check(main_pid() != pid, "the other version still runs")
    check_serves(version, package)
    check_kept(recorded, audited)


def upgrade(package, version):
    """With cgroup_connect, 0.1.0 leads nobody to the sockets any more once it stops: whoever dials then is refused."""
    change_version(package.install, version, package, ["refused"] if backend() == "cgroup_connect" else [])


# The steps, in their order; each relies on those before it.


def previous_release_serves(package, previous, _):
    BEFORE.update(files())
    package.install(previous)
    CONFIGURATION.write_text(configuration())
    if backend() == "listen":
        SOCKET_DROP_IN.parent.mkdir()
        SOCKET_DROP_IN.write_text(HOLDS_THE_LEGACY_PORT)
        run("systemctl", "daemon-reload")
    run("systemctl", "enable", "msi2imds")
    run("systemctl", "start", "msi2imds")
    wait_for_service()
    with Clients():
        pass
    check_serves(previous, package)


def upgrade_loses_nothing(package, _, version):
    package.publish_newer()
    program = digest(PROGRAM)
    upgrade(package, version)
    check(digest(PROGRAM) != program, "the upgrade brought the same program")
    check_health(0, "healthy: intercepting with ")


def downgrade_loses_nothing(package, previous, _):
    change_version(package.downgrade, previous, package)


def upgrade_after_a_downgrade_loses_nothing(package, _, version):
    upgrade(package, version)
    check_health(0, "healthy: intercepting with ")


def downgrade_with_a_key_of_the_newer_is_no_outage(package, previous, version):
    """What the older version does not know is named, and the newer one goes on until that is mended."""
    SITE.write_text("[tokens]\nmax_age = 600\n")
    run("systemctl", "restart", "msi2imds")
    wait_for_service()
    pid = main_pid()
    with Clients() as clients:
        said = package.downgrade(previous)
        clients.wait_for_more()
    clients.check_nothing_lost()
    check(main_pid() == pid, "it was restarted")
    check(all(part in said for part in (str(SITE), "max_age", "mend the configuration")), said[-600:])
    check(digest(pathlib.Path(f"/proc/{pid}/exe")) != digest(PROGRAM), f"{version} does not run any more")
    SITE.unlink()
    with Clients() as clients:
        run("systemctl", "restart", "msi2imds")
        wait_for_service()
        clients.wait_for_more()
    clients.check_nothing_lost()
    check_serves(previous, package)


def removal_leaves_nothing(package, _, version):
    """Of the newer version and by a purge with apt, of the older one with dnf, which has no purge."""
    if isinstance(package, Apt):
        upgrade(package, version)
    package.remove()
    check(not processes(), "msi2imds still runs")
    check(not kernel_traces(), f"left in the kernel: {kernel_traces()}")
    units = [str(path) for path in UNITS_OF_PACKAGES.glob("msi2imds*")]
    check(not units, f"units: {units}")
    shutil.rmtree(SOCKET_DROP_IN.parent, ignore_errors=True)
    enabled = [str(path) for path in pathlib.Path("/etc/systemd").rglob("*msi2imds*")]
    check(not enabled, f"still enabled: {enabled}")
    if isinstance(package, Apt):
        package.purge()
        check(not has_user(), "the user is left")
        check_same(BEFORE, files())


THERE_AND_BACK = [
    previous_release_serves, upgrade_loses_nothing, downgrade_loses_nothing, upgrade_after_a_downgrade_loses_nothing,
    downgrade_with_a_key_of_the_newer_is_no_outage, removal_leaves_nothing,
]  # fmt: skip


if __name__ == "__main__":
    tell({"apt": THERE_AND_BACK, "dnf": THERE_AND_BACK}, sys.argv[1:])
