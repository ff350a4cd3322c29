# SPDX-License-Identifier: MIT
"""Who may have what: rules in force, tried out, and across a reload."""

import contextlib
import hashlib
import json
import os
import shutil
import signal

import pytest

import cgroup
from legacy_port import ask
from named_client import NamedClient
from raw_http import RawConnection, request, token_target
from waiting import wait_until

ALLOWED, OTHER = 20001, 20002
SLICE = f"/msi2imds-e2e-{os.getpid()}-policy.slice"


def allow(**conditions):
    return "[[allow]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in conditions.items())


@pytest.mark.smoke
def test_a_uid_is_allowed_and_another_refused_in_legacy_shape(start_with_rules, host, scripts):
    service = start_with_rules(allow(name="backup", uid=ALLOWED))
    with NamedClient(host, scripts, ALLOWED) as allowed, NamedClient(host, scripts, OTHER) as other:
        assert allowed.ask() == 1
        assert other.ask() == 0
    lines = service.wait_for_audit(2)
    assert [(line["uid"], line["outcome"], line["policy"]) for line in lines] == [
        (ALLOWED, "token", "allowed"),
        (OTHER, "denied", "refused"),
    ]
    assert lines[0]["rule"] == "backup"
    with RawConnection(host.connect()) as connection:  # by root, whom no rule names
        reply = connection.ask(request())
    assert reply.status == 403
    assert reply.json()["error"] == "access_denied"
    assert "  policy                 enforced, 1 rule; whom none allows is refused\n" in service.status().stdout
    assert service.status_json()["policy"] == {"mode": "enforce", "default": "deny", "rules": 1}


def test_the_cache_is_nobodys_way_in(start_with_rules, host, scripts, emulator):
    start_with_rules(allow(uid=ALLOWED))
    with NamedClient(host, scripts, ALLOWED) as allowed, NamedClient(host, scripts, OTHER) as other:
        assert allowed.ask(3) == 3
        assert other.ask(3) == 0
    assert emulator.stats()["token_requests"] == 1


def test_resources_and_identities_are_told_apart(start_with_rules, host):
    start_with_rules(allow(uid=0, resource="https://vault.*/", identity="none"))

    def status(resource, **parameters):
        with RawConnection(host.connect()) as connection:
            return connection.ask(request(target=token_target(resource, **parameters))).status

    assert status("https://vault.example/") == 200
    assert status("https://storage.example/") == 403
    assert status("https://vault.example/", client_id="00000000-0000-0000-0000-000000000001") == 403


def test_audit_mode_refuses_nobody_and_tells(start_with_rules, host, scripts):
    service = start_with_rules(allow(uid=ALLOWED), mode="audit")
    with NamedClient(host, scripts, OTHER) as other:
        assert other.ask() == 1
    assert service.wait_for_audit(1)[0]["policy"] == "would be refused"
    assert "  policy                 tried out, 1 rule; nobody is refused\n" in service.status().stdout
    assert "msi2imds_policy_would_refuse_total 1\n" in service.run("metrics").stdout


def test_a_program_is_known_by_its_content(start_with_rules, host, scripts):
    backup, other = scripts.copy_of_python("backup"), scripts.copy_of_python("other")
    with other.open("ab") as file:
        file.write(b"\0")
    digest = hashlib.sha256(backup.read_bytes()).hexdigest()
    service = start_with_rules(allow(name="backup", sha256=digest.upper()))
    with NamedClient(host, scripts, python=backup) as known, NamedClient(host, scripts, python=other) as unknown:
        wait_until(known.ask, 10, "the file counts, which is new")
        before = len(service.audit_lines())
        assert known.ask(3) == 3
        assert unknown.ask(3) == 0
        lines = service.wait_for_audit(before + 6)[-6:]
    assert [line["outcome"] for line in lines] == ["token"] * 3 + ["denied"] * 3
    assert [line.get("sha256") == digest for line in lines] == [True] * 3 + [False] * 3
    tested = service.run("policy", "test", "--program", backup, "--resource", "https://vault.example/")
    assert tested.returncode == 0, tested.stdout
    assert tested.stdout.startswith("backup (") and "): matches\n" in tested.stdout, tested.stdout
    tested = service.run("policy", "test", "--program", other, "--resource", "https://vault.example/")
    assert tested.returncode == 1, tested.stdout


def test_a_container_is_one_that_no_user_could_have_named(start_with_rules, host, scripts):
    name = "a" * 64
    docker = f"{SLICE}/docker-{name}.scope"
    service, claimed = f"{SLICE}/app.service", f"{SLICE}/app.service/docker-{name}.scope"
    given, made_there = f"{SLICE}/given-to-a-user", f"{SLICE}/given-to-a-user/docker-{name}.scope"
    with cgroup.made(SLICE, docker, service, claimed, given, made_there):
        os.chown(cgroup.directory_of(given), OTHER, OTHER)
        start_with_rules(allow(container=name[:12]), **{"callers.cgroup": SLICE})
        with NamedClient(host, scripts, path=docker) as inside:
            assert inside.ask() == 1
        for path in (claimed, made_there):
            with NamedClient(host, scripts, path=path) as liar:
                assert liar.ask() == 0, path


def test_a_users_own_unit_of_the_same_name_is_another(start_with_rules, host, scripts):
    of_system, of_user = f"{SLICE}/backup.service", f"{SLICE}/user@1000.service/backup.service"
    with cgroup.made(SLICE, of_system, f"{SLICE}/user@1000.service", of_user):
        service = start_with_rules(allow(unit="backup.service"), **{"callers.cgroup": SLICE})
        with NamedClient(host, scripts, path=of_system) as system, NamedClient(host, scripts, path=of_user) as user:
            assert system.ask() == 1
            assert user.ask() == 0
        lines = service.wait_for_audit(2)
    assert [line["unit"] for line in lines] == ["backup.service", "user@1000.service"]


def test_a_program_is_its_file_and_not_its_path(start_with_rules, host, scripts):
    backup = scripts.copy_of_python("backup")
    start_with_rules(allow(program=str(backup)))
    disguise = ["unshare", "--mount", "sh", "-ec", f'mount --bind "$1" {backup}; exec {backup} "$2" "$3"', "sh"]
    other = scripts.copy_of_python("other")
    with (
        NamedClient(host, scripts, python=backup) as real,
        NamedClient(host, scripts, python=other) as plain,
        NamedClient(host, scripts, python=other, wrapper=disguise) as disguised,
    ):
        assert real.ask() == 1
        assert plain.ask() == 0
        assert disguised.ask() == 0
        assert os.readlink(f"/proc/{disguised.pid}/exe") == str(backup)

        shutil.copy("/usr/bin/python3", scripts.directory / "new")
        os.rename(scripts.directory / "new", backup)
        assert real.ask() == 0, "the file of that path is another one now"
        with NamedClient(host, scripts, python=backup) as upgraded:
            assert upgraded.ask() == 1


def test_rules_hold_under_load_and_across_reloads(start_with_rules, host, scripts):
    service = start_with_rules(allow(uid=ALLOWED))
    text = service.config.read_text()
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(NamedClient(host, scripts, uid)) for uid in [ALLOWED, OTHER] for _ in range(4)
        ]
        for client in clients:
            client.begin(500)
        for number in range(10):
            service.config.write_text(text + f"# {number}\n")
            service.process.send_signal(signal.SIGHUP)
            wait_until(lambda: service.log_text().count("reload: done") == number + 1, 10, "a reload")  # noqa: B023
        tokens = [client.end() for client in clients]
    assert tokens == [500] * 4 + [0] * 4


def token_for_a_process_of_its_own(host):
    """Whether a process that only lives for its request gets a token."""
    pid = os.fork()
    if pid == 0:
        status = 0
        try:
            status = ask(host).status
        finally:
            os._exit(0 if status == 200 else 1)
    return os.waitpid(pid, 0)[1] == 0


# Each is an identity of its own: more than the supervisor and the responder remember.
@pytest.mark.parametrize("clients", [100, pytest.param(9500, marks=pytest.mark.long)])
def test_every_short_lived_client_that_is_allowed_gets_its_token(start_with_rules, host, clients):
    start_with_rules(allow(program=os.path.realpath("/proc/self/exe")))
    assert [number for number in range(clients) if not token_for_a_process_of_its_own(host)] == []


def test_a_reload_changes_who_may(start_with_rules, host, scripts):
    service = start_with_rules(allow(uid=ALLOWED))
    with NamedClient(host, scripts, OTHER) as other:
        assert other.ask() == 0
        service.config.write_text(service.config.read_text().replace(str(ALLOWED), str(OTHER)))
        service.process.send_signal(signal.SIGHUP)
        service.wait_for_log("reload: done")
        wait_until(other.ask, 10, "the other one is allowed")


def test_a_bad_rule_is_named_with_its_place(new_service, host):
    service = new_service()
    service.config.write_text('[[allow]]\nuser = "no-such-user"\n[[allow]]\nprogram = "backup"\n')
    ended = service.run("check-config")
    assert ended.returncode == 2
    assert f'{service.config}:2:8: allow.user: there is no user "no-such-user"' in ended.stderr
    assert f'{service.config}:4:11: allow.program: "backup" is not an absolute path' in ended.stderr


def test_an_observer_does_not_say_that_rules_are_enforced(emulator, new_service):
    service = new_service({"policy.mode": "enforce"})
    service.config.write_text(service.config.read_text() + allow(uid=0))
    service.options = ["--observe"]
    service.launch()
    wait_until(lambda: "observing: " in service.status().stdout, 10, "it observes")
    assert "  policy " not in service.status().stdout
    assert service.status_json()["policy"] == {"mode": "enforce", "default": "deny", "rules": 1}


REFUSES_EVERYBODY = 'policy.mode = "enforce" without an [[allow]] rule refuses every caller; add an [[allow]] rule'


def test_enforcing_without_a_rule_is_said_everywhere(start_with_rules, host):
    service = start_with_rules("")
    with RawConnection(host.connect()) as connection:
        assert connection.ask(request()).status == 403
    checked = service.run("check-config")
    assert checked.returncode == 0
    assert checked.stderr.startswith(f"warning: {REFUSES_EVERYBODY}")
    assert REFUSES_EVERYBODY in service.log_text()
    shown = service.status()
    assert shown.returncode == 0, "it does as it was told"
    assert f"  note                   {REFUSES_EVERYBODY}" in shown.stdout
    assert [remark for remark in service.status_json()["remarks"] if remark.startswith(REFUSES_EVERYBODY)]
    findings = json.loads(service.run("doctor", "--json").stdout)["findings"]
    assert [finding["level"] for finding in findings if finding["check"] == "policy"] == ["warning"]


def test_a_reload_says_that_everybody_is_refused_from_now_on(start_with_rules, host):
    service = start_with_rules("", mode="audit")
    good = service.config.read_text()
    assert REFUSES_EVERYBODY not in service.log_text() + service.status().stdout
    service.config.write_text(good.replace('mode = "audit"', 'mode = "enforce"'))
    service.process.send_signal(signal.SIGHUP)
    service.wait_for_log("reload: done")
    assert REFUSES_EVERYBODY in service.log_text()
    assert REFUSES_EVERYBODY in service.status().stdout
    service.config.write_text(good)
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.log_text().count("reload: done") == 2, 10, "it has reloaded")
    assert REFUSES_EVERYBODY not in service.status().stdout


@pytest.mark.parametrize(("rules", "settings"), [("", {"policy.default": "allow"}), (allow(uid=0), {})])
def test_nothing_is_said_where_somebody_is_allowed(start_with_rules, rules, settings):
    service = start_with_rules(rules, **settings)
    assert "rule refuses" not in service.run("check-config").stderr
    assert "allow]]" not in service.log_text() + service.status().stdout


def test_rules_for_programs_that_are_links_allow_nobody(start_with_rules):
    link = "/usr/bin/python3"
    rule = f'name program = "{os.path.realpath(link)}"'
    service = start_with_rules(allow(name="one", program=link))
    for text in (service.run("check-config").stderr, service.log_text(), service.status().stdout):
        assert 'the rule "one" (' in text
        assert rule in text
    service.stop()
    service = start_with_rules(allow(program=link) + allow(program=link, uid=0))
    assert service.run("check-config").stderr.count(rule) == 2
    assert "msi2imds check-config says what else is hardly meant" in service.status().stdout
