# SPDX-License-Identifier: MIT
"""packaging/fleet without a machine: what reads scripts, YAML, Terraform and Bicep finds nothing, az is asked right."""

import json
import os
import random
import shutil
import subprocess
import time

import pytest
import yaml

from fleet_reports import report
from programs import CHECKOUT, program
from usage_record import DAY, caller

FLEET = CHECKOUT / "packaging" / "fleet"
CHECKERS = CHECKOUT / "build" / "fleet"
BICEP_CHECK = CHECKOUT / "tests" / "support" / "bicep" / "check.mjs"
SCRIPTS = [*sorted(FLEET.rglob("*.sh")), CHECKOUT / "packaging" / "cloud-init" / "fill-in"]
EXTENSION_SCRIPTS = ("vm-extension.sh", "scale-set-extension.sh")
# Writes down what it is asked, a line for each argument, an empty one at the end.
AZ = '#!/bin/sh\nprintf "%s\\n" "$@" "" >>"$ASKED"\n'

# Runs the script here, as the VM that it names; the second VM is off.
AZ_OF_VMS = """#!/usr/bin/python3
import os, subprocess, sys

words = sys.argv[1:]
if words[:2] == ["vm", "list"]:
    print("shop-rg\\tweb-1\\nshop-rg\\tweb-2")
    sys.exit()
assert words[:3] == ["vm", "run-command", "invoke"], words
if words[words.index("--name") + 1] == "web-2":
    sys.exit("(OperationNotAllowed) The VM is not running.")
script = words[words.index("--scripts") + 1].replace("/run/", os.environ["HERE"] + "/")
ended = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
print(f"Enable succeeded: \\n[stdout]\\n{ended.stdout}\\n[stderr]\\n{ended.stderr}"[-4096:])
print("piece", file=open(os.environ["HERE"] + "/pieces", "a"))
"""
# One report after the other, until there is none; all else is done by the real one.
MSI2IMDS_OF_VMS = """#!/bin/sh
[ "$*" = "callers --json" ] || exec "$REAL" "$@"
for report in "$HERE"/waiting/*; do
  mv "$report" "$report.$$" 2>/dev/null && cat "$report.$$" && rm "$report.$$" && exit
done
echo "msi2imds: cannot show callers: it is not running" >&2
exit 1
"""


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


def names(paths):
    return [str(path.relative_to(FLEET.parent)) for path in paths]


@pytest.mark.parametrize("script", SCRIPTS, ids=names(SCRIPTS))
def test_script_is_without_a_fault(script):
    checked = run("shellcheck", script)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("playbook", ["observe.yml", "migrate.yml", "retire.yml", "report.yml", "leave.yml"])
def test_playbook_is_one(playbook, tmp_path):
    command = ["ansible-playbook", "--syntax-check", "-i", "localhost,", FLEET / "ansible" / playbook]
    checked = run(*command, env={**os.environ, "HOME": str(tmp_path)})
    assert checked.returncode == 0, checked.stderr


def test_every_file_of_the_role_is_yaml():
    files = sorted((FLEET / "ansible").rglob("*.yml"))
    assert len(files) >= 10
    for file in files:
        assert yaml.safe_load(file.read_text()), file


def test_terraform_is_hcl_and_declares_what_it_uses(tmp_path):
    files = sorted((FLEET / "terraform").glob("*.tf"))
    checked = run(CHECKERS / "check-terraform", *files)
    assert (checked.returncode, checked.stdout) == (0, "")
    spoilt = tmp_path / "spoilt.tf"
    spoilt.write_text(files[0].read_text().replace("var.size", "var.sise"))
    assert "var.sise is not declared" in run(CHECKERS / "check-terraform", spoilt).stdout


def test_bicep_follows_its_grammar(tmp_path):
    files = sorted((FLEET / "bicep").glob("*.bicep"))
    checked = run("node", BICEP_CHECK, CHECKERS / "node_modules", *files)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    spoilt = tmp_path / "spoilt.bicep"
    spoilt.write_text(files[0].read_text().replace("location: location", "location location"))
    assert "not Bicep" in run("node", BICEP_CHECK, CHECKERS / "node_modules", spoilt).stdout


@pytest.fixture
def asked_of_az(tmp_path):
    """Runs a script of azure-cli in a folder with what it wants; returns the arguments of each az."""

    def ask(script):
        (tmp_path / "az").write_text(AZ)
        (tmp_path / "az").chmod(0o755)
        for name in ("install.sh", "user-data.yaml"):
            (tmp_path / name).write_text("#!/bin/sh\necho ran \"$@\"\n")
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ASKED": str(tmp_path / "asked")}
        ended = run(FLEET / "azure-cli" / script, cwd=tmp_path, env=environment)
        assert ended.returncode == 0, ended.stderr
        return [call.splitlines() for call in (tmp_path / "asked").read_text().split("\n\n") if call]

    return ask


@pytest.mark.parametrize(("script", "noun"), [("vm.sh", "vm"), ("scale-set.sh", "vmss")])
def test_az_makes_it_with_user_data(asked_of_az, script, noun):
    (call,) = asked_of_az(script)
    assert call[:2] == [noun, "create"]
    assert call[call.index("--custom-data") + 1] == "user-data.yaml"


@pytest.mark.parametrize(("script", "noun"), zip(EXTENSION_SCRIPTS, ("vm", "vmss"), strict=True))
def test_az_sets_an_extension_that_runs_the_script(asked_of_az, tmp_path, script, noun):
    call = asked_of_az(script)[0]
    assert call[:3] == [noun, "extension", "set"]
    command = json.loads(call[call.index("--settings") + 1])["commandToExecute"]
    # Not into this machine's /run.
    command = command.replace("/run/install-msi2imds", str(tmp_path / "script"))
    assert run("sh", "-c", command).stdout == "ran --observe\n"


def test_az_brings_instances_up_to_the_model(asked_of_az):
    update = asked_of_az("scale-set-extension.sh")[1]
    assert update[:2] == ["vmss", "update-instances"]
    assert update[update.index("--instance-ids") + 1 :] == ["0", "1"]


@pytest.fixture
def vms(tmp_path):
    """An environment in which VMs have reports, too long for one answer of Run Command; returns how to add one."""
    (tmp_path / "waiting").mkdir()
    for name, text in (("az", AZ_OF_VMS), ("msi2imds", MSI2IMDS_OF_VMS)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    now = int(time.time())
    chance = random.Random(3)
    for host in ("web-1", "web-3"):
        resources = {f"https://{chance.randbytes(60).hex()}": 100 for _ in range(16)}
        callers = [caller(f"job-{n}.service", f"/opt/{chance.randbytes(60).hex()}", lambda ago: 3, resources, now - DAY) for n in range(9)]
        (tmp_path / "waiting" / host).write_text(json.dumps(report(now, host, callers)) + "\n")
    return {"PATH": f"{tmp_path}:/usr/bin:/bin", "HERE": str(tmp_path), "REAL": str(program("msi2imds")), "HOME": str(tmp_path)}


def test_az_gathers_reports_in_pieces_and_names_who_gave_none(vms, tmp_path):
    (tmp_path / "waiting" / "web-3").unlink()
    ended = run(FLEET / "azure-cli" / "report.sh", cwd=tmp_path, env=vms)
    assert ended.returncode == 1, "msi2imds has failed"
    assert "left out reports/shop-rg.web-2.json: it is not JSON at byte 1" in ended.stderr
    assert "The VM is not running" in (tmp_path / "reports" / "shop-rg.web-2.json").read_text()
    assert len((tmp_path / "pieces").read_text().splitlines()) > 1
    assert json.loads((tmp_path / "reports" / "shop-rg.web-1.json").read_text())["host"] == "web-1"
    assert "on 1 machine" not in (tmp_path / "fleet.html").read_text(), "its title is made by its script"
    assert not (tmp_path / "msi2imds-report").exists()


def gather(vms, tmp_path, *hosts):
    inventory = tmp_path / "inventory"
    inventory.write_text("".join(f"{host}\n" for host in hosts))
    playbook = shutil.copy(FLEET / "ansible" / "report.yml", tmp_path)
    return run("ansible-playbook", "-i", inventory, playbook, env={**os.environ, **vms})


LOCAL = "ansible_connection=local ansible_become=false"


def test_ansible_gathers_reports_into_a_page(vms, tmp_path):
    ended = gather(vms, tmp_path, f"web-1 {LOCAL}", f"web-3 {LOCAL}")
    assert ended.returncode == 0, ended.stdout
    assert '"vm":"web-3"' in (tmp_path / "fleet.html").read_text()
    assert (tmp_path / "reports" / "web-1.json").stat().st_mode & 0o777 == 0o600


def test_ansible_names_who_gave_none_and_shows_the_others(vms, tmp_path):
    unreachable = "web-9 ansible_host=127.0.0.1 ansible_port=1"
    ended = gather(vms, tmp_path, f"web-1 {LOCAL}", f"web-2 {LOCAL}", f"web-3 {LOCAL}", unreachable)
    assert ended.returncode == 2
    assert "it is not JSON at byte 1" in ended.stdout
    reports = {path.name: path.read_text() for path in (tmp_path / "reports").iterdir()}
    without = [name for name, text in reports.items() if text.startswith("no report: ")]
    assert len(reports) == 4 and len(without) == 2 and "web-9.json" in without
    assert any("it is not running" in reports[name] for name in without)
    assert (tmp_path / "fleet.html").exists()
