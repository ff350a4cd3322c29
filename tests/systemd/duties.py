# SPDX-License-Identifier: MIT
"""What the units are there for, one function each: whether a unit does it. docs/units.md names them."""

import contextlib
import json

from legacy_port import PORT, a_token_is_served
from systemd_service import OBSERVER
from waiting import wait_until

CALLERS_FILE = "/var/lib/msi2imds/callers.json"

# It has the connection until it is stopped.
HOLD_CONNECTION = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/50342
printf 'GET /oauth2/token?resource=any HTTP/1.1\\r\\nHost: localhost\\r\\nMetadata: true\\r\\n\\r\\n' >&3
# Nobody else has it.
sleep 60 3>&-
"""


def starts(service, backend="auto", settings=None):
    service.configure(backend, settings)
    return service.machine.attempt("systemctl", "start", service.unit).returncode == 0


def exists(service, path):
    return service.machine.attempt("test", "-e", path).returncode == 0


def status(service):
    return json.loads(service.status("--json").stdout)


def redirects_with(service, backend):
    try:
        return starts(service, backend) and is_served(service)
    finally:
        service.stop()
        service.machine.attempt("systemctl", "reset-failed")


def is_served(service):
    shown = service.status()
    print(shown.stdout + shown.stderr)
    return shown.returncode == 0


def responder(service):
    """Its process id, in the machine's own numbers."""
    listed = service.machine.run("ps", "--ppid", str(service.pid), "-o", "pid=,args=")
    return next(line.split()[0] for line in listed.splitlines() if "msi2imds responder " in line)


def status_field(service, pid, name):
    lines = service.machine.run("cat", f"/proc/{pid}/status").splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def bpf(service):
    return redirects_with(service, "sk_lookup") and redirects_with(service, "cgroup_connect")


def hand_over(service):
    """The next process goes on with the redirection that the last one has left."""
    if not starts(service, "sk_lookup"):
        return False
    service.machine.run("systemctl", "restart", service.unit)
    return exists(service, "/sys/fs/bpf/msi2imds/sk_lookup") and not status(service)["remarks"]


def firewall(service):
    return redirects_with(service, "nftables") and redirects_with(service, "iptables")


def mark(service):
    return starts(service, settings={"imds.mark": 7}) and a_token_is_served(service.machine.network)


def legacy_iptables(service):
    """With the tool that newer distributions have put aside."""
    programs = ("iptables", "ip6tables")
    for program in programs:
        service.machine.run("update-alternatives", "--set", program, f"/usr/sbin/{program}-legacy")
    try:
        # Without it, the newer tool is taken.
        return starts(service, "iptables") and "MSI2IMDS" in service.machine.run("iptables-legacy-save")
    finally:
        service.stop()
        for program in programs:
            service.machine.run("update-alternatives", "--auto", program)


def own_port(service):
    """One that systemd does not hold."""
    return starts(service, "sk_lookup", {"redirect.listen_port": 343}) and is_served(service)


def admin_socket(service):
    owners = ("stat", "-c", "%U %G %a", "/run/msi2imds/admin.sock")
    return starts(service) and service.machine.run(*owners).strip() == "root msi2imds 660"


def responder_user(service):
    return starts(service) and status_field(service, responder(service), "Uid") != "0"


def responder_group(service):
    return starts(service) and status_field(service, responder(service), "Gid") != "0"


def responder_limits(service):
    """It can have no capability, whatever it executes."""
    return starts(service) and int(status_field(service, responder(service), "CapBnd"), 16) == 0


def empty_root(service):
    return starts(service) and status(service)["responder"]["confinement"]["empty_root"]


def hung_responder(service):
    """It is ended when it does not end."""
    service.override("[Service]\nTimeoutStopSec=3\n", name="patience")
    assert starts(service, settings={"responder.drain_timeout": 1})
    service.machine.run("kill", "-STOP", responder(service))
    service.machine.run("systemctl", "stop", service.unit)
    return service.show("Result") == "success"


def program_is_known(service, user):
    machine = service.machine
    machine.run("rm", "-f", CALLERS_FILE)
    machine.write("/usr/local/sbin/hold-connection", HOLD_CONNECTION)
    unit = f"[Service]\nUser={user}\nExecStart=/bin/bash /usr/local/sbin/hold-connection\n"
    machine.write("/etc/systemd/system/caller-e2e.service", unit)
    machine.run("systemctl", "daemon-reload")
    # The observer's process numbers are of no use in a container.
    assert starts(service, settings={"callers.cgroup": ""})
    somebody = machine.network.listen("127.0.0.1", PORT) if service.unit == OBSERVER else contextlib.nullcontext()
    with somebody:
        machine.run("systemctl", "start", "caller-e2e")
        try:
            known = wait_until(lambda: callers(service), 15, "somebody has called")
            return known[0].get("program", "").endswith("/bash")
        finally:
            machine.run("systemctl", "stop", "caller-e2e")


def callers(service):
    shown = service.machine.attempt("msi2imds", "callers", "--json")
    return json.loads(shown.stdout)["callers"] if shown.returncode == 0 else []


def caller(service):
    return program_is_known(service, "root")


def caller_of_another_user(service):
    return program_is_known(service, "nobody")


def discovery_file(service):
    service.machine.run("rm", "-rf", "/var/lib/waagent")
    return starts(service) and exists(service, "/var/lib/waagent/ManagedIdentity-Settings")


def reserved_ports(service):
    return starts(service) and str(PORT) in service.machine.run("cat", "/proc/sys/net/ipv4/ip_local_reserved_ports")


def state(service):
    service.machine.run("rm", "-f", CALLERS_FILE)
    started = starts(service)
    service.stop()
    return started and exists(service, CALLERS_FILE)


def audit(service):
    service.machine.run("rm", "-f", "/var/log/msi2imds/audit.log")
    served = starts(service) and a_token_is_served(service.machine.network)
    service.stop()  # the line is written once it is known who asked
    return served and "outcome=token" in service.machine.attempt("cat", "/var/log/msi2imds/audit.log").stdout


def log_directory(service):
    """Its file is made, even if nobody is served."""
    service.machine.run("rm", "-f", "/var/log/msi2imds/audit.log")
    return starts(service) and exists(service, "/var/log/msi2imds/audit.log")


def observer(service):
    started = starts(service)
    print(service.journal())
    return started and not status(service)["remarks"] and "cannot observe who dials" not in service.journal()


def unmounted_cgroup2(service):
    """On a machine where nothing mounts it."""
    return redirects_with(service, "cgroup_connect") and observer(service) and goes_over_to_cgroup_connect(service)


def goes_over_to_cgroup_connect(service):
    """By a reload, when the process can mount nothing any more."""
    service.stop()
    assert starts(service, "nftables")
    service.configure("cgroup_connect")
    service.machine.run("systemctl", "reload", service.unit)
    return wait_until(lambda: status(service)["backend"] == "cgroup_connect" and service.status().returncode == 0, 10,
                      "it redirects with cgroup_connect")
