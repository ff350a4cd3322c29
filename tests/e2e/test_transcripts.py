# SPDX-License-Identifier: MIT
"""What the documents show of a terminal is what one sees. `…` and `...` stand for what differs; systemctl stands for its unit, and has tests of its own (tests/systemd/test_migration_page.py)."""

import re
import subprocess
import time

import pytest

from extension import Extension
from legacy_port import ask
from programs import CHECKOUT, program, run_in
from usage_record import DAY, caller, record, served
from waiting import wait_until

ARM = "https://management.azure.com/"
# Whom the pages name in the place of this test's caller.
CALLER = ("backup.service", "/usr/bin/python2.7")


def transcripts(page):
    """Those in which a program of ours speaks: of each, the commands, and what stands below each."""
    blocks = re.findall(r"^```\n(.*?)^```", (CHECKOUT / page).read_text(), re.MULTILINE | re.DOTALL)
    found = [re.findall(r"^\$ (?:sudo )?(.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE) for block in blocks if block.startswith("$ ")]
    return [steps for steps in found if any(shown.strip() for _, shown in steps)]


def plain(text):
    """As one line for each row, whatever the widths of its columns."""
    return re.sub(r" +", " ", text).strip()


def assert_seen(command, shown, text):
    pattern = ".*".join(re.escape(part) for part in re.split(r"…|\.\.\.", plain(shown)))
    assert re.fullmatch(pattern, plain(text), re.DOTALL), (
        f"$ {command}\nis shown with\n{shown}\nand one sees\n{text}"
    )


def shown_in(page, command):
    return [shown for steps in transcripts(page) for known, shown in steps if known == command]


@pytest.mark.settings({"redirect.backend": "sk_lookup"})
def test_the_cut_over_of_the_first_screen(host, emulator, new_service):
    service = new_service()
    (steps,) = transcripts("README.md")
    assert [command.split()[0] for command, _ in steps] == ["curl", "msi2imds", "systemctl", "systemctl", "msi2imds", "curl", "msi2imds"]
    with Extension(host, root=service.waagent):
        for command, shown in steps:
            if command == "systemctl start msi2imds":
                service.start()
            elif command.startswith("curl"):
                assert_seen(command, shown, run_in(host, "sh", "-c", command).stdout)
            elif command.startswith("msi2imds"):
                assert_seen(command, shown, service.run(*command.split()[1:]).stdout)


@pytest.mark.settings({"redirect.backend": "sk_lookup"})
def test_the_stages_of_the_migration(host, emulator, new_service):
    service = new_service()

    def see(command, number=0):
        text = service.run(*command.split()[1:]).stdout
        if "/usr/bin" in text:
            text = re.sub(r"/\S*e2e\S*", CALLER[0], re.sub(r"/usr/bin/\S*?(?=[) ])", CALLER[1], text))
        text = text.replace("emulated-group", "web").replace("emulated-vm", "web-1")
        assert_seen(command, shown_in("docs/MIGRATION.md", command)[number], text)

    with Extension(host, root=service.waagent) as extension:
        service.options = ["--observe"]
        service.launch()
        service.wait_ready()
        ask(host)
        # What is observed is recorded a moment later.
        wait_until(lambda: "observed" in service.run("callers").stdout, 10, "the caller is recorded")
        see("msi2imds callers")
        assert service.stop() == 0
        service.options = []
        see(f"msi2imds verify --resource {ARM}")
        service.start()
        see("msi2imds status")
        ask(host)
        see("msi2imds retire")
        extension.uninstall()
        see("msi2imds retire", 1)


@pytest.mark.emulator_arguments("--no-system-identity", "--identities", "2")
def test_verify_names_the_line_to_write(host, emulator, new_service):
    service = new_service()
    identity = next(entry for entry in emulator.identities() if entry["msi_res_id"].endswith("/identity-2"))
    with Extension(host, "--default", "identity-2", root=service.waagent):
        text = service.run("verify", "--resource", ARM).stdout
    text = text.replace(identity["client_id"], "01234567-89ab-cdef-0123-456789abcdef")
    assert_seen("msi2imds verify", shown_in("docs/MIGRATION.md", f"msi2imds verify --resource {ARM}")[1], text)


def test_nobody_calls_any_more(new_service):
    service = new_service()
    now = int(time.time())
    last = caller(*CALLER, lambda ago: 1, {ARM: 100}, now - 36 * DAY, days=10)
    with served(record([last], [[now - 60 * DAY, now]]), service.admin_socket):
        assert_seen("msi2imds callers", shown_in("docs/MIGRATION.md", "msi2imds callers")[1], service.run("callers").stdout)


def seen_of(service, rows, now):
    with served(record(rows, [[now - 60 * DAY, now]]), service.admin_socket):
        return service.run("callers").stdout


def test_who_still_calls(new_service):
    now = int(time.time())
    go, python = {"go_autorest": 2688}, {"python_msrestazure": 672}
    root = [{"uid": 0, "user": "root"}]
    rows = [
        caller("blob-archive.service", "/usr/bin/azcopy", lambda ago: 96, {"https://storage.azure.com/": 100}, now - 600, days=28, libraries=go),
        caller("cron.service", "/usr/bin/python2.7", lambda ago: 24, {ARM: 100}, now - 3060, days=28, libraries=python, users=root),
    ]
    rows[1]["outcomes"] |= {"token": 641, "failed": 31}
    [shown] = shown_in("docs/callers.md", "msi2imds callers")
    assert_seen("msi2imds callers", shown, seen_of(new_service(), rows, now))


def test_a_caller_in_a_container(new_service):
    [shown] = shown_in("docs/CONTAINERS.md", "msi2imds callers")
    unit, program_shown = shown.splitlines()[1].split()[:2]
    name, image = re.search(r"container (.*), image (.*)", shown).groups()
    now = int(time.time())
    id = "5f0c" + 60 * "0"
    there = {"container": id, "container_name": name, "container_image": image, "users": [{"uid": 7, "user": "app"}]}
    rows = [caller(unit.replace("*", id), program_shown, lambda ago: 12, {}, now - 7200, days=1, **there)]
    assert_seen("msi2imds callers", shown, seen_of(new_service(), rows, now))


def test_reports_of_machines_are_put_together(new_service, tmp_path):
    page = (CHECKOUT / "docs/FLEET.md").read_text()
    gather, merge = [line.split("#")[0].split() for line in re.findall(r"^\$ (?:sudo )?(msi2imds .*)$", page, re.MULTILINE)]
    command, file = " ".join(gather).split(" >")
    service = new_service()
    now = int(time.time())
    (tmp_path / "reports").mkdir()
    with served(record([], [[now - 40 * DAY, now]]), service.admin_socket):
        (tmp_path / "reports" / file).write_text(service.run(*command.split()[1:]).stdout)
    merged = subprocess.run([program("msi2imds"), *merge[1:]], cwd=tmp_path, capture_output=True, text=True)
    assert merged.returncode == 0, merged.stderr
    assert "<html" in (tmp_path / "fleet.html").read_text()


def test_the_emulator_takes_the_faults_of_the_page(host, emulator):
    page = (CHECKOUT / "docs/fault-matrix.md").read_text()
    commands = re.findall(r"^(curl .*) http://ADDRESS:PORT(\S*)$", page, re.MULTILINE)
    assert len(commands) == 4
    for command, path in commands:
        ended = run_in(host, "sh", "-c", f"{command} --fail --silent --show-error http://169.254.169.254{path}")
        assert ended.returncode == 0, f"{command}: {ended.stderr}"


def test_a_configuration_with_faults(host, tmp_path):
    [(command, shown)] = [step for steps in transcripts("docs/configuration.md") for step in steps]
    (tmp_path / "my.toml").write_text("\n" * 5 + "[legacy]\nprots = [ 50342 ]\n[metrics]\nport = 70000\n")
    ended = run_in(host, "env", "-C", tmp_path, program("msi2imds"), *command.split()[1:])
    assert (ended.returncode, ended.stderr) == (2, shown)
