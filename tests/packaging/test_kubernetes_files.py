# SPDX-License-Identifier: MIT
"""The DaemonSet by the fields that Kubernetes has for what it uses, and its command with nsenter played."""

import subprocess

import pytest
import yaml

from programs import CHECKOUT

FILE = CHECKOUT / "packaging" / "fleet" / "kubernetes" / "daemonset.yaml"
# Fields of apps/v1 DaemonSet and what is below it, of those used: a type, a list of such, or a map of texts.
TEXTS = {"*": str}
CONTAINER = {
    "name": str,
    "image": str,
    "command": [str],
    "securityContext": {
        "privileged": bool,
        "allowPrivilegeEscalation": bool,
        "readOnlyRootFilesystem": bool,
        "runAsNonRoot": bool,
        "runAsUser": int,
        "capabilities": {"drop": [str]},
    },
    "resources": {"requests": TEXTS, "limits": TEXTS},
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool}],
}
METADATA = {"name": str, "namespace": str, "labels": TEXTS}
DAEMON_SET = {
    "apiVersion": str,
    "kind": str,
    "metadata": METADATA,
    "spec": {
        "selector": {"matchLabels": TEXTS},
        "updateStrategy": {"type": str, "rollingUpdate": {"maxUnavailable": str}},
        "template": {
            "metadata": METADATA,
            "spec": {
                "automountServiceAccountToken": bool,
                "hostPID": bool,
                "nodeSelector": TEXTS,
                "tolerations": [{"operator": str}],
                "initContainers": [CONTAINER],
                "containers": [CONTAINER],
                "volumes": [{"name": str, "configMap": {"name": str}}],
            },
        },
    },
}


def faults(value, form, where=""):
    """What has a field that is not there, or is of another type."""
    if isinstance(form, type):
        return [] if type(value) is form else [f"{where}: {value!r}"]
    if isinstance(form, list):
        if not isinstance(value, list) or not value:
            return [f"{where}: no list"]
        return [fault for number, one in enumerate(value) for fault in faults(one, form[0], f"{where}[{number}]")]
    if not isinstance(value, dict):
        return [f"{where}: no object"]
    unknown = [f"{where}.{name}: no such field" for name in value if name not in form and "*" not in form]
    known = [name for name in value if name in form or "*" in form]
    return unknown + [fault for name in known for fault in faults(value[name], form.get(name, form.get("*")), f"{where}.{name}")]


@pytest.fixture
def daemon_set():
    (document,) = yaml.safe_load_all(FILE.read_text())
    return document


@pytest.fixture
def pod(daemon_set):
    return daemon_set["spec"]["template"]["spec"]


def test_it_is_a_daemon_set(daemon_set):
    assert (daemon_set["apiVersion"], daemon_set["kind"]) == ("apps/v1", "DaemonSet")
    assert faults(daemon_set, DAEMON_SET) == []


def test_a_spoilt_one_is_found(daemon_set):
    pod = daemon_set["spec"]["template"]["spec"]
    pod["hostPid"] = pod.pop("hostPID")
    pod["containers"][0]["securityContext"]["runAsUser"] = "nobody"
    assert faults(daemon_set, DAEMON_SET) == [
        ".spec.template.spec.hostPid: no such field",
        ".spec.template.spec.containers[0].securityContext.runAsUser: 'nobody'",
    ]


def test_its_selector_finds_its_pods(daemon_set):
    wanted = daemon_set["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= daemon_set["spec"]["template"]["metadata"]["labels"].items()


def test_every_volume_that_is_mounted_is_there(pod):
    mounted = {mount["name"] for one in pod["initContainers"] for mount in one["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_only_who_installs_is_privileged(pod):
    assert [one["securityContext"]["privileged"] for one in pod["initContainers"]] == [True]
    for one in pod["containers"]:
        assert "privileged" not in one["securityContext"] and one["securityContext"]["runAsNonRoot"] is True


def test_its_command_runs_the_script_on_the_node(pod, tmp_path):
    (install,) = pod["initContainers"]
    (tmp_path / "nsenter").write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    (tmp_path / "nsenter").chmod(0o755)
    (tmp_path / "install.sh").write_text('echo "ran with: $*"\n')
    # Not into this machine's /run.
    words = [word.replace("/script/", f"{tmp_path}/").replace("/run/", f"{tmp_path}/") for word in install["command"]]
    ended = subprocess.run(words, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    assert ended.stdout == "ran with: --observe\n"
