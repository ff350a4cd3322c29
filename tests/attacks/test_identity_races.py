# SPDX-License-Identifier: MIT
"""Who the caller is, whatever becomes of socket and process around the request: nobody gets another one's tokens."""

import collections
import contextlib
import ctypes
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile

import pytest

import cgroup
from raw_http import RawConnection, request

RACER = pathlib.Path(__file__).with_name("racer.c")
# As there.
ALLOWED_UID, OTHER_UID = 20001, 20002
ALLOWED_GID = 20101
LOOPBACK = ("127.0.0.1", 50342)
WORKERS = 4

Counts = collections.namedtuple("Counts", ["token", "refused", "failed"])
Race = collections.namedtuple("Race", ["must", "must_not", "may"])


@pytest.fixture(scope="module")
def programs():
    """The attacker, and programs that are the same under other names and as other users."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="msi2imds-racer-", dir="/tmp"))
    directory.chmod(0o755)
    subprocess.run(["cc", "-O2", "-pthread", "-o", directory / "other", RACER], check=True)
    for name, uid, gid, mode in (
        ("allowed", 0, 0, 0o755),
        ("setuid", ALLOWED_UID, 0, 0o4755),
        ("setgid", 0, ALLOWED_GID, 0o2755),
    ):
        shutil.copy(directory / "other", directory / name)
        os.chown(directory / name, uid, gid)
        (directory / name).chmod(mode)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def cgroups():
    paths = [f"{cgroup.own_scratch()}/{name}.service" for name in ("allowed", "other")]
    for path in paths:
        cgroup.make(path)
    yield paths
    for path in paths:
        cgroup.remove(path)


def allow(**conditions):
    return "[[allow]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in conditions.items())


FOR_USERS = allow(uid=ALLOWED_UID, resource="https://uid/") + allow(uid=0, resource="https://root/")


def rules(programs, cgroups):
    """One for each thing that a caller may be known by; each race asks for the resource of one of them."""
    return (
        FOR_USERS
        + allow(gid=ALLOWED_GID, resource="https://gid/")
        + allow(program=str(programs / "allowed"), resource="https://program/")
        + allow(unit=cgroups[0], resource="https://unit/")
    )


@pytest.fixture
def start(emulator, new_service):
    def started(rules, **settings):
        service = new_service({"policy.mode": "enforce", "audit.max_rate": 1000000, "log.level": "info", **settings})
        service.config.write_text(service.config.read_text() + rules)
        return service.start()

    return started


@pytest.fixture
def race(host, programs, cgroups, row):
    """Runs races; whoever gets a token that it must not get, or none that it must get, breaks a row of the table."""

    def run(races, seconds, is_observed=True, kind=None):
        seed = int(os.environ.get("MSI2IMDS_SEED", random.getrandbits(48)))
        procs = [cgroup.directory_of(path) / "cgroup.procs" for path in cgroups]
        numbers = [LOOPBACK[1], seed, races, seconds, WORKERS]
        command = [programs / "other", *numbers, programs, *procs, int(is_observed), *([kind] if kind else [])]
        ended = subprocess.run(host.command(*command), capture_output=True, text=True, timeout=seconds + 300)
        assert ended.returncode == 0, ended.stderr
        told = {}
        for line in ended.stdout.splitlines():
            name, *values = line.split("\t")
            values = [int(value) for value in values]
            told[name] = Race(*(Counts(*values[at : at + 3]) for at in (0, 3, 6)))
        print(f"seed {seed}", ended.stderr[:2000])
        where = ("observed" if is_observed else "not observed") + (", rules on users alone" if kind else "")
        for name, counts in told.items():
            if kind not in (None, name):
                continue
            right, wrong = counts.must, counts.must_not
            measured = f"{wrong.token} of {sum(wrong)} wrong, {right.token} of {sum(right)} right"
            row(f"races, {where}: {name}", "0 wrong grants", measured, wrong.token == 0 and right.refused == 0)
        return told

    return run


RACES = [(10**6, 10), pytest.param((10**6, 3600), marks=pytest.mark.long)]
OBSERVATION = {"observed": {}, "unobserved": {"callers.cgroup": ""}}


@pytest.mark.parametrize("length", RACES, ids=["short", "million"])
@pytest.mark.parametrize("observation", OBSERVATION)
def test_no_race_gets_another_ones_token(start, race, programs, cgroups, observation, length, row):
    start(rules(programs, cgroups), **OBSERVATION[observation])
    told = race(*length, is_observed=observation == "observed")
    results = [result for counts in told.values() for result in counts]
    right = sum(counts.must.token for counts in told.values())
    row(f"races, {observation}: those who are allowed", "get their tokens", f"{right} tokens", right > 0)
    failed, tried = sum(result.failed for result in results), sum(map(sum, results))
    row(f"races, {observation}: all", "run to their end", f"{failed} of {tried} did not", failed * 20 <= tried)


# A rule on users alone does not wait for a look at the process.
@pytest.mark.parametrize("observation", OBSERVATION)
def test_where_rules_ask_for_the_user_alone(start, race, observation):
    start(FOR_USERS, **OBSERVATION[observation])
    for kind in ("connecting what another user made", "passing a connection on", "threads of different users"):
        told = race(60, 5, observation == "observed", kind)
        assert told[kind].must_not.refused


def as_user(uid, act):
    """What `act` returns, a small number, in a process of that user."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            status = act()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dissolve(connection):
    nobody = bytes(16)  # AF_UNSPEC, which Python cannot say
    assert ctypes.CDLL(None).connect(connection.fileno(), nobody, len(nobody)) == 0


def test_the_audit_names_who_connected_and_says_why(start, host, row):
    service = start(allow(uid=0))
    with host.connect() as roots:

        def connect_and_ask():
            dissolve(roots)
            roots.connect(LOOPBACK)
            return 0 if RawConnection(roots).ask(request()).status == 403 else 1

        refused = as_user(OTHER_UID, connect_and_ask) == 0
    row("root's socket, dissolved and connected by another", "403", "403" if refused else "a token", refused)
    line = service.wait_for_audit(1)[-1]
    assert (line["uid"], line["outcome"]) == (OTHER_UID, "denied")
    assert line["unknown"] == f"another-user: uid {OTHER_UID} connected a socket that uid 0 had made"


@contextlib.contextmanager
def on_one_processor():
    """A map of the least recently used keeps the latest of each processor for itself: another one's flood takes none of them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def flood(host):
    """Connects more often than the observer remembers."""
    for _ in range(40_000):
        connection = host.socket()
        connection.setblocking(False)
        connection.connect_ex(LOOPBACK)
        connection.close()


def test_whom_the_observer_has_forgotten_is_looked_for(start, host, row):
    service = start(allow(uid=0))
    roots = host.socket()
    reading, writing = os.pipe()
    with service.accepting_paused(), on_one_processor():
        pid = os.fork()
        if pid == 0:
            status = 255
            try:
                os.setresuid(OTHER_UID, OTHER_UID, OTHER_UID)
                roots.connect(LOOPBACK)
                os.write(writing, b"connected")
                status = 0 if RawConnection(roots).ask(request()).status == 403 else 1
            finally:
                os._exit(status)
        os.read(reading, 9)
        roots.close()  # root has it no more
        own = host.connect()
        flood(host)
    with RawConnection(own) as connection:
        own.settimeout(60)
        status = connection.ask(request()).status
    row("a flood of connections, for who is allowed", "200", str(status), status == 200)
    refused = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    row("a flood of connections, for who connected root's socket", "403", "403" if refused else "a token", refused)
    lines = service.wait_for_audit(2)
    why = [line["unknown"].partition(":")[0] for line in lines if line["outcome"] == "denied"]
    assert why == ["unseen"], "the observer had forgotten it"
    os.close(reading)
    os.close(writing)
