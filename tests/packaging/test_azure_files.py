# SPDX-License-Identifier: MIT
"""Azure's own channels in packaging/fleet: what az is asked, policies by their grammar, the audit's table, the images."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

from programs import CHECKOUT

FLEET = CHECKOUT / "packaging" / "fleet"
CHECK_HCL = CHECKOUT / "build" / "fleet" / "check-terraform"
POLICIES = sorted((FLEET / "policy").glob("*.json"))
# Writes down what it is asked, a NUL behind each argument and two at the end; says what it was given to say.
AZ = """#!/bin/sh
printf '%s\\0' "$@" >>"$HERE/asked"
printf '\\0' >>"$HERE/asked"
case "$1 $2 $3" in
  'vm run-command invoke')
    while [ "$1" != --scripts ]; do shift; done
    printf 'Enable succeeded: \\n[stdout]\\n%s\\n\\n[stderr]\\n' "$(sh -c "$2")"
    ;;
  *) echo /subscriptions/s/an-id ;;
esac
"""
VERDICT = '{"schema":1,"host":"web-1","verdict":{"kind":"in_use","text":"still in use: 1 caller"},"callers":[]}'
INSTALL = '#!/bin/sh\necho "ran with: $*"\n'


@pytest.fixture
def azure(tmp_path):
    """Runs a script of azure-cli with az played; returns the arguments of each call."""
    (tmp_path / "az").write_text(AZ)
    (tmp_path / "az").chmod(0o755)
    (tmp_path / "install.sh").write_text(INSTALL)

    def ask(script):
        (tmp_path / "asked").write_text("")
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HERE": str(tmp_path)}
        ended = subprocess.run(
            [FLEET / "azure-cli" / script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return [call.split("\0") for call in (tmp_path / "asked").read_text().split("\0\0") if call]

    return ask


def option(call, name):
    return call[call.index(name) + 1]


def output_of(script):
    """What such a script prints when Azure runs it as it is."""
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout


def test_run_command_runs_the_script_with_its_stage(azure):
    call = azure("run-command.sh")[0]
    assert call[:3] == ["vm", "run-command", "create"]
    assert output_of(option(call, "--script")) == "ran with: --observe\n"


def test_vm_application_runs_its_package_with_its_stage(azure, tmp_path):
    application, version, _, set_on_vm = azure("vm-application.sh")
    assert application[:3] == ["sig", "gallery-application", "create"]
    assert version[:4] == ["sig", "gallery-application", "version", "create"]
    assert option(version, "--package-file-name") == "install.sh"
    ended = subprocess.run(["sh", "-c", option(version, "--install-command")], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout == "ran with: --observe\n"
    assert subprocess.run(["sh", "-n", "-c", option(version, "--remove-command")], check=False).returncode == 0
    assert option(set_on_vm, "--app-version-ids") == "/subscriptions/s/an-id"


def test_policies_are_defined_and_assigned_with_all_their_parameters(azure):
    calls = azure("policy.sh")
    defined = {option(call, "--name"): call for call in calls if call[:3] == ["policy", "definition", "create"]}
    assert set(defined) == {f"msi2imds-{policy.stem}" for policy in POLICIES}
    for policy in POLICIES:
        assert json.loads(option(defined[f"msi2imds-{policy.stem}"], "--rules")) == properties_of(policy)["policyRule"]
    assigned = {option(call, "--policy"): call for call in calls if call[:3] == ["policy", "assignment", "create"]}
    assert set(assigned) == set(defined)
    given = json.loads(option(assigned["msi2imds-install"], "--params"))
    wanted = json.loads(option(defined["msi2imds-install"], "--params"))
    assert set(given) <= set(wanted)
    assert {name for name, parameter in wanted.items() if "defaultValue" not in parameter} <= set(given)
    assert given["effect"]["value"] in wanted["effect"]["allowedValues"]
    assert output_of(given["script"]["value"]) == "ran with: --observe\n"


@pytest.mark.parametrize(
    ("msi2imds", "tag"),
    [
        ("echo '{DOCUMENT}'", "in_use"),
        ("echo '{DOCUMENT}' | sed s/in_use/can_be_retired/", "can_be_retired"),
        ("exit 1", "not_known"),
    ],
)
def test_a_vm_is_tagged_with_its_verdict(azure, tmp_path, msi2imds, tag):
    (tmp_path / "msi2imds").write_text("#!/bin/sh\n" + msi2imds.replace("{DOCUMENT}", VERDICT) + "\n")
    (tmp_path / "msi2imds").chmod(0o755)
    tags = [call for call in azure("tag.sh") if call[:2] == ["tag", "update"]]
    assert len(tags) == 2
    assert all(f"msi2imds-endpoint={tag}" in call and option(call, "--operation") == "Merge" for call in tags)


def test_the_verdict_is_written_as_the_tag_reads_it():
    source = (CHECKOUT / "userspace" / "cli" / "callers_report.cpp").read_text()
    assert r',\"verdict\":{\"kind\":"' in source


def properties_of(policy):
    return json.loads(policy.read_text())["properties"]


class Policy:
    """A policy definition by the grammar of Microsoft's schema (2020-10-01), of what these use."""

    OPERATORS = {"equals", "notEquals", "exists", "greater", "in"}
    DETAILS = {"type", "name", "evaluationDelay", "roleDefinitionIds", "existenceCondition", "deployment"}

    def __init__(self, properties):
        self.faults = []
        self.parameters = properties["parameters"]
        self.used = set(re.findall(r"parameters\('(\w+)'\)", json.dumps({**properties["policyRule"], "deployment": None})))
        if set(properties) != {"displayName", "description", "mode", "metadata", "parameters", "policyRule"}:
            self.faults.append(f"members: {sorted(properties)}")
        if properties["mode"] not in ("All", "Indexed"):
            self.faults.append(f"mode {properties['mode']}")
        for name, parameter in self.parameters.items():
            self._parameter(name, parameter)
        self._rule(properties["policyRule"])

    def _parameter(self, name, parameter):
        if not set(parameter) <= {"type", "defaultValue", "allowedValues", "metadata"} or parameter["type"] != "String":
            self.faults.append(f"parameter {name}")
        if "defaultValue" in parameter and parameter["defaultValue"] not in parameter.get("allowedValues", [parameter["defaultValue"]]):
            self.faults.append(f"parameter {name}: its default is not allowed")
        if name not in self.used:
            self.faults.append(f"parameter {name} is never used")

    def _rule(self, rule):
        if set(rule) != {"if", "then"} or not set(rule["then"]) <= {"effect", "details"}:
            self.faults.append(f"rule: {sorted(rule)}")
        self.faults += [f"{name} is no parameter" for name in self.used - set(self.parameters) - {"vm", "location"}]
        self._condition(rule["if"], "if")
        if rule["then"]["effect"] != "[parameters('effect')]":
            self.faults.append(f"effect {rule['then']['effect']}")
        if "details" in rule["then"]:
            self._details(rule["then"]["details"])

    def _condition(self, condition, where):
        for operator in ("allOf", "anyOf"):
            if operator in condition:
                if set(condition) != {operator} or not condition[operator]:
                    self.faults.append(f"{where}: {sorted(condition)}")
                for number, part in enumerate(condition[operator]):
                    self._condition(part, f"{where}.{operator}[{number}]")
                return
        subjects, operators = set(condition) & {"field", "count"}, set(condition) & self.OPERATORS
        if len(subjects) != 1 or len(operators) != 1 or set(condition) != subjects | operators:
            self.faults.append(f"{where}: {sorted(condition)}")
        if "count" in condition:
            if not condition["count"]["field"].endswith("[*]"):
                self.faults.append(f"{where}: counts what is no list")
            self._condition(condition["count"]["where"], f"{where}.count")

    def _details(self, details):
        if not set(details) <= self.DETAILS or "type" not in details:
            self.faults.append(f"details: {sorted(details)}")
        if any(not role.startswith("/providers/Microsoft.Authorization/roleDefinitions/") for role in details["roleDefinitionIds"]):
            self.faults.append("roleDefinitionIds")
        self._condition(details["existenceCondition"], "existenceCondition")
        deployment = details["deployment"]["properties"]
        template = deployment["template"]
        if not set(deployment["parameters"]) == set(template["parameters"]):
            self.faults.append("the deployment's parameters are not the template's")
        for resource in template["resources"]:
            if resource["type"] != details["type"] or not {"apiVersion", "name", "location", "properties"} <= set(resource):
                self.faults.append(f"the template makes {resource['type']}, and {details['type']} is looked for")


@pytest.mark.parametrize("policy", POLICIES, ids=[policy.stem for policy in POLICIES])
def test_policy_follows_the_grammar(policy):
    assert Policy(properties_of(policy)).faults == []


@pytest.mark.parametrize(
    ("said", "instead", "fault"),
    [
        ('"equals": "Linux"', '"equal": "Linux"', "if.allOf[1]"),
        ("parameters('leaveOutTag')", "parameters('leaveOut')", "leaveOut is no parameter"),
        ('"location": { "value"', '"place": { "value"', "not the template's"),
        ('"defaultValue": "AuditIfNotExists"', '"defaultValue": "Audit"', "its default is not allowed"),
    ],
)
def test_a_spoilt_policy_is_found(said, instead, fault):
    text = (FLEET / "policy" / "install.json").read_text()
    assert said in text
    faults = Policy(json.loads(text.replace(said, instead))["properties"]).faults
    assert any(fault in found for found in faults), faults


def test_the_table_has_what_the_audit_writes():
    line = (CHECKOUT / "userspace" / "audit" / "line.cpp").read_text()
    written = set(re.findall(r'line\.\w+\("(\w+)"', line)) | {"time"}
    bicep = (FLEET / "bicep" / "audit-table.bicep").read_text()
    table, stream = bicep.split("streamDeclarations")
    taken = set(re.findall(r"\{ name: '(\w+)', type", stream.split("dataSources")[0]))
    assert taken == written | {"Computer"}
    projected = dict(re.findall(r"(\w+) = (?:todatetime\()?\['(\w+)'\]", stream))
    assert set(projected.values()) == written
    assert set(projected) | {"Computer"} == set(re.findall(r"\{ name: '(\w+)', type", table))


def test_the_image_is_hcl_and_builds_what_it_declares(tmp_path):
    image = FLEET / "packer" / "image.pkr.hcl"
    checked = subprocess.run([CHECK_HCL, image], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
    text = image.read_text()
    declared = {".".join(names) for names in re.findall(r'^(source) "([\w-]+)" "([\w-]+)"', text, re.MULTILINE)}
    assert set(re.findall(r'"(source\.[\w.-]+)"', text)) == declared
    spoilt = tmp_path / "spoilt.pkr.hcl"
    spoilt.write_text(text.replace("var.location", "var.place"))
    assert "var.place is not declared" in subprocess.run([CHECK_HCL, spoilt], capture_output=True, text=True, check=False).stdout


@pytest.mark.skipif(shutil.which("packer") is None, reason="Packer is not installed")
def test_packer_itself_takes_the_image(tmp_path):
    shutil.copy(FLEET / "packer" / "image.pkr.hcl", tmp_path)
    assert subprocess.run(["packer", "fmt", "-check", tmp_path], check=False).returncode == 0
    assert subprocess.run(["packer", "validate", "-syntax-only", tmp_path], check=False).returncode == 0


def test_the_page_names_every_file():
    page = (CHECKOUT / "docs" / "AZURE.md").read_text()
    folders = ("azure-cli", "bicep", "terraform", "policy", "packer", "custom-script")
    files = [path.relative_to(FLEET) for folder in folders for path in (FLEET / folder).iterdir()]
    assert [str(path) for path in files if path.name not in page] == []


def test_no_file_holds_a_secret():
    for path in [*POLICIES, *(FLEET / "azure-cli").iterdir(), *(FLEET / "bicep").iterdir(), FLEET / "packer" / "image.pkr.hcl"]:
        assert not re.search(r"(?i)(password|secret|sig=|accountkey)\s*[=:]\s*['\"]?\w", pathlib.Path(path).read_text()), path
