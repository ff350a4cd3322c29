# SPDX-License-Identifier: MIT
"""packaging/fleet/logs: rsyslogd itself reads its example; those of what Debian does not have are read strictly here."""

import datetime
import os
import re
import subprocess

import yaml

from programs import CHECKOUT

LOGS = CHECKOUT / "packaging" / "fleet" / "logs"
RSYSLOG = CHECKOUT / "build" / "rsyslog"
# As audit/line.cpp writes it; the shipped default of audit.file.
TIME = "2026-01-31T23:59:59.123456Z"
AUDIT_FILE = re.search(r'^#file = "(.*audit.*)"', (CHECKOUT / "packaging/msi2imds.toml").read_text(), re.MULTILINE)[1]


def test_rsyslog_takes_its_example(tmp_path):
    main = tmp_path / "rsyslog.conf"
    main.write_text(f'global(workDirectory="{tmp_path}")\ninclude(file="{LOGS}/rsyslog.conf")\n')
    [libraries] = (RSYSLOG / "usr/lib").glob("*-linux-gnu")
    command = [RSYSLOG / "usr/sbin/rsyslogd", "-N1", "-M", libraries / "rsyslog", "-f", main]
    checked = subprocess.run(command, env={**os.environ, "LD_LIBRARY_PATH": str(libraries)}, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "error" not in checked.stderr.lower()
    assert f'file="{AUDIT_FILE}"' in (LOGS / "rsyslog.conf").read_text()


def sections_of(path):
    """Fluent Bit's classic format: sections that may repeat, of keys and values."""
    sections = []
    for line in path.read_text().splitlines():
        if section := re.fullmatch(r"\[([A-Z]+)\]", line):
            sections.append((section[1], {}))
        elif entry := re.fullmatch(r" {4}([a-z_]+) +(\S.*)", line):
            assert entry[1] not in sections[-1][1], f"{path}: {entry[1]} twice"
            sections[-1][1][entry[1]] = entry[2]
        else:
            assert not line or line.startswith("#"), f"{path}: {line}"
    return sections


def test_fluent_bits_example_is_whole():
    sections = sections_of(LOGS / "fluent-bit.conf")
    [service] = [keys for name, keys in sections if name == "SERVICE"]
    inputs = {keys["name"]: keys for name, keys in sections if name == "INPUT"}
    [output] = [keys for name, keys in sections if name == "OUTPUT"]
    [(kind, parser)] = sections_of(LOGS / service["parsers_file"])
    assert kind == "PARSER" and parser["format"] == "json" and parser["name"] == inputs["tail"]["parser"]
    assert inputs["tail"]["path"] == AUDIT_FILE
    assert inputs["systemd"]["systemd_filter"] == "SYSLOG_IDENTIFIER=msi2imds"
    assert all(keys["tag"].startswith(output["match"].removesuffix("*")) for keys in inputs.values())
    datetime.datetime.strptime(TIME, parser["time_format"].replace("%L", "%f"))


def test_the_collectors_example_is_whole():
    document = yaml.safe_load((LOGS / "otel-collector.yaml").read_text())
    receiver = document["receivers"]["filelog/msi2imds"]
    assert receiver["include"] == [AUDIT_FILE]
    [parser] = [operator for operator in receiver["operators"] if operator["type"] == "json_parser"]
    assert re.sub(r"\d", "9", parser["timestamp"]["layout"]) == re.sub(r"\d", "9", TIME)
    pipeline = document["service"]["pipelines"]["logs"]
    assert all(name in document[kind] for kind, names in pipeline.items() for name in names)
