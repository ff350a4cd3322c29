# SPDX-License-Identifier: MIT
"""The command line: what it prints, and its exit statuses 0 success, 1 failure, 2 usage."""

import json
import re
import shlex
import stat
import subprocess
import tomllib

import pytest

from command_help import help_of, leaf_commands, values_of
from legacy_port import ask, assert_refused
from programs import program, run_in
from raw_http import RESOURCE


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


# What is typed, and what is said of it.
WRONG_USAGE = {
    "": "a command is missing; there are run, .*, policy; see msi2imds --help",
    "policy": "a command is missing behind policy; there is test; see msi2imds policy --help",
    "statsu": "there is no command 'statsu'; did you mean status\\? See msi2imds --help",
    "stat": "there is no command 'stat'; did you mean status\\? See msi2imds --help",
    "calers": "there is no command 'calers'; did you mean callers\\? See msi2imds --help",
    "start": "there is no command 'start'; for the service it is: systemctl start msi2imds",
    "stop now": "there is no command 'stop'; for the service it is: systemctl stop msi2imds.socket msi2imds",
    "logs": "there is no command 'logs'; for the service it is: journalctl -u msi2imds",
    "poliyc test": "there is no command 'poliyc'; did you mean policy\\? See msi2imds --help",
    "policy tets": "there is no command 'tets'; did you mean test\\? See msi2imds policy --help",
    "--no-such": "there is no option '--no-such'; see msi2imds --help",
    "--config file status": "'--config' belongs behind the command: msi2imds status --config",
    "run --no-such": "run has no option '--no-such'; see msi2imds run --help",
    "status -x": "status has no option '-x'; see msi2imds status --help",
    "status --jsno": "status has no option '--jsno'; did you mean --json\\? See msi2imds status --help",
    "policy test --res x": "policy test has no option '--res'; did you mean --resource\\? See msi2imds policy test --help",
    "status help": "status takes no 'help'; see msi2imds status --help",
    "status --": "status takes no '--'; see msi2imds status --help",
    "run --observe=maybe": "--observe takes no value; see msi2imds run --help",
    "status --wait": "--wait lacks its SECONDS; see msi2imds status --help",
    "verify --resource --config file": "--resource lacks its RESOURCE, since '--config' follows; see msi2imds verify --help",
    "callers --html --config file": "--html lacks its FILE, since '--config' follows; see msi2imds callers --help",
    "callers --merge --html page": "--merge lacks its FILE, since '--html' follows; see msi2imds callers --help",
    "flush --resource=": "--resource lacks its RESOURCE, since what is given is empty; see msi2imds flush --help",
    "flush --identity ''": "--identity lacks its IDENTITY, since what is given is empty; see msi2imds flush --help",
    "metrics --output a --output b": "--output is given twice; see msi2imds metrics --help",
    "status --wait soon": "--wait: 'soon' is no number from 0 to 86400; see msi2imds status --help",
    "status --wait -1": "--wait: '-1' is no number from 0 to 86400; see msi2imds status --help",
    "policy test --resource x --gid 1 010": "--gid: '010' is no number from 0 to 4294967294; see msi2imds policy test --help",
    "policy test --resource x --sha256 abc": '--sha256: "abc" is not a SHA-256; expected the 64 hexadecimal digits .*; see .*',
    "policy test --resource x --container web": '--container: "web" is not a container\'s id; .* container_name knows it; see .*',
    "policy test --resource x --container-name /web": '--container-name: "/web" begins with "/", .*; expected "web", .*; see .*',
    "policy test --resource x --unit backup": '--unit: "backup" is not a unit that has processes; expected one such as .*; see .*',
    "policy test --resource x --unit /a.slice": "--unit: '/a.slice' is a path, which --cgroup takes; see msi2imds policy test --help",
    "check-config a.toml": "check-config takes no 'a.toml'; did you mean --config a.toml\\? See msi2imds check-config --help",
    "callers a.json b.json": "callers takes no 'a.json'; did you mean --merge a.json\\? See msi2imds callers --help",
    "flush https://vault.azure.net": "flush takes no 'https://vault.azure.net'; did you mean --resource https://vault.azure.net\\? See msi2imds flush --help",
    "policy test --resource x --program sh": "--program: 'sh' is not an absolute path; see msi2imds policy test --help",
    "policy test": "--resource is required; see msi2imds policy test --help",
    "verify --identity x": "--identity requires --resource; see msi2imds verify --help",
    "callers --json --csv": "--json excludes --csv; see msi2imds callers --help",
}


@pytest.mark.parametrize("line", WRONG_USAGE)
def test_wrong_usage_is_told_with_what_is_right(msi2imds, line):
    ended = msi2imds(*shlex.split(line))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(f"msi2imds: {WRONG_USAGE[line]}\n", ended.stderr), ended.stderr


def test_every_option_with_a_value_wants_it(msi2imds):
    """Of each command: a value that is left out is neither the next option nor nothing."""
    options = [(command, *option) for command in leaf_commands() for option in values_of(*command)]
    assert len(options) > 30
    for command, option, value in options:
        for behind in [], ["--config", "file"]:
            ended = msi2imds(*command, option, *behind)
            assert ended.returncode == 2
            assert ended.stderr.startswith(f"msi2imds: {option} lacks its {value}"), ended.stderr


def test_who_asks_for_help_gets_it(msi2imds):
    for line in "verify --resource --help", "status --no-such -h", "callers --merge a b --help":
        ended = msi2imds(*line.split())
        assert (ended.returncode, ended.stdout) == (0, msi2imds(line.split()[0], "--help").stdout)


def test_help_tells_of_status_3_only_where_it_may_be_met():
    may_not_know = {"doctor", "health", "policy test", "retire", "status", "verify"}
    told = {" ".join(command) for command in leaf_commands() if "3 not known" in help_of(*command)}
    assert told == may_not_know
    assert "3 not known" in help_of()


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
    assert f"cannot start, since another msi2imds is running, which has admin socket '{service.admin_socket}' (`msi2imds status` shows what it does, `msi2imds detach` stops it): " in second.log_text()


def test_flush_says_in_words_what_it_did(service, host):
    assert service.run("flush").stdout == "no token is cached, so none is forgotten\n"
    ask(host)
    assert service.run("flush", "--identity", "f\x1boo", "--resource", RESOURCE).stdout == (
        f"no token of identity f\\x1boo for {RESOURCE} is cached, so none is forgotten; "
        "msi2imds callers lists the resources and identities that were asked for\n"
    )
    assert service.run("flush").stdout == "1 token is forgotten; IMDS is asked for new ones\n"
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


def test_a_file_that_cannot_be_written_is_named_with_what_would_do(service):
    absent = service.directory / "absent" / "file"
    for command, option, behind in (
        ("callers", "--html", " (a new file in its directory): No such file or directory"),
        ("metrics", "--output", " (a new file in its directory): No such file or directory"),
        ("support", "--output", ": No such file or directory; name another file with --output"),
    ):
        ended = service.run(command, option, absent)
        assert (ended.returncode, ended.stderr) == (1, f"msi2imds: cannot write '{absent}'{behind}\n")


def test_a_configuration_that_only_root_may_read_is_told_with_what_to_do(new_service, host):
    service = new_service()
    service.run_as_stranger("--version")  # leaves a program that everybody may run
    service.config.chmod(0o600)
    as_stranger = ["setpriv", "--reuid=65000", "--regid=65000", "--clear-groups", "--bounding-set=-all"]
    ended = run_in(host, *as_stranger, service.directory / "msi2imds", "status", "--config", service.config)
    assert (ended.returncode, ended.stderr) == (2, f"{service.config}: cannot be opened: Permission denied; use sudo\n")


def test_detach_unless_held_says_that_the_service_runs(service):
    told = service.run("detach", "--unless-held")
    left = f"left as it is: msi2imds runs (process {service.process.pid}); without --unless-held, detach stops it\n"
    assert (told.returncode, told.stdout) == (0, left)
    assert service.status().returncode == 0


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
