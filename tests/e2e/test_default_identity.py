# SPDX-License-Identifier: MIT
"""Which identity a client gets that names none: identity.default, [[identity.rule]], or as IMDS decides."""

import contextlib
import json
import os
import signal
import socket
import threading

import pytest

import backends
import cgroup
from crowd import ask_for, clients, resource_number
from extension import Extension
from named_client import NamedClient
from raw_http import RESOURCE, RawConnection, request, token_target
from service import TOKEN_MARK
from tokens import assert_legacy_error, assert_upstream_request, claims
from usage_record import caller, record
from waiting import wait_until

# A VM with one user-assigned identity, as most are.
pytestmark = pytest.mark.emulator_arguments("--no-system-identity", "--identities", "1")

FIRST, SECOND = 20001, 20002
AMBIGUOUS = "Multiple user assigned identities exist"
SLICE = f"/msi2imds-e2e-{os.getpid()}-identity.slice"
UNKNOWN_GUID = "11111111-2222-3333-4444-555555555555"
EVERY_LINE = {"audit.max_rate": 1000000}


def default(identity, key="client_id"):
    return f'[identity]\ndefault = {{ {key} = "{identity[key]}" }}\n'


def rule(identity, **conditions):
    settings = {**conditions, "client_id": identity["client_id"]}
    return "[[identity.rule]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


def ask(host, **parameters):
    with RawConnection(host.connect()) as connection:
        return connection.ask(request(target=token_target(RESOURCE, **parameters)))


def oid_of(reply):
    assert reply.status == 200
    return claims(reply.json()["access_token"])["oid"]


@pytest.fixture
def configured(new_service):
    """Makes a service with more of a configuration in TOML, not started."""

    def make(toml, **settings):
        service = new_service({**EVERY_LINE, **settings})
        service.config.write_text(service.config.read_text() + toml)
        return service

    return make


def reload(service, text):
    done = service.log_text().count("reload: done")
    service.config.write_text(text)
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.log_text().count("reload: done") > done, 10, "a reload")


@pytest.mark.smoke
def test_a_second_identity_breaks_who_names_none_and_a_default_mends_it(emulator, configured, host):
    first = emulator.user_assigned()
    service = configured("").start()
    assert oid_of(ask(host)) == first["object_id"]
    second = emulator.assign("policy")
    service.flush()
    refused = ask(host)
    assert_legacy_error(refused, 400, "invalid_request")
    assert AMBIGUOUS in refused.json()["error_description"]

    plain = service.config.read_text()
    reload(service, plain + default(first))
    emulator.reset()
    assert oid_of(ask(host)) == first["object_id"]
    assert_upstream_request(emulator.the_request(), RESOURCE, ("client_id", first["client_id"]))
    assert oid_of(ask(host, client_id=second["client_id"])) == second["object_id"], "the client's own word goes first"

    reload(service, plain)
    assert ask(host).status == 400, "the cache knows whose token it is"


@pytest.mark.parametrize("key", ["client_id", "object_id", "msi_res_id"])
def test_the_default_is_named_in_each_way(emulator, configured, host, key):
    first = emulator.user_assigned()
    emulator.assign("policy")
    configured(default(first, key)).start()
    assert oid_of(ask(host)) == first["object_id"]
    assert_upstream_request(emulator.the_request(), RESOURCE, (key, first[key]))


class Crowd(threading.Thread):
    """Asks over a connection of its own for so many tokens without naming an identity; collects what came."""

    def __init__(self, host, numbers):
        super().__init__()
        self._connection = RawConnection(host.connect(timeout=60))
        self._numbers = numbers
        self.done = 0
        self.oids = set()
        self.failures = []

    def run(self):
        with self._connection:
            for number in self._numbers:
                reply = self._connection.ask(ask_for(resource_number(number)))
                if reply.status == 200:
                    self.oids.add(claims(reply.json()["access_token"])["oid"])
                else:
                    self.failures.append(reply.status)
                self.done += 1


# Each request goes to IMDS: the cache alone would hide a change for hours.
TO_IMDS = {"tokens.cache": False, "imds.max_rate": 1000000, "imds.max_in_flight": 64}
CROWD = 8
REQUESTS = 10_000


def load(host, emulator, requests):
    """Asks so often, and has a second identity assigned meanwhile; the finished threads."""
    each = requests // CROWD
    crowd = [Crowd(host, range(number * each, (number + 1) * each)) for number in range(CROWD)]
    for one in crowd:
        one.start()
    wait_until(lambda: sum(one.done for one in crowd) >= requests // 4, 60, "a quarter is answered")
    emulator.assign("policy")
    at = sum(one.done for one in crowd)
    for one in crowd:
        one.join()
    assert at < requests, "the second identity came too late to matter"
    return crowd


def test_a_second_identity_under_load_fails_no_request(emulator, configured, host):
    first = emulator.user_assigned()
    configured(default(first), **TO_IMDS).start()
    crowd = load(host, emulator, REQUESTS)
    assert [one.failures for one in crowd] == [[]] * CROWD
    assert set().union(*(one.oids for one in crowd)) == {first["object_id"]}
    assert emulator.token_requests() >= REQUESTS


def test_the_same_without_a_default_does_fail(emulator, configured, host):
    """That the load above can show a failure."""
    configured("", **TO_IMDS).start()
    crowd = load(host, emulator, 2_000)
    assert {status for one in crowd for status in one.failures} == {400}


def test_one_identity_for_each_uid(emulator, configured, host, scripts):
    first, second = emulator.user_assigned(), emulator.assign("policy")
    service = configured(default(first) + rule(second, name="for the second", uid=SECOND)).start()
    with NamedClient(host, scripts, FIRST) as one, NamedClient(host, scripts, SECOND) as other:
        assert one.ask(3) == 3
        assert other.ask(3) == 3
    assert emulator.token_requests() == 2, "each identity has its place in the cache"
    lines = service.wait_for_audit(6)
    assert {(line["uid"], line["identity"], line["identity_by"], line.get("identity_rule")) for line in lines} == {
        (FIRST, first["client_id"], "default", None),
        (SECOND, second["client_id"], "rule", "for the second"),
    }
    assert oid_of(ask(host, object_id=second["object_id"])) == second["object_id"]
    line = service.wait_for_audit(7)[-1]
    assert (line["identity"], line["identity_by"]) == (second["object_id"], "client")


def test_audit_callers_metrics_and_log_tell_the_identity(emulator, configured, host):
    first = emulator.user_assigned()
    emulator.assign("policy")
    service = configured(default(first), **{"audit.format": "text"}).start()
    assert ask(host).status == 200
    wait_until(lambda: service.audit.exists() and service.audit.read_text(), 10, "an audit line")
    (row,) = json.loads(service.run("callers", "--json").stdout)["callers"]
    assert [use["name"] for use in row["identities"]] == [first["client_id"]]
    assert f" identity={first['client_id']} identity_by=default " in service.audit.read_text()
    assert 'msi2imds_identity_choices_total{by="default"} 1\n' in service.run("metrics").stdout
    service.wait_for_log(f"identity '{first['client_id']}' by default")
    assert f"identity               client_id {first['client_id']} where none is named" in service.status().stdout
    assert service.status_json()["identity"] == {"default": f"client_id {first['client_id']}", "rules": 0}
    assert service.flush("--identity", first["client_id"]) == 1


@pytest.mark.parametrize("backend", backends.ALL)
def test_one_identity_for_each_cgroup(emulator, configured, host, scripts, backend):
    first, second = emulator.user_assigned(), emulator.assign("policy")
    backup, other = (f"{cgroup.own_scratch()}/{name}.service" for name in ("backup", "other"))
    service = configured(default(first) + rule(second, unit=backup), **backends.settings(backend)).start()
    with (
        cgroup.made(backup, other),
        NamedClient(host, scripts, path=backup) as one,
        NamedClient(host, scripts, path=other) as another,
    ):
        assert one.ask(2) == 2
        assert another.ask(2) == 2
        lines = service.wait_for_audit(4)
    assert {(line["unit"], line["identity"]) for line in lines} == {
        (backup, second["client_id"]),
        (other, first["client_id"]),
    }


def test_one_identity_for_each_unit(emulator, configured, host, scripts):
    first, second = emulator.user_assigned(), emulator.assign("policy")
    backup, other = f"{SLICE}/backup.service", f"{SLICE}/other.service"
    service = configured(default(first) + rule(second, unit="backup.service"), **{"callers.cgroup": SLICE})
    with (
        cgroup.made(SLICE, backup, other),
        NamedClient(host, scripts, path=backup) as one,
        NamedClient(host, scripts, path=other) as another,
    ):
        service.start()
        assert one.ask(2) == 2
        assert another.ask(2) == 2
        lines = service.wait_for_audit(4)
    assert {(line["unit"], line["identity"]) for line in lines} == {
        ("backup.service", second["client_id"]),
        ("other.service", first["client_id"]),
    }


def test_rules_know_resources_and_programs(emulator, configured, host, scripts):
    first, second = emulator.user_assigned(), emulator.assign("policy")
    backup = scripts.copy_of_python("backup")
    vault = "https://vault.example/"
    rules = rule(second, program=str(backup)) + rule(second, uid=0, resource="https://vault.*")
    service = configured(default(first) + rules).start()
    with (
        NamedClient(host, scripts, python=backup) as by_program,
        NamedClient(host, scripts) as plain,
        NamedClient(host, scripts, resource=vault) as by_resource,
    ):
        for number, client in enumerate((by_program, plain, by_resource), 1):
            assert client.ask() == 1
            service.wait_for_audit(number)
    assert [line["identity"] for line in service.audit_lines()] == [
        second["client_id"],
        first["client_id"],
        second["client_id"],
    ]


def test_who_may_ask_is_decided_by_the_identity_that_was_chosen(emulator, configured, host, scripts):
    first, second = emulator.user_assigned(), emulator.assign("policy")
    allow = f'[[allow]]\nidentity = "{first["client_id"].upper()}"\n'
    rules = default(first) + rule(second, uid=SECOND) + allow
    service = configured(rules, **{"policy.mode": "enforce"}).start()
    with NamedClient(host, scripts, FIRST) as one, NamedClient(host, scripts, SECOND) as other:
        assert one.ask(2) == 2
        assert other.ask(2) == 0
    outcomes = {(line["uid"], line["identity"], line["outcome"]) for line in service.wait_for_audit(4)}
    assert outcomes == {(FIRST, first["client_id"], "token"), (SECOND, second["client_id"], "denied")}
    assert all(second["client_id"] not in entry["target"] for entry in emulator.requests())


@contextlib.contextmanager
def connection_of_nobody(host, service):
    """Its dialler has ended before it could be looked up, and passed it on."""
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    responder = service.responder()
    os.kill(responder, signal.SIGSTOP)
    try:
        dialler = os.fork()
        if dialler == 0:
            try:
                with host.connect() as dialled:
                    socket.send_fds(theirs, [b"x"], [dialled.fileno()])
            finally:
                os._exit(0)
        os.waitpid(dialler, 0)
    finally:
        os.kill(responder, signal.SIGCONT)
    _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    theirs.close()
    with RawConnection(socket.socket(fileno=descriptors[0])) as connection:
        connection.socket.settimeout(20)
        yield connection


def test_no_token_where_a_rule_cannot_be_decided(emulator, configured, host):
    """Neither the rule's identity nor the default's is sure to be meant for a process of which nothing is known."""
    first, second = emulator.user_assigned(), emulator.assign("policy")
    rules = default(first) + rule(second, uid=SECOND, program="/a") + rule(second, name="b", program="/usr/bin/b")
    service = configured(rules).start()
    with connection_of_nobody(host, service) as connection:
        assert_legacy_error(connection.ask(request()), 500, "unknown")
        line = service.wait_for_audit(1)[0]
        assert (line["outcome"], line["identity"], line["identity_by"]) == ("failed", "", "nobody")
        assert line["uid"] == 0 and line["unknown"] and line["identity_rule"] == "b"
        assert emulator.token_requests() == 0
        assert "identity.rule b cannot be decided: program is not known: process" in service.log_text()
        assert 'msi2imds_identity_choices_total{by="nobody"} 1\n' in service.run("metrics").stdout
        named = connection.ask(request(target=token_target(RESOURCE, client_id=second["client_id"])))
        assert oid_of(named) == second["object_id"], "who names an identity needs no rule"
    assert oid_of(ask(host)) == first["object_id"], "of whom all is known"


def test_a_reload_takes_rules_over_and_refuses_bad_ones(emulator, configured, host):
    first, second = emulator.user_assigned(), emulator.assign("policy")
    service = configured(default(first)).start()
    good = service.config.read_text()
    with RawConnection(host.connect()) as connection:
        assert oid_of(connection.ask(request())) == first["object_id"]
        reload(service, good + rule(second, program=os.path.realpath("/proc/self/exe")))
        assert oid_of(connection.ask(request())) == second["object_id"], "on a connection older than the rule"
    bad = good + '[[identity.rule]]\nuid = 0\nclient_id = "backup"\n'
    service.config.write_text(bad)
    service.process.send_signal(signal.SIGHUP)
    service.wait_for_log("the configuration in force is kept")
    line = bad.splitlines().index('client_id = "backup"') + 1
    assert f'{service.config}:{line}:13: identity.rule.client_id: "backup" is not a GUID' in service.log_text()
    assert oid_of(ask(host)) == second["object_id"]


def test_files_of_conf_d_replace_default_and_rules(emulator, configured, host):
    first, second = emulator.user_assigned(), emulator.assign("policy")
    service = configured(default(first) + rule(first, uid=0))
    directory = service.config.parent / "conf.d"
    directory.mkdir(mode=0o755)
    (directory / "1.toml").write_text(f'identity.default = {{ client_id = "{second["client_id"]}" }}\n')
    (directory / "2.toml").write_text(rule(first, uid=FIRST))
    service.start()
    assert oid_of(ask(host)) == second["object_id"]
    (directory / "3.toml").write_text('identity.default = "none"\n')
    assert 'default = "none"' in service.run("check-config").stdout.replace("'", '"')


BAD = {
    "no_guid": ('default = { client_id = "x" }', ':2:25: identity.default: client_id: "x" is not a GUID'),
    "no_resource_id": ('default = { msi_res_id = "/a" }', ':2:26: identity.default: msi_res_id: "/a" is not a resource id'),
    "two": (
        f'default = {{ client_id = "{UNKNOWN_GUID}", object_id = "{UNKNOWN_GUID}" }}',
        ": identity.default: object_id: client_id is given as well",
    ),
    "unknown_key": (f'default = {{ clientid = "{UNKNOWN_GUID}" }}', "clientid: unknown key; did you mean client_id?"),
    "empty": ("default = {}", ":2:11: identity.default: expected a table with one of client_id, object_id"),
    "rule_without_identity": ("[[identity.rule]]\nuid = 1", ":2:1: identity.rule: a rule without an identity"),
    "rule_without_condition": (
        f'[[identity.rule]]\nclient_id = "{UNKNOWN_GUID}"',
        ":2:1: identity.rule: a rule without a condition is for everybody",
    ),
}


@pytest.mark.parametrize(("lines", "problem"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("in_conf_d", [False, True], ids=["file", "conf.d"])
def test_bad_configuration_is_named_with_its_place(new_service, lines, problem, in_conf_d):
    service = new_service()
    file = service.config
    if in_conf_d:
        file = service.config.parent / "conf.d" / "identity.toml"
        file.parent.mkdir()
    file.write_text(f"[identity]\n{lines}\n")
    ended = service.run("check-config")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{file}:2:") and problem in ended.stderr
    assert service.run("run").returncode == 2


def test_what_check_config_prints_is_a_configuration(emulator, configured, tmp_path):
    first = emulator.user_assigned()
    service = configured(default(first, "msi_res_id") + rule(first, uid=[1, 2], unit="a.service"))
    shown = service.run("check-config").stdout
    service.config.write_text(shown)
    assert service.run("check-config").stdout == shown


def policy_test(service, *arguments):
    ended = service.run("policy", "test", "--resource", RESOURCE, *arguments)
    return ended.returncode, ended.stdout.splitlines()


def test_policy_test_explains_the_choice(emulator, configured):
    first, second = emulator.user_assigned(), emulator.assign("policy")
    allow = f'[[allow]]\nname = "first only"\nidentity = "{first["client_id"]}"\n'
    rules = default(first) + rule(second, name="backups", unit="backup.service") + allow
    service = configured(rules, **{"policy.mode": "enforce"})
    code, lines = policy_test(service, "--uid", "5", "--unit", "backup.service")
    assert code == 1
    assert lines[0].startswith("backups (") and lines[0].endswith(": matches")
    assert lines[1] == f"the identity is client_id {second['client_id']}, by identity.rule 'backups'"
    assert lines[2].endswith(f"identity is {second['client_id']}; wanted: {first['client_id']}")
    assert lines[3] == "refused with 403 by policy.default"

    code, lines = policy_test(service, "--uid", "5", "--unit", "other.service")
    assert code == 0
    assert lines[1] == f"the identity is client_id {first['client_id']}, by identity.default"
    assert lines[-1] == "allowed by rule 'first only'"

    code, lines = policy_test(service, "--uid", "5", "--identity", UNKNOWN_GUID, "--unit", "backup.service")
    assert code == 1
    assert lines[1] == f"the identity is {UNKNOWN_GUID}, which the caller names"

    code, lines = policy_test(service, "--uid", "5")
    assert code == 1
    assert lines[-1].startswith("answered with 500: the identity is not known, since identity.rule 'backups' cannot")

    ended = service.run("policy", "test", "--resource", RESOURCE, "--unit", "backup.service", "--json")
    document = json.loads(ended.stdout)
    assert (document["identity"], document["identity_by"]) == (second["client_id"], "rule")
    assert document["identity_rule"] == "backups" and len(document["identity_rules"]) == 1


def verify(service, *arguments):
    ended = service.run("verify", "--json", "--resource", RESOURCE, *arguments)
    assert TOKEN_MARK not in ended.stdout + ended.stderr and "eyJ" not in ended.stdout + ended.stderr
    (comparison,) = json.loads(ended.stdout)["comparisons"]
    return ended.returncode, comparison


def test_verify_names_the_line_to_write(emulator, configured, host):
    first = emulator.user_assigned()
    service = configured("")
    with Extension(host, "--default", "identity-1", root=service.waagent):
        assert verify(service)[1]["outcome"] == "same"
        emulator.assign("policy")
        code, comparison = verify(service)
        line = f'identity.default = {{ client_id = "{first["client_id"]}" }}'
        assert (code, comparison["outcome"], comparison["setting"]) == (1, "different", line)
        assert f"\n              {line}\n" in service.run("verify", "--resource", RESOURCE).stdout

        directory = service.config.parent / "conf.d"
        directory.mkdir()
        (directory / "identity.toml").write_text(line + "\n")
        code, comparison = verify(service)
        assert (code, comparison["outcome"], comparison["setting"]) == (0, "same", "")


def test_verify_says_that_imds_does_not_have_the_extensions_identity(emulator, configured, host):
    service = configured("")
    emulator.assign("policy")
    emulator.unassign("identity-1")
    emulator.assign("another")
    with Extension(host, "--default", "identity-1", root=service.waagent):
        code, comparison = verify(service)
    assert (code, comparison["outcome"], comparison["setting"]) == (1, "different", "")
    assert "for which IMDS gives no token either" in " ".join(comparison["reasons"])


def identity_findings(service):
    ended = service.run("doctor", "--json")
    assert TOKEN_MARK not in ended.stdout
    findings = [one for one in json.loads(ended.stdout)["findings"] if one["check"] == "identity"]
    return ended.returncode, [(one["level"], one["text"], one["advice"]) for one in findings]


def test_doctor_on_several_identities(emulator, configured):
    first = emulator.user_assigned()
    service = configured("")
    assert [level for level, *_ in identity_findings(service)[1]] == ["ok"]
    emulator.assign("policy")
    code, findings = identity_findings(service)
    level, text, advice = findings[0]
    assert level == "warning" and "several user-assigned identities" in text and "identity.default" in advice
    plain = service.config.read_text()

    service.config.write_text(plain + default(first))
    assert identity_findings(service) == (
        0,
        [("ok", f"IMDS gives a token for identity.default (client_id {first['client_id']}).", "")],
    )
    service.config.write_text(plain + default({"client_id": UNKNOWN_GUID}) + rule(first, name="a rule", uid=1))
    code, findings = identity_findings(service)
    assert code == 1
    assert findings[0][0] == "error" and findings[0][1].startswith("IMDS gives no token for identity.default (")
    assert findings[1][0] == "ok" and "identity.rule a rule" in findings[1][1]


def test_doctor_takes_nobody_at_their_word_for_what_was_chosen(emulator, configured):
    first = emulator.user_assigned()
    service = configured(default(first))
    identities = [{"name": first["client_id"], "requests": 1, "last_seen": 1_700_000_000}]
    row = caller("a.service", "/usr/bin/a", lambda _: 1, {"https://x": 100}, 1_700_000_000, days=1, identities=identities)
    service.callers_state.write_text(json.dumps(record([row], [[1_699_990_000, 1_700_000_000]])))
    assert len(identity_findings(service)[1]) == 1, "it is the default, which no caller has named"


def test_many_ask_at_once_for_one_default(emulator, configured, host):
    first = emulator.user_assigned()
    emulator.assign("policy")
    configured(default(first)).start()
    with contextlib.ExitStack() as stack:
        crowd = stack.enter_context(clients(host, 20))
        for connection in crowd:
            connection.send(request())
        assert {oid_of(connection.read_reply()) for connection in crowd} == {first["object_id"]}
    assert emulator.token_requests() == 1
