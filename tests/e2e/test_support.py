# SPDX-License-Identifier: MIT
"""`msi2imds support`: one archive that tells much, and no secret."""

import io
import json
import re
import stat
import subprocess
import tarfile

from programs import program, run_in
from service import TOKEN_MARK
from waiting import wait_until

PASSWORD = "Gr8-secret-of-a-caller"
OWN = {"status.json", "health.json", "doctor.txt", "callers.json", "config.toml", "metrics.txt"}


def open_archive(content):
    """{name: text}"""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        files = {member.name: archive.extractfile(member).read().decode() for member in archive.getmembers()}
        assert all(member.isreg() and member.mode == 0o600 for member in archive.getmembers())
    assert {name.split("/")[0] for name in files} == {"msi2imds-support"}
    return {name.split("/")[1]: text for name, text in files.items()}


def gather(service):
    archive = service.directory / "support.tar"
    ended = service.run("support", "--output", archive)
    assert ended.returncode == 0, ended.stderr
    assert str(archive) in ended.stdout
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    return open_archive(archive.read_bytes())


ASK = """
import urllib.request
question = urllib.request.Request("http://127.0.0.1:50342/oauth2/token?resource=https://vault.azure.net", headers={"Metadata": "true"})
urllib.request.urlopen(question).read()
"""


def test_the_archive_tells_much_and_no_secret(service, host):
    asked = run_in(host, "/usr/bin/python3", "-c", ASK, f"--password={PASSWORD}")
    assert asked.returncode == 0, asked.stderr
    wait_until(lambda: "--password=" in service.run("callers", "--json").stdout, 10, "the command line is known")
    # Rules of others may hold anything.
    assert run_in(host, "nft", "add", "table", "inet", "others").returncode == 0
    words = ["nft", "add", "rule", "inet", "others", "out", "tcp", "dport", "50342", "accept", "comment", f'"curl -u me:{PASSWORD}"']
    rule = ["nft", "add", "rule", "inet", "others", "out", "tcp", "dport", "50342", "accept", "comment", f'"password={PASSWORD}"']
    for command in (["nft", "add", "chain", "inet", "others", "out"], rule, words):
        assert run_in(host, *command).returncode == 0

    files = gather(service)
    assert OWN | {"contents.txt", "kernel.txt", "sysctls.txt", "nftables.txt", "sockets.txt"} <= files.keys(), files["contents.txt"]
    assert json.loads(files["status.json"])["intercepting"] is True
    assert json.loads(files["health.json"])["problems"] == []
    assert "--password=" in json.dumps(json.loads(files["callers.json"]))
    assert re.search(rf"^responder.user = .*  # {service.config}:\d+$", files["config.toml"], re.MULTILINE)
    assert "50342" in files["nftables.txt"] and "msi2imds" in files["sockets.txt"]
    assert "/proc/sys/net/ipv4/ip_local_port_range:" in files["sysctls.txt"]
    sysctls = files["contents.txt"].split("\nsysctls.txt: ")[1]
    assert sysctls.startswith("exit status 0\n") or sysctls.startswith("exit status 2, and it says:\ngrep: /"), sysctls
    for name, text in files.items():
        assert TOKEN_MARK not in text and PASSWORD not in text and "eyJ" not in text, name
        assert name == "contents.txt" or f"\n{name}: " in files["contents.txt"]


def test_a_file_that_is_there_is_never_overwritten(service):
    there = service.directory / "there.tar"
    there.write_text("mine")
    ended = service.run("support", "--output", there)
    assert ended.returncode == 1
    assert f"cannot write '{there}': File exists; name another file with --output" in ended.stderr
    assert there.read_text() == "mine"


def test_without_rights_the_archive_says_what_is_missing(service, host):
    service.directory.chmod(0o777)
    archive = service.directory / "strangers.tar"
    ended = service.run_as_stranger("support", "--output", archive)
    assert ended.returncode == 0, ended.stderr
    files = open_archive(archive.read_bytes())
    assert "as a user without rights" in files["contents.txt"]
    assert "callers.json: exit status 1, and it says:\nmsi2imds: cannot show callers: " in files["contents.txt"]
    assert json.loads(files["status.json"])["intercepting"] is None


def test_what_hangs_or_fails_costs_nothing_else(service, host):
    """One tool never ends, one fails with a secret, one is not there, and the configuration is wrong."""
    service.config.write_text(service.config.read_text() + "\n[nonsense]\nx = 1\n")
    says = f"""echo 'password={PASSWORD}' >&2; echo "a header 'Bearer {PASSWORD}'"; echo 'Authorization: Bearer {PASSWORD}'
        echo '{{"access_token" : "{PASSWORD}"}}'; echo 'client_secret={PASSWORD}'; echo 'curl -s "-ume:{PASSWORD}" https://x'"""
    tools = {"ss": "exec sleep 1000", "journalctl": f"{says}; exit 7"}
    for name, script in tools.items():
        (service.directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (service.directory / name).chmod(0o755)
    shadows = "; ".join(f'mount --bind {service.directory}/{name} "$(readlink -f "$(command -v {name})")"' for name in tools)
    command = f'{shadows}; mount --bind /dev/null "$(readlink -f "$(command -v uname)")"; exec "$@"'
    support = [program("msi2imds"), "support", "--config", service.config, "--output", "-"]
    ended = subprocess.run(
        host.command("unshare", "--mount", "sh", "-ec", command, "-", *support), capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    files = open_archive(ended.stdout)
    assert "sockets.txt: missing: cannot run ss: Connection timed out" in files["contents.txt"]
    assert "journal.txt: exit status 7, and it says:\npassword=[redacted]\n" in files["contents.txt"]
    assert "kernel.txt: missing: cannot run uname: Permission denied" in files["contents.txt"]
    assert "nonsense: unknown table" in files["contents.txt"]
    assert len(files["journal.txt"].splitlines()) == 5
    assert "sysctls.txt" in files and PASSWORD not in str(files)
