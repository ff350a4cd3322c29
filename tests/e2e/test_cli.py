# SPDX-License-Identifier: MIT
"""The command line: what it prints, and its exit statuses 0 success, 1 failure, 2 usage."""

import json
import re
import stat
import subprocess
import tomllib

import pytest

from legacy_port import assert_refused
from programs import program, run_in


@pytest.fixture
def msi2imds(host):
    """Runs msi2imds with arguments."""
    return lambda *arguments: run_in(host, program("msi2imds"), *arguments)


def assert_one_clear_line(text):
    assert len(text.strip().splitlines()) == 1, text
    assert "Traceback" not in text and "terminate called" not in text


def test_version(msi2imds):
    ended = msi2imds("--version")
    assert ended.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", ended.stdout)


def test_help(msi2imds):
    ended = msi2imds("--help")
    assert ended.returncode == 0
    for command in ("run", "status", "check-config"):
        assert command in ended.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["run", "--no-such-option"], ["status", "--wait", "soon"]], ids=" ".join
)
def test_wrong_usage(msi2imds, arguments):
    ended = msi2imds(*arguments)
    assert ended.returncode == 2
    assert ended.stderr


@pytest.mark.parametrize(
    "words, nearest", [(["statsu"], "status"), (["poliyc", "test"], "policy"), (["policy", "tets"], "test"), (["calers"], "callers")]
)
def test_a_mistyped_command_is_told_the_nearest(msi2imds, words, nearest):
    ended = msi2imds(*words)
    assert ended.returncode == 2
    assert_one_clear_line(ended.stderr)
    assert f"did you mean {nearest}?" in ended.stderr


def test_a_word_that_is_near_to_none_is_told_all(msi2imds):
    ended = msi2imds("da\x1bnce")
    assert ended.returncode == 2
    assert_one_clear_line(ended.stderr)
    assert "\x1b" not in ended.stderr and "there is no command 'da\\x1bnce'" in ended.stderr
    assert "status" in ended.stderr and "responder" not in ended.stderr


def test_help_and_version_as_words(msi2imds):
    for same in (("help",), ("--help",)), (("help", "status"), ("status", "--help")), (("version",), ("--version",)), (("-V",), ("--version",)):
        word, option = (msi2imds(*arguments) for arguments in same)
        assert (word.returncode, word.stdout) == (0, option.stdout)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["help", "run"], ["version"], ["status", "--json"], ["check-config"], ["callers"], ["doctor"], ["flush"], ["metrics"],
     ["policy", "test", "--uid", "0", "--resource", "https://x"], ["retire"], ["support", "--output", "-"], ["verify"]],
    ids=" ".join,
)  # fmt: skip
def test_output_that_cannot_be_written_is_a_failure(service, host, arguments):
    takes_config = arguments[0] not in ("--help", "help", "version")
    config = ["--config", service.config] if takes_config else []
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            host.command(program("msi2imds"), *arguments, *config), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 1
    assert "cannot write" in ended.stderr


@pytest.mark.parametrize("command, doing", [("callers", "show callers"), ("metrics", "show metrics"), ("flush", "flush tokens")])
def test_a_refused_admin_socket_is_told_with_what_to_do(service, command, doing):
    ended = service.run_as_stranger(command)
    assert ended.returncode == 1
    assert re.fullmatch(
        f"msi2imds: cannot {doing}: (cannot )?connect to admin socket '{service.admin_socket}': Permission denied; "
        "use sudo, or be in the responder's group\n",
        ended.stderr,
    )


def test_a_second_run_says_first_what_it_cannot(service, new_service):
    second = new_service({"admin.socket": str(service.admin_socket)}).launch()
    assert second.wait_exit() == 1
    assert f"cannot start, since another msi2imds is running, which has admin socket '{service.admin_socket}'" in second.log_text()


def test_flush_says_in_words_what_it_did(service):
    assert service.run("flush").stdout == "0 tokens are forgotten; IMDS is asked for new ones\n"
    assert json.loads(service.run("flush", "--json").stdout) == {"schema": 1, "flushed": 0}


def test_metrics_replace_a_file_for_the_textfile_collector(service):
    victim = service.directory / "somebody-elses"
    victim.write_text("mine")
    file = service.directory / "msi2imds.prom"
    for _ in range(2):
        assert service.run("metrics", "--output", file).returncode == 0
        assert "msi2imds_intercepting 1\n" in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
    file.unlink()
    file.symlink_to(victim)
    assert service.run("metrics", "--output", file).returncode == 1
    assert victim.read_text() == "mine"


def test_status_when_nothing_runs(new_service):
    ended = new_service().status()
    assert ended.returncode == 1
    assert_one_clear_line(ended.stdout + ended.stderr)
    assert "not running" in ended.stdout + ended.stderr


def test_status_json_when_nothing_runs(new_service):
    service = new_service()
    assert service.status("--json").returncode == 1
    assert service.status_json()["intercepting"] is False


def test_status_of_a_user_without_rights_is_not_known(service):
    ended = service.run_as_stranger("status")
    assert ended.returncode == 3
    assert ended.stdout.startswith("not known: cannot connect to admin socket ")
    assert ended.stdout.endswith(": Permission denied; use sudo, or be in the responder's group\n")
    assert_one_clear_line(ended.stdout + ended.stderr)
    ended = service.run_as_stranger("status", "--json")
    status = json.loads(ended.stdout)
    assert ended.returncode == 3
    assert [status[name] for name in ("intercepting", "observing", "backend")] == [None, None, None]


def test_the_extension_is_not_known_to_a_user_without_rights(service):
    service.waagent.chmod(0o700)
    assert json.loads(service.run_as_stranger("status", "--json").stdout)["extension"] is None
    assert "extension" not in service.status_json(), "root sees that there is none"


def test_status_waits_only_as_long_as_told(new_service):
    assert new_service().status("--wait", "1").returncode == 1


def test_status(service):
    ended = service.status()
    assert ended.returncode == 0
    assert "50342" in ended.stdout


@pytest.mark.smoke
def test_status_json(service, emulator):
    status = service.status_json()
    assert status["backend"] in ("sk_lookup", "listen")
    assert status["intercepting"] is True
    assert status["ports"] == [50342]
    assert emulator.requests() == [], "the self-test asks IMDS for nothing"


def test_auto_takes_the_best_backend(service):
    assert service.status_json()["backend"] == "sk_lookup"


def test_check_config_accepts_a_good_file(msi2imds, new_service):
    assert msi2imds("check-config", "--config", new_service().config).returncode == 0


# What is wrong, the key that has to be named, and what has to be said of it.
BAD_SETTINGS = {
    "unknown_key": ({"legacy.prots": [50342]}, "prots", "ports"),
    "unknown_section": ({"legasy.ports": [50342]}, "legasy", "legacy"),
    "wrong_type": ({"legacy.ports": "50342"}, "ports", "array|list"),
    "wrong_type_inside": ({"legacy.ports": ["50342"]}, "ports", "integer|number"),
    "port_out_of_range": ({"legacy.ports": [70000]}, "ports", "65535"),
    "port_zero": ({"legacy.ports": [0]}, "ports", "65535"),
    "no_ports": ({"legacy.ports": []}, "ports", "port"),
    "unknown_backend": ({"redirect.backend": "magic"}, "backend", "sk_lookup"),
    "listen_port_is_a_legacy_port": ({"redirect.listen_port": 50342}, "listen_port", "50342"),
    "upstream_is_our_own_port": ({"imds.endpoint": "http://127.0.0.1:50342"}, "endpoint", "50342"),
    "upstream_is_our_own_name": ({"imds.endpoint": "http://localhost:50342"}, "endpoint", "50342|address"),
    "upstream_by_https": ({"imds.endpoint": "https://169.254.169.254"}, "endpoint", "http"),
    "negative_timeout": ({"imds.request_timeout": -1}, "request_timeout", "1"),
    "no_connections": ({"responder.max_connections": 0}, "max_connections", "1"),
    "unknown_level": ({"log.level": "loud"}, "level", "info"),
    "admin_socket_too_long": ({"admin.socket": "/tmp/" + "x" * 120}, "socket", "107|108"),
}


def assert_names_the_place(output, service, key, explanation):
    lines = service.config.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if key in text)
    assert f"{service.config}:{line}:" in output, output
    assert key in output
    assert re.search(explanation, output), output


bad_settings = pytest.mark.parametrize(
    "settings, key, explanation", BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys()
)


@bad_settings
def test_check_config_names_file_line_key_and_remedy(msi2imds, new_service, settings, key, explanation):
    service = new_service(settings)
    ended = msi2imds("check-config", "--config", service.config)
    assert ended.returncode == 2
    assert_names_the_place(ended.stdout + ended.stderr, service, key, explanation)


@bad_settings
def test_run_with_a_bad_file_starts_nothing(new_service, host, settings, key, explanation):
    service = new_service(settings).launch()
    assert service.wait_exit() == 2
    assert_names_the_place(service.log_text(), service, key, explanation)
    assert not service.admin_socket.exists()
    assert_refused(host, "127.0.0.1")


@pytest.mark.parametrize(
    "user, why", [("nosuch", "there is no such user in /etc/passwd; make it with: useradd "), ("root", "it is root; ")]
)
def test_check_config_refuses_a_user_whom_run_refuses_with_the_same_words(new_service, user, why):
    """An upgrade restarts what passes check-config."""
    service = new_service({"responder.user": user})
    ended = service.run("check-config")
    assert ended.returncode == 2
    place, said = ended.stderr.split(": responder.user: ")
    line = 1 + service.config.read_text().splitlines().index(f'user = "{user}"')
    assert place == f"{service.config}:{line}:1"
    assert said.startswith(f"cannot run the responder as '{user}' (responder.user): {why}")
    service.launch()
    assert service.wait_exit() == 1
    assert said in service.log_text()


def test_check_config_says_where_each_value_comes_from(new_service):
    service = new_service()
    # So long that they are written a line each.
    programs = [f"'/opt/{name}/{'a-long-name/' * 4}x'" for name in ("one", "b = password=secret", "c --password=secret d")]
    resource_id = "/subscriptions/a/resourceGroups/b/providers/Microsoft.ManagedIdentity/userAssignedIdentities/c"
    object_id = "00000000-0000-0000-0000-000000000001"
    service.config.write_text(
        f"metrics.port = 9100\nidentity.default = {{ object_id = '{object_id}' }}\nimds.endpoint = 'http://127.0.0.1:7'\n"
        "[[allow]]\nname = 'a --password=secret'\nuid = 0\n"
        f"sha256 = '{'a' * 64}'\nprogram = [{', '.join(programs)}]\n[responder]\nuser = 'nobody'\n[[identity.rule]]\nuid = 5\nclient_id = '{'b' * 8}-0000-0000-0000-{'c' * 12}'\n"
        f"[[identity.rule]]\nuid = 6\nmsi_res_id = '{resource_id}'\n"
    )
    drop_in = service.directory / "conf.d" / "9.toml"
    drop_in.parent.mkdir()
    drop_in.write_text("\n[imds]\nendpoint = 'http://127.0.0.1:8'\n")
    ended = service.run("check-config", "--origin")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    for line in (
        f"metrics.port = 9100  # {service.config}:1",
        f'responder.user = "nobody"  # {service.config}:10',
        f'imds.endpoint = "http://127.0.0.1:8"  # {drop_in}:3',
        'log.level = "info"  # default',
        f'origin = "{service.config}:4"',
        'sha256 = [ "' + 64 * "a" + '" ]',
        f"identity.default = {{ object_id = \"{object_id}\" }}  # {service.config}:2",
        f'msi_res_id = "{resource_id}"',
    ):
        assert line in lines
    assert "secret" not in ended.stdout
    # TOML still, and each text is redacted by itself.
    read = tomllib.loads(ended.stdout)
    assert [program == "[redacted]" for program in read["allow"][0]["program"]] == [False, True, True]


def test_check_config_of_a_missing_file(msi2imds, new_service):
    ended = msi2imds("check-config", "--config", new_service().directory / "absent.toml")
    assert ended.returncode == 2
    assert "absent.toml" in ended.stderr


def test_check_config_of_a_file_that_is_no_toml(msi2imds, new_service):
    service = new_service()
    service.config.write_text("[legacy]\nports = [50342\n")
    ended = msi2imds("check-config", "--config", service.config)
    assert ended.returncode == 2
    assert str(service.config) in ended.stderr


def test_conf_d_overrides_the_file(new_service, emulator, host):
    service = new_service()
    drop_in = service.directory / "conf.d"
    drop_in.mkdir()
    (drop_in / "50-ports.toml").write_text("[legacy]\nports = [50343]\n")
    service.start()
    assert service.status_json()["ports"] == [50343]
    assert_refused(host, "127.0.0.1")


def test_an_error_in_conf_d_names_that_file(msi2imds, new_service):
    service = new_service()
    drop_in = service.directory / "conf.d"
    drop_in.mkdir()
    bad_file = drop_in / "50-bad.toml"
    bad_file.write_text("[legacy]\n\nprots = [50343]\n")
    ended = msi2imds("check-config", "--config", service.config)
    assert ended.returncode == 2
    assert f"{bad_file}:3" in ended.stdout + ended.stderr


@pytest.mark.parametrize("command", ["run", "verify", "retire", "detach"])
def test_what_needs_root_says_so(new_service, command):
    ended = new_service().run_as_stranger(command)
    # Whether the answer is yes or no, verify and retire could not see.
    assert ended.returncode == (3 if command in ("verify", "retire") else 1)
    assert_one_clear_line(ended.stdout + ended.stderr)
    assert f"{command} needs root" in ended.stderr
