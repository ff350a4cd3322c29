# SPDX-License-Identifier: MIT
"""`msi2imds policy test`: which rule would decide about a caller; exit 0 allowed, 1 refused, 2 usage."""

import json

import pytest

from programs import program, run_in

STORAGE = "https://storage.azure.com/"
BACKUP = """
[[allow]]
name = "backup"
unit = "backup.service"
resource = "https://storage.azure.com/*"

[[allow]]
user = "root"
program = "/usr/bin/env"

[[allow]]
uid = 1001
identity = "none"

[[allow]]
container_name = "shop/*"
container_image = "registry.example.com/app:*"

[[allow]]
unit = "/user.slice/user-1000.slice/user@1000.service/app.slice/own.service"
"""


@pytest.fixture
def policy_test(bare_host, tmp_path):
    """Asks about a caller under the rules above, in a mode."""

    def ask(*arguments, mode="enforce", rules=BACKUP, default="deny"):
        config = tmp_path / "msi2imds.toml"
        config.write_text(f'[policy]\nmode = "{mode}"\ndefault = "{default}"\n{rules}')
        return run_in(bare_host, program("msi2imds"), "policy", "test", "--config", config, *arguments)

    return ask


ALLOWED = {
    "unit": ["--uid", "34", "--unit", "backup.service", "--resource", STORAGE],
    "unit_in_a_cgroup": ["--uid", "34", "--cgroup", "/system.slice/backup.service", "--resource", STORAGE],
    "program": ["--user", "root", "--program", "/usr/bin/env", "--resource", "r"],
    "no_identity": ["--uid", "1001", "--resource", "r"],
    "no_identity_by_its_word": ["--uid", "1001", "--resource", "r", "--identity", "none"],
    "container_of_an_image": [
        *("--container-name", "shop/sync-7d9f4/sync", "--container-image", "registry.example.com/app:2"),
        *("--resource", "r"),
    ],
    "cgroup_of_a_user": [
        *("--uid", "1000", "--resource", "r", "--cgroup"),
        "/user.slice/user-1000.slice/user@1000.service/app.slice/own.service",
    ],
}
REFUSED = {
    "nothing_known": ["--resource", STORAGE],
    "other_resource": ["--uid", "34", "--unit", "backup.service", "--resource", "https://vault.azure.net"],
    "unit_of_a_user_with_that_name": [
        *("--uid", "1000", "--resource", STORAGE, "--cgroup"),
        "/user.slice/user-1000.slice/user@1000.service/app.slice/backup.service",
    ],
    "other_program": ["--user", "root", "--program", "/usr/bin/id", "--resource", "r"],
    "container_of_another_image": [
        *("--container-name", "shop/sync-7d9f4/sync", "--container-image", "example.com/app:2", "--resource", "r"),
    ],
    "named_identity": ["--uid", "1001", "--resource", "r", "--identity", "11111111-1111-1111-1111-111111111111"],
}
WRONG_USAGE = {
    "no_resource": ["--uid", "1"],
    "uid_and_user": ["--uid", "0", "--user", "root", "--resource", "r"],
    "unit_and_cgroup": ["--unit", "a.service", "--cgroup", "/a", "--resource", "r"],
    "slice_without_a_path": ["--unit", "apps.slice", "--resource", "r"],
    "no_such_user": ["--user", "nobody-of-that-name", "--resource", "r"],
    "uid_that_is_no_number": ["--uid", "root", "--resource", "r"],
    "uid_out_of_range": ["--uid", "4294967295", "--resource", "r"],
    "relative_program": ["--uid", "1", "--program", "backup", "--resource", "r"],
}


@pytest.mark.parametrize("arguments", ALLOWED.values(), ids=ALLOWED.keys())
def test_an_allowed_caller(policy_test, arguments):
    ended = policy_test(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("allowed by rule")


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_caller(policy_test, arguments):
    ended = policy_test(*arguments)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("refused with 403 by policy.default")


@pytest.mark.parametrize("arguments", WRONG_USAGE.values(), ids=WRONG_USAGE.keys())
def test_wrong_usage(policy_test, arguments):
    ended = policy_test(*arguments)
    assert ended.returncode == 2
    assert ended.stderr and not ended.stdout


def test_each_rule_has_a_line_with_its_place_and_what_is_missing(policy_test, tmp_path):
    lines = policy_test("--uid", "1001", "--unit", "other.service", "--resource", STORAGE).stdout.splitlines()
    place = tmp_path / "msi2imds.toml"
    assert lines[0] == (
        f"backup ({place}:5): unit is other.service, cgroup is not known: not given; wanted: backup.service"
    )
    assert lines[1] == f"{place}:10: uid is 1001; wanted: 0"
    assert lines[2] == f"{place}:14: matches"
    assert lines[-1] == f"allowed by rule '{place}:14'"


def test_what_is_not_given_of_a_container_is_told_as_such(policy_test):
    """And not as something that its runtime has not noted."""
    lines = policy_test("--container-name", "shop/a", "--resource", "r").stdout.splitlines()
    assert lines[3].endswith(": container_image is not known: not given; wanted: registry.example.com/app:*")
    lines = policy_test("--container-image", "registry.example.com/app:2", "--resource", "r").stdout.splitlines()
    assert lines[3].endswith(": container_name is not known: not given; wanted: shop/*")


def test_the_first_rule_that_matches_decides(policy_test):
    rules = "[[allow]]\nname = 'first'\nuid = 1\n[[allow]]\nname = 'second'\nuid = 1\n"
    ended = policy_test("--uid", "1", "--resource", "r", rules=rules)
    assert ended.stdout.splitlines()[-1] == "allowed by rule 'first'"


def test_audit_tells_who_would_be_refused(policy_test):
    ended = policy_test("--uid", "5", "--resource", "r", mode="audit")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[-1].startswith("allowed, since policy.mode is")


def test_without_rules_audit_allows_and_enforce_refuses(policy_test):
    assert policy_test("--uid", "5", "--resource", "r", mode="audit", rules="").returncode == 0
    assert policy_test("--uid", "5", "--resource", "r", rules="").returncode == 1
    assert policy_test("--uid", "5", "--resource", "r", rules="", default="allow").returncode == 0


def test_json(policy_test):
    ended = policy_test("--uid", "34", "--unit", "backup.service", "--resource", STORAGE, "--json")
    answer = json.loads(ended.stdout)
    assert (answer["allowed"], answer["rule"], answer["mode"]) == (True, "backup", "enforce")
    assert len(answer["rules"]) == 5
    answer = json.loads(policy_test("--uid", "5", "--resource", "r", "--json", mode="audit").stdout)
    assert (answer["allowed"], answer["allowed_by_rules"]) == (True, False)


def test_a_bad_rule_is_named_with_its_place(policy_test, tmp_path):
    ended = policy_test("--uid", "5", "--resource", "r", rules="[[allow]]\nunti = 'a.service'\n")
    assert ended.returncode == 2
    assert f"{tmp_path / 'msi2imds.toml'}:5:1: allow.unti: unknown key; did you mean allow.unit?" in ended.stderr


def test_a_program_is_asked_for_as_the_kernel_shows_it(policy_test, tmp_path):
    link = tmp_path / "env"
    link.symlink_to("/usr/bin/env")
    assert policy_test("--user", "root", "--program", link, "--resource", "r").returncode == 0
