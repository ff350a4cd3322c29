# SPDX-License-Identifier: MIT
"""What happens to a machine that serves, and what its clients may notice of it."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

import backends
import cgroup
from emulator import Emulator
from firewall import our_rules
from kernel_state import is_running, status_of
from legacy_port import PORT
from library_load import LibraryLoad
from programs import program, run_in
from steady_load import SERVED, SteadyLoad
from waiting import wait_until

RATE = 40  # new connections a second
SLOW_RATE = 4
VIRTUAL_RATE = 10
# So few that NAT's memory of a connection which was open during a change meets a new one.
FEW_SOURCE_PORTS = 100
DAY, HOUR = 86400, 3600
BY_RULES = ("nftables", "iptables")

# A title, and what holds below it.
NOTHING = ("Nobody notices", "0 failed.")
KILLED = ("Killed", "0 refused, 0 timed out; reset is only who was dialled before the process was dead.")
FLUSHED = ("Rules flushed", "Refused until they are back, 0 reset, 0 timed out; afterwards 0 failed.")
NO_WAY = ("No way to ::1", "It is unreachable meanwhile; 0 failed to 127.0.0.1, and afterwards 0 failed.")
RULES = (NOTHING, KILLED, FLUSHED, NO_WAY)


def start_alone(cell):
    cell.start()


def not_beside_the_extension(backend):
    return (
        "It takes the extension's own port, so the extension cannot be beside it: until it is back, callers are refused, "
        "or wait in the sockets of the unit and are reset when these are closed."
        if backend == "listen"
        else ""
    )


def steady_load(cell, event):
    return SteadyLoad(cell.host, event.rate, event.patience, cell.clients)


def library_load(cell, _event):
    return LibraryLoad(cell.host, cell.service.waagent / "ManagedIdentity-Settings", cell.clients)


@dataclasses.dataclass(frozen=True)
class Event:
    name: str
    rule: tuple
    play: Callable
    prepare: Callable = start_alone
    reason: Callable = lambda backend: ""  # why there is nothing to measure
    note: Callable = lambda backend: ""  # which failures are allowed beside the rule, and why
    rate: int = RATE
    patience: int = 10  # of the clients, in seconds
    load: Callable = steady_load
    source_ports: int = 4000
    once_a_machine: bool = False  # and half as often, since each takes longer
    slow: bool = False  # once is enough


# The responder.
def kill_responder(cell):
    pid = cell.service.responder()
    with cell.fault("reset"):
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid), 10, "the responder is dead")
    wait_until(lambda: cell.service.find_responder() not in (None, pid), 10, "there is another responder")
    cell.settle()


def stop_responder(cell):
    """What it has accepted goes with it; it accepts nobody while it is stopped."""
    pid = cell.service.responder()
    with cell.fault("reset"):
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: status_of(pid).get("State", "").startswith("T"), 10, "the responder is stopped")
    wait_until(lambda: not is_running(pid), 45, "the hung responder is killed")
    cell.settle()


def pause_responder(cell):
    pid = cell.service.responder()
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: cell.load.open >= 20, 10, "20 requests wait")
    os.kill(pid, signal.SIGCONT)
    cell.settle()


# The supervisor.
def restart(cell, settings=None):
    cell.service.process.terminate()
    assert cell.service.wait_exit() == 0, "the service ends without an error"
    if settings:
        cell.service.configure(settings)
    cell.start()
    cell.settle()


def restart_with_another_port(cell):
    restart(cell, cell.settings(legacy__ports=[PORT, PORT + 1]))
    restart(cell, cell.settings())


def upgrade(cell):
    """To the program that MSI2IMDS_OTHER names, or else to a copy, in the place of the one that runs; and back."""
    installed = cell.service.directory / "msi2imds"
    for source in (program("msi2imds"), os.environ.get("MSI2IMDS_OTHER") or program("msi2imds"), program("msi2imds")):
        fresh = installed.with_suffix(".new")
        shutil.copy(source, fresh)
        fresh.rename(installed)
        cell.service.program = installed
        restart(cell)


def kill_supervisor(cell, pause=0):
    """What the dead one's guard clears away must not be the next one's, however soon that comes."""
    with cell.fault("reset"):
        os.kill(cell.service.pid, signal.SIGKILL)
        cell.service.process.wait()
        time.sleep(pause)
        cell.start()
    cell.settle()


def kill_supervisor_and_wait(cell):
    kill_supervisor(cell, 0.05)


# The configuration.
def reload(cell, settings):
    log = cell.service.log_text()
    done, kept = log.count("reload: done"), log.count("configuration in force is kept")
    cell.service.configure(settings)
    cell.service.process.send_signal(signal.SIGHUP)

    def is_over():
        now = cell.service.log_text()
        assert now.count("configuration in force is kept") == kept, "the reload is refused"
        return now.count("reload: done") > done

    wait_until(is_over, 15, "the configuration is reloaded")
    cell.settle()


def reload_the_same(cell):
    reload(cell, cell.settings())


def reload_with_another_port(cell):
    reload(cell, cell.settings(legacy__ports=[PORT + 1, PORT]))
    reload(cell, cell.settings())


def with_another_backend(change, new):
    """While connections are open, whose ports are used again afterwards."""

    def play(cell):
        with cell.kept_connections():
            change(cell, cell.settings(new))
        cell.settle(count=30)

    return play


# The way out.
def with_extension(cell):
    cell.beside_extension()
    cell.start()


def served_elsewhere(cell, leave, come_back):
    """Where no extension can be, callers are refused meanwhile."""
    with cell.fault("refused", "reset") if cell.backend == "listen" else contextlib.nullcontext():
        leave()
        assert cell.service.wait_exit() == 0, "the service ends without an error"
        if cell.backend != "listen":
            cell.settle("elsewhere")
        come_back()
    cell.settle()


def start_again(cell):
    """The new process has new sockets, too."""
    cell.release_sockets()
    cell.hold_sockets()
    cell.start()


def detach(cell):
    served_elsewhere(cell, cell.service.detach, lambda: start_again(cell))


def leave_for_good(cell):
    """As at a SIGTERM while systemd stops the socket unit, which tests/systemd plays with systemd."""
    cell.service.process.send_signal(signal.SIGUSR2)


def stop_socket_unit(cell):
    served_elsewhere(cell, lambda: leave_for_good(cell), lambda: start_again(cell))


def observer_of(cell, **settings):
    observer = cell.new_service()
    observer.options = ["--observe"]
    observer.configure(
        {
            **cell.settings(**settings),
            "admin.socket": str(cell.service.admin_socket),
            "callers.state_file": str(cell.service.callers_state),
            "waagent.root": str(cell.service.waagent),
            "waagent.state_directory": str(cell.service.state),
        }
    )
    return observer


def observe_first(cell):
    with_extension(cell)
    cell.observer = observer_of(cell)


def both_units(cell):
    """The observer is started while the service serves, and the service while the observer observes."""
    assert cell.observer.launch().wait_exit() == 0, "the observer steps aside"
    cell.settle()

    def come_back():
        cell.observer.start()
        start_again(cell)
        assert cell.observer.wait_exit() == 0, "the observer steps aside"

    served_elsewhere(cell, lambda: leave_for_good(cell), come_back)


# The migration, as docs/MIGRATION.md has it.
def with_real_extension(cell):
    cell.release_sockets()
    cell.install_extension()
    cell.service.configure(cell.settings(legacy__ports="auto"))
    cell.observer = observer_of(cell, legacy__ports="auto")


def where_the_port_is_shared(cell):
    """Else the extension is stopped before the service is started, and callers are refused meanwhile."""
    return cell.fault("refused", "reset") if cell.backend == "listen" else contextlib.nullcontext()


def cut_over(cell):
    """From the observer to the service, beside the extension where that can be."""
    cell.observer.start()
    verified = cell.observer.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    with where_the_port_is_shared(cell):
        if cell.backend == "listen":
            cell.extension.stop()
        start_again(cell)
        assert cell.observer.wait_exit() == 0, "the observer steps aside"
        # Until then it may have been the observer that said it was ready.
        cell.service.wait_ready()


def go_back(cell, leave):
    with where_the_port_is_shared(cell):
        leave()
        assert cell.service.wait_exit() == 0, "the service ends without an error"
        cell.release_sockets()
        if cell.extension.process is None:
            cell.extension.start()
        cell.settle("elsewhere")


def cut_over_and_stop(cell):
    """The extension runs all the time."""
    cut_over(cell)
    # Who keeps a connection stays with the extension.
    cell.settle(*SERVED, count=50)
    go_back(cell, lambda: leave_for_good(cell))


def cut_over_and_remove_the_extension(cell):
    cut_over(cell)
    if cell.backend != "listen":
        cell.settle(*SERVED)
        cell.extension.uninstall()
    cell.settle("token", count=50)
    if cell.backend != "listen":
        cell.extension.start()
    go_back(cell, cell.service.detach)


# Firewalls.
def flush(*commands):
    def play(cell):
        before = sorted(our_rules(cell.host))
        with cell.fault("refused") if cell.backend in BY_RULES else contextlib.nullcontext():
            for command in commands:
                run_in(cell.host, *command)
            wait_until(lambda: sorted(our_rules(cell.host)) == before, 10, "the rules are back")
        cell.settle()

    return play


NAT_TOOLS = ("iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy")
flush_nft = flush(("nft", "flush", "ruleset"))
flush_iptables = flush(*[(tool, "-t", "nat", "-F") for tool in NAT_TOOLS])


# The machine.
def ip(cell, *arguments):
    done = run_in(cell.host, "ip", *arguments)
    assert done.returncode == 0, done.stderr


def loopback_down_and_up(cell):
    """Packets to 127.0.0.1 are lost, and sent again; there is no way to ::1."""
    with cell.fault("unreachable", address="::1"):
        ip(cell, "link", "set", "lo", "down")
        wait_until(lambda: cell.load.open >= 10, 10, "10 requests wait")
        ip(cell, "link", "set", "lo", "up")
    cell.settle()  # whose packets were lost sends them again a second later


def ipv6_away_and_back(cell):
    with cell.fault("unreachable", address="::1"):
        ip(cell, "address", "delete", "::1/128", "dev", "lo")
        gone = cell.load.count("unreachable") + 5
        wait_until(lambda: cell.load.count("unreachable") >= gone, 10, "::1 cannot be dialled")
        ip(cell, "address", "add", "::1/128", "dev", "lo")
    cell.settle()


def imds_away(cell):
    """No token is known, so that all wait for IMDS."""
    cell.emulator.stop()
    cell.service.flush()
    wait_until(lambda: cell.load.open >= 20, 10, "20 requests wait")
    cell.emulator.start()
    cell.settle()


def cgroup_away_and_back(cell):
    """One of those that are redirected, or observed; the clients are in another one."""
    cgroup.remove(cell.canary)
    cell.settle()
    cgroup.make(cell.canary)
    wait_until(lambda: cell.service.status().returncode == 0, 10, "status finds nothing amiss")
    cell.settle()


def unmount_bpffs(cell):
    """Says whether anything was pinned there. It goes, too: a mount namespace that others made meanwhile would keep it."""
    pins = cell.bpffs / "pins"
    directory = os.open(pins, os.O_RDONLY) if pins.exists() else None
    subprocess.run(["umount", "-l", cell.bpffs], check=True)
    if directory is None:
        return False
    for name in os.listdir(directory):
        os.unlink(name, dir_fd=directory)
    os.close(directory)
    return True


def bpffs_away_and_back(cell):
    """Until what was pinned is pinned again: a process that is killed before takes its programs with it."""
    was_pinned = unmount_bpffs(cell)
    cell.settle()
    subprocess.run(["mount", "-t", "bpf", "bpf", cell.bpffs], check=True)
    wait_until(lambda: (cell.bpffs / "pins").exists() or not was_pinned, 10, "there are pins again")
    cell.settle()


# The clock. IMDS has one of its own, which goes on as before.
def put_clock(cell, seconds):
    """So far ahead of what is right."""
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds - cell.clock_ahead)
    cell.clock_ahead = seconds


def told_ahead(cell):
    """How far the clock is ahead, by the metrics."""
    lines = [line.split() for line in cell.service.run("metrics").stdout.splitlines()]
    return next((float(line[1]) for line in lines if line[:1] == ["msi2imds_upstream_clock_skew_seconds"]), None)


def clock_there_and_back(seconds, tokens=0):
    """After each step so many tokens get old and are replaced."""

    def is_told(cell):
        told = told_ahead(cell)
        return told is not None and abs(told - cell.clock_ahead) <= 3

    def play(cell):
        try:
            for ahead in (seconds, 0):
                # Nobody is served meanwhile, since both clocks cannot be set in one moment.
                with cell.service.accepting_paused():
                    put_clock(cell, ahead)
                    cell.emulator.set_clock(-ahead)
                wait_until(lambda: is_told(cell), 15, f"the metrics tell of a clock {ahead} s ahead")
                wait_until(lambda: cell.service.status().returncode == 0, 15, "status finds nothing amiss")
                goal = cell.emulator.token_requests() + tokens
                wait_until(lambda: cell.emulator.token_requests() >= goal, 60, f"{tokens} tokens are replaced")
                cell.settle()
        finally:
            put_clock(cell, 0)
        nothing_is_lost(cell)

    return play


def nothing_is_lost(cell):
    """Whoever was served is in the audit and in the table of callers."""
    served = cell.load.count(*SERVED)

    def told():
        callers = json.loads(cell.service.run("callers", "--json").stdout)["callers"]
        return min(len(cell.service.audit_lines()), sum(caller["requests"] for caller in callers))

    wait_until(lambda: told() >= served, 15, f"{served} requests are recorded")


def same_with_every_backend(backend):
    return "" if backend == backends.ALL[0] else "A redirection knows no clock."


def with_short_tokens(cell):
    cell.emulator.stop()
    cell.emulator = Emulator(cell.host, "--token-lifetime", "8")
    cell.start()


SINGLE = [
    Event("responder killed", KILLED, kill_responder),
    Event("responder hangs until it is killed", KILLED, stop_responder, rate=SLOW_RATE, patience=60, slow=True),
    Event("responder paused", NOTHING, pause_responder),
    Event("restart", NOTHING, restart),
    Event("restart with other ports", NOTHING, restart_with_another_port),
    Event("upgrade and downgrade", NOTHING, upgrade),
    Event("supervisor killed, next one at once", KILLED, kill_supervisor),
    Event("supervisor killed, next one after 50 ms", KILLED, kill_supervisor_and_wait),
    Event("reload", NOTHING, reload_the_same),
    Event("reload with other ports", NOTHING, reload_with_another_port),
    Event("detach, and back", NOTHING, detach, prepare=with_extension, note=not_beside_the_extension),
    Event("socket unit stopped, and back", NOTHING, stop_socket_unit, prepare=with_extension, note=not_beside_the_extension),
    Event("both units enabled", NOTHING, both_units, prepare=observe_first, note=not_beside_the_extension),
    Event(
        "cut-over beside the extension, and back by stopping",
        NOTHING,
        cut_over_and_stop,
        prepare=with_real_extension,
        note=not_beside_the_extension,
        load=library_load,
    ),
    Event(
        "cut-over and removal of the extension, and back by detach",
        NOTHING,
        cut_over_and_remove_the_extension,
        prepare=with_real_extension,
        note=not_beside_the_extension,
        load=library_load,
    ),
    Event("nft flush ruleset", FLUSHED, flush_nft),
    Event("iptables -t nat -F", FLUSHED, flush_iptables),
    Event("lo down and up", NO_WAY, loopback_down_and_up),
    Event("::1 away and back", NO_WAY, ipv6_away_and_back),
    Event("IMDS away and back, no token cached", NOTHING, imds_away, patience=60),
    Event("a cgroup removed and made again", NOTHING, cgroup_away_and_back),
    Event("bpffs unmounted and mounted", NOTHING, bpffs_away_and_back),
]


def to_another_backend(what, change, new):
    return Event(
        f"{what} {new}",
        NOTHING,
        with_another_backend(change, new),
        reason=lambda backend: "the same backend" if backend == new else "",
        source_ports=FEW_SOURCE_PORTS,
        once_a_machine=True,
    )


RELOADS = {new: to_another_backend("reload to", reload, new) for new in backends.ALL}
RESTARTS = {new: to_another_backend("restart with", restart, new) for new in backends.ALL}
ALL = [*SINGLE, *RELOADS.values(), *RESTARTS.values()]
# Where the clock is nobody else's: in a virtual machine (tests/vm/run).
CLOCK = [
    Event(name, NOTHING, clock_there_and_back(seconds, tokens), prepare, same_with_every_backend)
    for name, seconds, tokens, prepare in (
        ("clock a day ahead, and right again", DAY, 0, start_alone),
        ("clock a day behind, and right again", -DAY, 0, start_alone),
        ("clock an hour behind, and right again, tokens of 8 s", -HOUR, 2, with_short_tokens),
    )
]
OF_EVERY_KERNEL = (restart, kill_responder, kill_supervisor, kill_supervisor_and_wait)
IN_VIRTUAL_MACHINES = [
    dataclasses.replace(event, rate=VIRTUAL_RATE)
    for event in (*[event for event in SINGLE if event.play in OF_EVERY_KERNEL], *CLOCK)
]
