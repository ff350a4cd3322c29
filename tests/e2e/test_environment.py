# SPDX-License-Identifier: MIT
"""Each fault of the machine around a running msi2imds: what callers see, what status and metrics say, and its end."""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import resource
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable

import pytest

import cgroup
from callers import Callers
from kernel_state import uid_of
from legacy_port import a_token_is_served, ask
from programs import CHECKOUT, run_in, start_in, stop
from raw_http import RESOURCE, ConnectionEnded, RawConnection, request, token_target
from tokens import assert_legacy_success
from waiting import wait_until

METRICS_PORT = 9342
TOLD_SECONDS = 15  # until status and metrics name a fault
BACK_SECONDS = 5  # until callers are served again after its end
SERVED = {"token"}
CUT = {"token", "reset", "closed"}  # what a responder had accepted when it ended
LET_THROUGH = {*CUT, "refused"}
DISK = "disk"


def remount(service, *options):
    subprocess.run(["mount", "-o", ",".join(("remount", *options)), service.directory / DISK], check=True)


@pytest.fixture
def disk_service(emulator, new_service):
    """msi2imds, not started yet, with all that it keeps on a small disk."""
    service = new_service()
    disk = service.directory / DISK
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", disk], check=True)
    service.audit, service.callers_state = disk / "audit", disk / "callers.json"
    service.waagent, service.state = disk / "waagent", disk / "state"
    service.log_reader = None
    cgroup.make(observed_cgroup())
    yield service
    service.stop()
    if service.log_reader:
        service.log_reader.stdin.close()
        service.log_reader.wait(10)
    cgroup.remove(observed_cgroup())
    subprocess.run(["umount", disk], check=True)


@contextlib.contextmanager
def limited(pid, option, soft):
    """By its own user: not even root may change the limits of the responder."""
    by_itself = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"] if uid_of(pid) else []
    prlimit = [*by_itself, "prlimit", f"--pid={pid}"]
    before = subprocess.check_output([*prlimit, f"--{option}", "--output=SOFT", "--noheadings"], text=True).strip()
    subprocess.run([*prlimit, f"--{option}={soft}:"], check=True)
    try:
        yield
    finally:
        subprocess.run([*prlimit, f"--{option}={before}:"], stderr=subprocess.DEVNULL)  # it may have ended


def responder_has_no_descriptor(service):
    return limited(service.responder(), "nofile", 3)


def supervisor_has_no_descriptor(service):
    return limited(service.pid, "nofile", 3)


@contextlib.contextmanager
def no_responder_can_be_started_without_descriptors(service):
    with limited(service.pid, "nofile", 3):
        os.kill(service.responder(), signal.SIGKILL)
        yield


@contextlib.contextmanager
def no_responder_can_be_started_without_memory(service):
    with limited(service.pid, "as", 1 << 20):
        os.kill(service.responder(), signal.SIGKILL)
        yield


@contextlib.contextmanager
def responder_gets_no_more_memory(service):
    responder = service.responder()
    used = int(pathlib.Path(f"/proc/{responder}/statm").read_text().split()[0]) * resource.getpagesize()
    with limited(responder, "as", used), contextlib.ExitStack() as connections:
        for _ in range(4000):  # fewer than responder.max_connections
            if service.find_responder() != responder or "bad_alloc" in service.log_text():
                break
            with contextlib.suppress(ConnectionError):
                connections.enter_context(service.namespace.connect())
        yield


@contextlib.contextmanager
def disk_is_full(service):
    filler = service.directory / DISK / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def disk_can_only_be_read(service):
    remount(service, "ro")
    try:
        yield
    finally:
        remount(service, "rw")


def with_a_reader_of_the_log(service):
    """What launch() needs; the reader ends with the last writer."""
    service.log_reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    return {"stderr": service.log_reader.stdin}


@contextlib.contextmanager
def nobody_reads_the_log(service):
    os.kill(service.log_reader.pid, signal.SIGSTOP)
    try:
        # Both processes keep 256 KiB; requests write lines of debugging.
        with Callers(service.namespace, pause=0) as callers:
            callers.wait_for("token", 60, count=2500)
        yield
    finally:
        os.kill(service.log_reader.pid, signal.SIGCONT)


@contextlib.contextmanager
def the_observed_cgroup_is_gone(_service):
    cgroup.remove(observed_cgroup())
    try:
        yield
    finally:
        cgroup.make(observed_cgroup())


@contextlib.contextmanager
def somebody_else_has_the_metrics_port(service):
    with service.namespace.listen("127.0.0.1", METRICS_PORT):
        yield


def responder_hangs(service):
    return service.accepting_paused()


def observed_cgroup():
    return f"{cgroup.own_scratch()}/observed"


def with_an_observed_cgroup(_service):
    return {"callers.cgroup": observed_cgroup()}


def with_the_audit_elsewhere(service):
    """A file system with a file that is open for writing does not become read-only."""
    service.audit = service.directory / "audit"
    return {}


def with_nothing(_service):
    return {}


@dataclasses.dataclass(frozen=True)
class Fault:
    begin: Callable  # a context manager of the service
    callers_see: set
    status_says: str
    shortcomings: set | None = None  # by metrics; None: they cannot be had, and Prometheus's `up` is 0
    is_there_at_the_start: bool = False
    says_good: bool = False  # status: callers are served all the same
    audit_is_whole: bool = True
    launch: Callable = with_nothing  # options of Service.launch()
    settings: Callable = with_nothing


FAULTS = {
    "no descriptor for the responder": Fault(
        responder_has_no_descriptor, SERVED, r"has all 3 descriptors that its limit allows"
    ),
    "no descriptor for the supervisor": Fault(
        supervisor_has_no_descriptor,
        SERVED,
        r"the supervisor has no descriptor left",
        {"callers", "descriptors", "discovery"},
        says_good=True,
    ),
    "no descriptor for a new responder": Fault(
        no_responder_can_be_started_without_descriptors, LET_THROUGH, r"responder does not answer", audit_is_whole=False
    ),
    "no memory for a new responder": Fault(
        no_responder_can_be_started_without_memory, LET_THROUGH, r"responder does not answer", audit_is_whole=False
    ),
    "disk full": Fault(disk_is_full, SERVED, r"No space left on device", {"audit", "callers"}, says_good=True),
    "disk read-only from the start": Fault(
        disk_can_only_be_read,
        SERVED,
        r"Read-only file system",
        {"audit", "callers", "discovery"},
        is_there_at_the_start=True,
        says_good=True,
        audit_is_whole=False,
    ),
    "disk read-only": Fault(
        disk_can_only_be_read,
        SERVED,
        r"Read-only file system",
        {"callers"},
        says_good=True,
        settings=with_the_audit_elsewhere,
    ),
    "observed cgroup gone": Fault(
        the_observed_cgroup_is_gone,
        SERVED,
        r"callers are looked for among those who hold the connection",
        {"observation"},
        says_good=True,
        settings=with_an_observed_cgroup,
    ),
    "metrics port taken": Fault(
        somebody_else_has_the_metrics_port, SERVED, rf"{METRICS_PORT}", is_there_at_the_start=True, says_good=True
    ),
    "responder hangs": Fault(responder_hangs, SERVED, r"responder does not answer"),
    "log without a reader": Fault(
        nobody_reads_the_log,
        SERVED,
        r"log are lost",
        {"log"},
        says_good=True,
        audit_is_whole=False,
        launch=with_a_reader_of_the_log,
    ),
}


def scrape(host):
    """The text of the metrics, as Prometheus gets it; None: it gets none."""
    try:
        with RawConnection(host.connect(port=METRICS_PORT, timeout=2)) as connection:
            return connection.ask(request(target="/metrics", host=f"localhost:{METRICS_PORT}")).body.decode()
    except (OSError, ConnectionEnded):
        return None


def metric(host, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", scrape(host), re.MULTILINE)[1])


def shortcomings(host):
    text = scrape(host)
    return None if text is None else set(re.findall(r'^msi2imds_shortcoming\{what="(\w+)"\} 1$', text, re.MULTILINE))


def is_told(service, fault):
    status = service.status()
    return re.search(fault.status_says, status.stdout + status.stderr) and (status.returncode == 0) == fault.says_good


def is_well(service, host):
    return shortcomings(host) == set() and service.status().returncode == 0


def check_audit(service, tokens):
    """Each token that a caller got has its line."""

    def lines():
        return sum(line["outcome"] == "token" for line in service.audit_lines())

    wait_until(lambda: lines() >= tokens, 10, f"{tokens} lines of tokens, of which there are {lines()}")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_and_its_end_is_the_end_of_it(disk_service, host, name, capsys):
    fault, service = FAULTS[name], disk_service
    with contextlib.ExitStack() as stack:
        present = contextlib.ExitStack()
        stack.enter_context(present)
        service.configure({"metrics.port": METRICS_PORT, **fault.settings(service)})
        if fault.is_there_at_the_start:
            present.enter_context(fault.begin(service))
        service.start(**fault.launch(service))
        wait_until(lambda: a_token_is_served(host), 10, "a token is served")
        before = len(service.audit_lines())
        callers = stack.enter_context(Callers(host, count=2, pause=0.1))
        callers.wait_for("token", 10)
        if not fault.is_there_at_the_start:
            present.enter_context(fault.begin(service))
        began = time.monotonic()
        wait_until(lambda: is_told(service, fault), TOLD_SECONDS, f"status says {fault.status_says!r}")
        wait_until(lambda: shortcomings(host) == fault.shortcomings, TOLD_SECONDS, f"metrics say {fault.shortcomings}")
        told = time.monotonic() - began

        present.close()
        ended = time.monotonic()
        callers.wait_for("token", BACK_SECONDS, count=1)
        back = time.monotonic() - ended
        wait_until(lambda: is_well(service, host), TOLD_SECONDS, "status and metrics say that all is well")
        callers.wait_for("token", 10, count=5)
    with capsys.disabled():
        print(f"\n{name}: told after {told:.1f} s, back after {back:.1f} s; {callers}")
    assert set(callers.outcomes) <= fault.callers_see
    assert service.process.poll() is None
    if fault.audit_is_whole:
        check_audit(service, callers.outcomes["token"] + before)


def test_a_new_token_that_is_asked_for_without_descriptors_comes_in_the_end(service, host):
    with RawConnection(host.connect(timeout=60)) as connection:
        with supervisor_has_no_descriptor(service):
            connection.send(request(target=token_target("https://vault.azure.net")))
            wait_until(lambda: "Too many open files" in service.status().stdout, TOLD_SECONDS, "status says why it waits")
        assert_legacy_success(ask(host), RESOURCE)
        assert_legacy_success(connection.read_reply(), "https://vault.azure.net")


def test_a_log_whose_reader_has_ended_is_told(emulator, new_service, host):
    service = new_service({"metrics.port": METRICS_PORT})
    reader, writer = os.pipe()
    service.launch(stderr=writer)
    os.close(writer)
    service.wait_ready()
    os.close(reader)
    for _ in range(3):
        assert_legacy_success(ask(host), RESOURCE)
    wait_until(lambda: shortcomings(host) == {"log"}, TOLD_SECONDS, "metrics tell of it")
    assert "log are lost" in service.status().stdout
    assert service.stop() == 0


@pytest.mark.parametrize("end_of_memory", [responder_gets_no_more_memory])
def test_a_responder_without_memory_serves_again_and_says_so(emulator, new_service, host, end_of_memory):
    service = new_service({"metrics.port": METRICS_PORT}).start()
    first = service.responder()
    with end_of_memory(service):
        pass
    with Callers(host, count=1, pause=0.1) as callers:
        callers.wait_for("token", BACK_SECONDS, count=5)

    def is_told():
        return shortcomings(host) == {"failures"} or "responder_restarts_total 1" in (scrape(host) or "")

    wait_until(is_told, TOLD_SECONDS, "metrics tell of it")
    if service.responder() == first:
        assert "bad_alloc" in service.status().stdout
    assert set(callers.outcomes) <= CUT


def make_file(path):
    path.write_bytes(b"{")


def make_link(path):
    path.symlink_to("/nowhere")


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))


BAD_KINDS = {
    "damaged": make_file,
    "directory": pathlib.Path.mkdir,
    "FIFO": os.mkfifo,
    "link": make_link,
    "socket": make_socket,
    "device": lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3)),
}


@pytest.mark.parametrize("kind", BAD_KINDS)
def test_a_table_of_callers_of_a_bad_kind_is_set_aside(emulator, new_service, host, kind):
    service = new_service({"metrics.port": METRICS_PORT})
    BAD_KINDS[kind](service.callers_state)
    before = os.lstat(service.callers_state)
    service.start()
    assert_legacy_success(ask(host), RESOURCE)
    service.wait_for_log("began a new record of who calls")
    assert shortcomings(host) == set()
    assert os.lstat(f"{service.callers_state}.damaged").st_ino == before.st_ino
    assert service.stop() == 0
    assert json.loads(service.callers_state.read_text())["callers"]


@pytest.mark.parametrize("kind", [kind for kind in BAD_KINDS if kind != "damaged"])
@pytest.mark.parametrize("name", ["audit", "discovery"])
def test_another_file_of_a_bad_kind_is_told_until_it_is_gone(emulator, new_service, host, name, kind):
    service = new_service({"metrics.port": METRICS_PORT})
    service.waagent.mkdir()
    place = {"audit": service.audit, "discovery": service.waagent / "ManagedIdentity-Settings"}[name]
    BAD_KINDS[kind](place)
    service.start()
    assert_legacy_success(ask(host), RESOURCE)
    wait_until(lambda: shortcomings(host) == {name}, TOLD_SECONDS, "metrics tell of it")
    assert place.name in service.status().stdout
    place.rmdir() if kind == "directory" else place.unlink()
    wait_until(lambda: is_well(service, host), BACK_SECONDS, "it is made")
    assert_legacy_success(ask(host), RESOURCE)
    wait_until(place.is_file, 5, "it is there")


def test_a_hidden_proc_hides_no_caller(emulator, new_service, host):
    service = new_service({"metrics.port": METRICS_PORT})
    service.start(wrapper=("unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh"))
    assert "hidepid=invisible" in pathlib.Path(f"/proc/{service.pid}/mounts").read_text()
    assert_legacy_success(ask(host), RESOURCE)
    [line] = service.wait_for_audit(1)
    assert (line["pid"], line["program"]) == (os.getpid(), os.readlink("/proc/self/exe"))
    assert is_well(service, host)


def test_a_user_who_is_removed_changes_nothing_until_a_restart(emulator, new_service, host, tmp_path):
    service = new_service({"metrics.port": METRICS_PORT})
    service.start(wrapper=("unshare", "--mount", "--propagation", "private"))
    without = tmp_path / "passwd"
    without.write_text("root:x:0:0:root:/root:/bin/sh\n")
    inside = ("nsenter", f"--target={service.pid}", "--mount", "--")
    subprocess.run([*inside, "mount", "--bind", without, "/etc/passwd"], check=True)
    first = service.responder()
    with Callers(host, count=2, pause=0) as callers:
        callers.wait_for("token", 10)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: service.find_responder() not in (None, first), 10, "another responder runs")
        callers.wait_for("token", BACK_SECONDS)
    assert set(callers.outcomes) <= CUT
    wait_until(lambda: is_well(service, host), TOLD_SECONDS, "all is well")


def test_callers_notice_nothing_of_a_second_instance(service, new_service, host):
    with Callers(host, count=2, pause=0) as callers:
        callers.wait_for("token", 10)
        second = new_service({"admin.socket": str(service.admin_socket)}).launch()
        assert second.wait_exit() == 1
        callers.wait_for("token", 10)
    assert set(callers.outcomes) == SERVED
    assert service.status().returncode == 0


@pytest.mark.parametrize("name", ["discovery-file", "legacy-ports"])
@pytest.mark.parametrize("kind", [kind for kind in BAD_KINDS if kind != "directory"])
def test_a_note_of_a_bad_kind_is_replaced(emulator, new_service, host, name, kind):
    service = new_service({"metrics.port": METRICS_PORT})
    service.state.mkdir(mode=0o700)
    BAD_KINDS[kind](service.state / name)
    service.start()
    assert_legacy_success(ask(host), RESOURCE)
    note = service.state / name
    wait_until(lambda: stat.S_ISREG(note.lstat().st_mode) and note.stat().st_size > 1, 10, "it is written")
    assert is_well(service, host)


def test_callers_that_nobody_can_identify_are_served_and_told_of(emulator, new_service, host):
    service = new_service({"metrics.port": METRICS_PORT})
    service.start(wrapper=("/usr/bin/python3", "-B", CHECKOUT / "tests" / "support" / "without_sock_diag.py"))
    assert_legacy_success(ask(host), RESOURCE)
    wait_until(lambda: "identification" in (shortcomings(host) or ()), TOLD_SECONDS, "metrics tell of it")
    assert "callers cannot be identified" in service.status().stdout


def test_imds_that_is_away_is_told(emulator, new_service, host):
    service = new_service({"metrics.port": METRICS_PORT, "imds.deadline": 3}).start()
    emulator.stop()
    with Callers(host, count=2, pause=0.1) as callers:
        wait_until(lambda: "IMDS cannot be reached" in service.status().stdout, TOLD_SECONDS, "status says so")
        wait_until(lambda: metric(host, 'msi2imds_requests_total{outcome="failed",source="imds"}') > 0, TOLD_SECONDS, "metrics do")
        assert service.status().returncode == 0, "they reach us, and wait"
        emulator.start()
        callers.wait_for("token", BACK_SECONDS, count=1)


def errors_in(service):
    return [line.split("]: ", 1)[1] for line in service.log_text().splitlines() if " error msi2imds[" in line]


def test_what_fails_again_and_again_is_told_once(service):
    """A responder is started every few seconds, for as long as none can be."""
    with no_responder_can_be_started_without_descriptors(service):
        service.wait_for_log("connections are let through", 30)
        service.wait_for_log("cannot listen on", 30)  # another cause, once the sockets are closed
    service.wait_ready()
    told = collections.Counter(errors_in(service))
    assert set(told.values()) == {1}, told


def test_a_port_that_somebody_else_has_taken_is_told(emulator, new_service, host):
    """As any user can where net.ipv4.ip_unprivileged_port_start is 0."""
    free = ("sysctl", "-q", "-w", "net.ipv4.ip_unprivileged_port_start=0")
    run_in(host, *free).check_returncode()
    listen = "import socket; s = socket.create_server(('127.0.0.1', 342)); print(flush=True); s.accept()"
    as_nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")
    squatter = start_in(host, *as_nobody, "/usr/bin/python3", "-c", listen, stdout=subprocess.PIPE)
    try:
        assert squatter.stdout.readline()
        service = new_service()
        service.launch()
        assert service.wait_exit() == 1
        (told,) = errors_in(service)  # one line says what, where, and what to do
        assert told.startswith("cannot listen on 127.0.0.1:342 (another program listens there: `msi2imds doctor` says which")
        assert told.endswith(": Address already in use")
        findings = json.loads(service.run("doctor", "--json").stdout)["findings"]
        texts = [finding["text"] for finding in findings if finding["level"] != "ok"]
        assert any(str(squatter.pid) in text and "127.0.0.1:342" in text for text in texts), texts
        assert any("Any user may listen on port 342" in text for text in texts), texts
        service.configure({"redirect.listen_port": 343})
        service.start()
        assert_legacy_success(ask(host), RESOURCE)
    finally:
        stop(squatter)
        squatter.stdout.close()


@pytest.mark.parametrize("who", ["supervisor", "responder"])
def test_which_process_hangs_is_told(service, who):
    """By status, health and doctor, each with the process that does not answer."""
    os.kill(service.pid if who == "supervisor" else service.responder(), signal.SIGSTOP)
    try:
        said = {command: service.run(command).stdout for command in ("status", "health", "doctor")}
    finally:
        os.kill(service.pid, signal.SIGCONT)
    for command, text in said.items():
        assert f"si2imds runs, but its {who} does not answer" in text, f"{command}: {text}"
    assert "msi2imds makes it when it starts" not in said["doctor"]


def test_the_table_of_what_is_told_is_that_of_the_metrics(service):
    named = re.findall(r'^msi2imds_shortcoming\{what="(\w+)"\} 0$', service.run("metrics").stdout, re.MULTILINE)
    page = (CHECKOUT / "docs" / "monitoring.md").read_text()
    table = re.search(r"^\| `what` \|.*?\n\n", page, re.MULTILINE | re.DOTALL)[0]
    assert named == re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)[1:], "in this order, below the heading"
    played = set().union(*[fault.shortcomings or () for fault in FAULTS.values()])
    assert set(named) - played == {
        "containers",  # test_container_networks.py
        "failures",  # a responder that has no memory is no longer the same afterwards
        "identification",  # its fault lasts as long as the process
        "names",  # test_directory_users.py
        "metrics",  # whoever has the port tells none
    }
