# SPDX-License-Identifier: MIT
"""packaging/setup remove, which apt-get and dnf call: it warns where programs still call and nobody answers them then."""

import json
import os
import subprocess

import pytest

from programs import CHECKOUT

USED = {"kind": "in_use", "text": "still in use: 1 caller, the last one backup.service (/usr/bin/python2.7) 2 days ago", "reasons": []}
UNUSED = {"kind": "can_be_retired", "text": "not used for 35 days", "reasons": []}
WARNING = "msi2imds: programs still call, and without the extension nobody answers them from here on: still in use: 1 caller, the last one backup.service (/usr/bin/python2.7) 2 days ago; docs/MIGRATION.md says when msi2imds may go\n"


@pytest.fixture
def remove(tmp_path):
    """Runs it on a machine whose tools only note that they were called, and whose msi2imds says what the test wants."""

    def run(verdict, extension):
        tools = tmp_path / "tools"
        tools.mkdir()
        status = {"schema": 1, "version": "1", **({"extension": extension} if extension != "none" else {})}
        says = {"callers": {"schema": 1, "verdict": verdict}, "status": status}
        cases = "".join(f"{name}) echo '{json.dumps(text, separators=(',', ':'))}' ;; " for name, text in says.items())
        programs = {
            "stat": "echo 1:1",  # / is the machine's own
            "systemctl": f'echo "$@" >>{tmp_path}/asked',
            "msi2imds": f"case $1 in {cases} *) echo \"$@\" >>{tmp_path}/asked ;; esac; [ $1 != status ]"
            if verdict
            else f'[ $1 = detach ] && echo "$@" >>{tmp_path}/asked',
        }
        for name, script in programs.items():
            (tools / name).write_text(f"#!/bin/sh\n{script}\n")
            (tools / name).chmod(0o755)
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "MSI2IMDS_PROGRAM": str(tools / "msi2imds"),
            "MSI2IMDS_UNITS": str(tmp_path / "units"),
        }
        ended = subprocess.run(
            ["sh", CHECKOUT / "packaging/setup", "remove"], env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        asked = (tmp_path / "asked").read_text()
        assert "detach --purge" in asked and "msi2imds-textfile.timer" in asked, "the rest is done all the same"
        return ended.stderr

    return run


@pytest.mark.parametrize("extension", ["none", {"version": "", "state": "NotInstalled"}], ids=str)
def test_callers_without_the_extension_are_warned_of(remove, extension):
    assert remove(USED, extension) == WARNING


@pytest.mark.parametrize(
    "verdict, extension",
    [(UNUSED, "none"), (USED, {"version": "1.0.0.10", "state": "Enabled"}), (USED, None), (None, "none")],
    ids=["nobody calls", "the extension answers", "the extension is not known", "nothing is known"],
)
def test_nothing_is_said_where_nobody_is_left_alone(remove, verdict, extension):
    assert remove(verdict, extension) == ""
