# SPDX-License-Identifier: MIT
"""The units of msi2imds on a machine, and what they leave in its kernel."""

import os

from kernel_state import bpftool
from legacy_port import PORT
from service import to_toml
from waiting import wait_until

UNITS = ("msi2imds.socket", "msi2imds.service")
OBSERVER = "msi2imds-observe.service"
BACKENDS = ("sk_lookup", "cgroup_connect", "nftables", "iptables", "listen")
# systemd attaches programs to cgroups, too, but none to these hooks.
OUR_HOOKS = {"cgroup_inet4_connect", "cgroup_inet6_connect", "cgroup_inet4_getpeername", "cgroup_inet6_getpeername"}


class SystemdService:
    """msi2imds.service, or another unit: that which is started, overridden and asked about."""

    def __init__(self, machine, unit="msi2imds.service"):
        self.machine = machine
        self.unit = unit
        machine.run("journalctl", "--sync")
        # A time of whole seconds would include what another test has just ended with.
        self._began = machine.run("journalctl", "--quiet", "--lines=1", "--output=export").split("__CURSOR=")[1].split()[0]

    def configure(self, backend, settings=None):
        # The machine of the test may have booted just now.
        defaults = {"redirect.backend": backend, "imds.boot_grace": 0}
        self.machine.write("/etc/msi2imds/msi2imds.toml", to_toml({**defaults, **(settings or {})}))

    def start(self, backend="auto"):
        self.configure(backend)
        started = self.machine.attempt("systemctl", "start", self.unit)
        assert started.returncode == 0, started.stderr
        return self

    def override(self, text, name="test"):
        """Puts `text` into a drop-in of the unit."""
        self.machine.write(f"/etc/systemd/system/{self.unit}.d/{name}.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def stop(self):
        self.machine.run("systemctl", "stop", *UNITS, OBSERVER)

    def reset(self):
        """As it was before the first start."""
        self.stop()
        self.machine.run("rm", "-rf", f"/etc/systemd/system/{self.unit}.d")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "reset-failed")

    def show(self, name, unit=None):
        return self.machine.run("systemctl", "show", "--value", f"--property={name}", unit or self.unit).strip()

    def state(self, unit=None):
        return self.show("ActiveState", unit)

    @property
    def pid(self):
        """The supervisor's, in the machine's own numbers; 0: there is none."""
        return int(self.show("MainPID"))

    def kill(self):
        """SIGKILL to the supervisor alone."""
        self.machine.run("systemctl", "kill", "--kill-who=main", "--signal=SIGKILL", self.unit)

    def status(self, *arguments):
        return self.machine.attempt("msi2imds", "status", *arguments)

    def wait_intercepting(self):
        status = self.status("--wait", "10")
        assert status.returncode == 0, status.stdout + status.stderr

    def journal(self):
        units = [argument for unit in (*UNITS, OBSERVER) for argument in ("-u", unit)]
        return self.machine.run("journalctl", "--no-pager", f"--after-cursor={self._began}", *units)

    def wait_for_state(self, state, seconds, unit=None):
        wait_until(lambda: self.state(unit) == state, seconds, f"{unit or self.unit} is {state}")

    def traces(self):
        """What of us steers connections, or keeps something that does; empty when there is nothing."""
        return [*self._links(), *self._programs(), *self._pins(), *self._rules(), *self._reserved_ports()]

    def wait_for_traces_of(self, backend):
        """Until of all backends this one alone has something in the kernel; "listen" has nothing."""
        found = {
            "sk_lookup": lambda: [*self._links(), *(pin for pin in self._pins() if pin.endswith("/sk_lookup"))],
            "cgroup_connect": lambda: [program for program in self._programs() if "observe" not in program],
            # What keeps NAT alive for the rules of either tool is msi2imds_nat_ and eight digits.
            "nftables": lambda: [rule for rule in self._rules() if "table ip msi2imds " in rule],
            "iptables": lambda: [rule for rule in self._rules() if "MSI2IMDS" in rule],
        }
        expected = {backend} - {"listen"}
        wait_until(lambda: {name for name, look in found.items() if look()} == expected, 10, f"{backend} alone is there")

    def _links(self):
        namespace = os.stat(self.machine.network.path).st_ino
        return [f"link {link}" for link in bpftool("link", "show") if link.get("netns_ino") == namespace]

    def _programs(self):
        groups = bpftool("cgroup", "tree", self.machine.cgroup)
        attached = [program for group in groups for program in group["programs"]]
        return [f"program {program}" for program in attached if program["attach_type"] in OUR_HOOKS]

    def _pins(self):
        found = self.machine.run("find", "/sys/fs/bpf", "-mindepth", "1", "-path", "*msi2imds*")
        return [f"pin {path}" for path in found.split()]

    def _rules(self):
        commands = [["nft", "list", "ruleset"], ["iptables-legacy-save"], ["ip6tables-legacy-save"]]
        rules = [line for command in commands for line in self.machine.attempt(*command).stdout.splitlines()]
        return [f"rule {rule}" for rule in rules if "msi2imds" in rule.lower() or str(PORT) in rule]

    def _reserved_ports(self):
        reserved = self.machine.run("cat", "/proc/sys/net/ipv4/ip_local_reserved_ports").strip()
        return [f"reserved ports {reserved}"] if str(PORT) in reserved else []
