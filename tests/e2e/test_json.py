# SPDX-License-Identifier: MIT
"""docs/json.md is what the commands print: no member is undocumented, of another type, or only on paper."""

import json
import re
import time

import pytest

import backends
from extension import Extension
from fleet_reports import report
from legacy_port import ask
from programs import CHECKOUT, program, run_in
from usage_record import caller, record
from waiting import wait_until

PAGE = CHECKOUT / "docs" / "json.md"
KINDS = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", type(None): "null"}
# Whoever started the service may have kept it from making any; there may be no such container.
NOT_EVERYWHERE = {"responder.confinement.own_namespaces[]", "container_networks[]"}
ROW = re.compile(r"^\| `([^`]+)` \| ([a-z, ]+) \| .*\|$", re.MULTILINE)


def documented():
    """For each command, the types of each member."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {command: {path: set(kinds.split(", ")) for path, kinds in ROW.findall(text)} for command, text in zip(parts[::2], parts[1::2])}


DOCUMENTED = documented()


def members(value, path, known):
    """Each member of a document as the page names it, with its type."""
    if path and not (isinstance(value, list) and path not in known):  # the page names an array by its elements
        yield path, KINDS[type(value)]
    if isinstance(value, list):
        for element in value:
            yield from members(element, path + "[]", known)
    if isinstance(value, dict):
        has_any_name = any(name.startswith(path + ".*") for name in known)
        for name, member in value.items():
            yield from members(member, f"{path}.{'*' if has_any_name else name}".lstrip("."), known)


def assert_printed_as_documented(command, *printed):
    known = DOCUMENTED[command]
    seen = set()
    for ended in printed:
        assert ended.stdout.count("\n") == 1 and ended.stdout.startswith('{"schema":1,'), ended.stdout + ended.stderr
        seen |= set(members(json.loads(ended.stdout), "", known))
    assert [f"{path} is a {kind}" for path, kind in sorted(seen) if kind not in known.get(path, ())] == []
    assert sorted(known.keys() - {path for path, _ in seen} - NOT_EVERYWHERE) == [], "documented, and not printed"


@pytest.fixture
def extension(host, emulator, new_service):
    with Extension(host, root=new_service().waagent) as running:
        yield running


def test_the_page_has_each_command(bare_host):
    def help_on(command):
        return run_in(bare_host, program("msi2imds"), *command.split(), "--help").stdout

    commands = re.findall(r"^  ([a-z-]+) ", help_on("").split("Subcommands:")[1], re.MULTILINE)
    assert set(DOCUMENTED) - {"callers --merge", "callers --csv"} == {name for name in [*commands, "policy test"] if "--json" in help_on(name)}


def test_the_page_has_each_column_of_csv(bare_host, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(report(int(time.time()), "a")))
    printed = run_in(bare_host, program("msi2imds"), "callers", "--merge", tmp_path / "a.json", "--csv").stdout
    section = PAGE.read_text().split("\n## callers --csv\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert [name for cell in cells for name in re.findall(r"`(\w+)`", cell)] == printed.splitlines()[0].split(",")


def test_status(extension, new_service, host):
    settings = {**backends.settings("cgroup_connect"), "waagent.root": str(extension.root), "audit.file": "/tmp"}
    service = new_service(settings)
    stopped = service.status("--json")
    service.start()
    ask(host)
    wait_until(lambda: service.status_json()["responder"]["requests"], 10, "the request is counted")
    extension.root.chmod(0o700)
    assert_printed_as_documented("status", stopped, service.status("--json"), service.run_as_stranger("status", "--json"))


def test_health(new_service, service):
    stopped = new_service({"admin.socket": "/nonexistent"}).run("health", "--json")
    assert_printed_as_documented("health", stopped, service.run("health", "--json"), service.run_as_stranger("health", "--json"))


def test_doctor(service):
    assert_printed_as_documented("doctor", service.run("doctor", "--json"), service.run_as_stranger("doctor", "--json"))


def test_verify_and_retire(extension, new_service):
    service = new_service({"waagent.root": str(extension.root)}).start()
    assert_printed_as_documented("verify", service.run("verify", "--json"))
    assert_printed_as_documented("retire", service.run("retire", "--json"))


def test_callers(extension, new_service):
    service = new_service()
    now = 1_800_000_000
    other = {"name": "", "requests": 3, "last_seen": now}
    grant = {"resource": "https://x", "uid": 0, "gids": [0, 4], "unit": "a.service", "cgroup": "/a", "program": "/a"}
    document = record(
        [
            caller("a.service", "/a", lambda ago: 1, {"https://x": 100}, now, other_resources=other, other_identities=other,
                   identities=[{"name": "x", "requests": 1, "last_seen": now}]),
        ],
        [[now - 86400, now]],
    )  # fmt: skip
    document["granted"] = [
        {**grant, kind: "x", "program_is_verified": True, "last_used": now} for kind in ("client_id", "object_id", "msi_res_id")
    ]
    document["callers"][0]["libraries"] = {"curl": 1}
    service.callers_state.write_text(json.dumps(document))
    stopped = service.run("callers", "--json")
    named = new_service({"waagent.root": str(extension.root)}).start().run("callers", "--json")
    assert_printed_as_documented("callers", stopped, named)


def test_callers_merge(bare_host, tmp_path):
    now = int(time.time())
    other = {"name": "", "requests": 3, "last_seen": now}
    row = caller("a.service", "/a", lambda ago: 1, {"https://x": 100}, now, other_resources=other, other_identities=other,
                 identities=[{"name": "x", "requests": 1, "last_seen": now}])  # fmt: skip
    row["libraries"] = {"curl": 1}
    (tmp_path / "a.json").write_text(json.dumps(report(now, "a", [row])))
    (tmp_path / "b.json").write_text(json.dumps(report(now, "b", recorded=[], stage=None, extension=None, group=None)))
    (tmp_path / "c.json").write_text("nothing")
    documented_of_callers = {
        path: kinds for path, kinds in DOCUMENTED["callers"].items()
        if path.startswith("callers[]") and path not in ("callers[].pid", "callers[].users[]", "callers[].users[].uid", "callers[].users[].user")
    }  # fmt: skip
    DOCUMENTED["callers --merge"].update(documented_of_callers)
    assert_printed_as_documented("callers --merge", run_in(bare_host, program("msi2imds"), "callers", "--merge", tmp_path, "--json"))


def test_policy_test(new_service):
    service = new_service({"policy.mode": "enforce"})
    rules = '\n[[allow]]\nname = "root"\nuid = 0\n[[identity.rule]]\nuid = 0\nclient_id = "12345678-1234-1234-1234-123456789012"\n'
    service.config.write_text(service.config.read_text() + rules)
    assert_printed_as_documented("policy test", service.run("policy", "test", "--json", "--uid", "0", "--resource", "https://x"))


def test_flush(service):
    assert_printed_as_documented("flush", service.run("flush", "--json"))
