# SPDX-License-Identifier: MIT
"""packaging/fleet without a machine: what reads scripts, YAML, Terraform and Bicep finds nothing, az is asked right."""

import json
import os
import subprocess

import pytest
import yaml

from programs import CHECKOUT

FLEET = CHECKOUT / "packaging" / "fleet"
CHECKERS = CHECKOUT / "build" / "fleet"
BICEP_CHECK = CHECKOUT / "tests" / "support" / "bicep" / "check.mjs"
SCRIPTS = [*sorted(FLEET.rglob("*.sh")), CHECKOUT / "packaging" / "cloud-init" / "fill-in"]
EXTENSION_SCRIPTS = ("vm-extension.sh", "scale-set-extension.sh")
# Writes down what it is asked, a line for each argument, an empty one at the end.
AZ = '#!/bin/sh\nprintf "%s\\n" "$@" "" >>"$ASKED"\n'


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


def names(paths):
    return [str(path.relative_to(FLEET.parent)) for path in paths]


@pytest.mark.parametrize("script", SCRIPTS, ids=names(SCRIPTS))
def test_script_is_without_a_fault(script):
    checked = run("shellcheck", script)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("playbook", ["observe.yml", "migrate.yml", "retire.yml"])
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
