#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks packaging/fleet: the dashboard is JSON, every expression is PromQL over metrics that msi2imds has, alerts fire;
and docs/metrics.md: it lists each metric with its kind and its help.

promtool does the reading of PromQL; it comes from build/promtool or PATH.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
FLEET = CHECKOUT / "packaging" / "fleet"
SOURCE = CHECKOUT / "userspace" / "metrics" / "snapshot.hpp"
PAGE = CHECKOUT / "docs" / "metrics.md"
METRIC = re.compile(r"\bmsi2imds_[a-z0-9_]+")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def promtool(*arguments):
    unpacked = CHECKOUT / "build" / "promtool" / "usr" / "bin" / "promtool"
    command = str(unpacked) if unpacked.exists() else shutil.which("promtool")
    if command is None:
        sys.exit("promtool is missing: tests/support/setup-promtool")
    return subprocess.run([command, *arguments], capture_output=True, text=True)


def known_metrics():
    """Every series name that snapshot.hpp declares."""
    families = re.findall(r'all_\.(counter|gauge|histogram)\(\s*"(msi2imds_\w+)"', SOURCE.read_text())
    return {name + suffix for kind, name in families for suffix in SUFFIXES[kind]}


def faults_of_page():
    """What docs/metrics.md lacks, and what it has that is no metric."""
    found = re.findall(r'all_\.(counter|gauge|histogram)\(\s*"(msi2imds_\w+)",\s*((?:"[^"]*"\s*)+)\)', SOURCE.read_text())
    declared = {name: (kind, "".join(re.findall(r'"([^"]*)"', text))) for kind, name, text in found}
    rows = re.findall(r"^\| `(msi2imds_\w+)` \| (\w+) \|[^|]*\| (.*) \|$|^\| `(msi2imds_\w+)`", PAGE.read_text(), re.MULTILINE)
    listed = {name or broken: (kind, text) for name, kind, text, broken in rows}
    return [
        f"docs/metrics.md: {name} is {listed.get(name, 'missing')}, and msi2imds has {declared.get(name, 'no such metric')}"
        for name in sorted(declared | listed)
        if declared.get(name) != listed.get(name)
    ]


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def expressions(dashboard):
    for panel in panels(dashboard):
        if panel["type"] == "row":
            continue
        targets = panel.get("targets", [])
        if not targets:
            raise ValueError(f"panel {panel['title']!r} shows nothing")
        for target in targets:
            yield panel["title"], target["expr"]


def main():
    faults = faults_of_page()
    known = known_metrics()
    dashboard = json.loads((FLEET / "grafana-dashboard.json").read_text())
    shown = list(expressions(dashboard))
    # Grafana's own variables stand for what PromQL would refuse.
    plain = [expr.replace("$__rate_interval", "5m").replace("$__range", "30d") for _, expr in shown]
    alerts = (FLEET / "alerts.yml").read_text()
    texts = [(f"panel {title!r}", expr) for title, expr in shown] + [("alerts.yml", alerts)]
    for where, text in texts:
        faults += [f"{where}: no such metric: {name}" for name in METRIC.findall(text) if name not in known]

    faults += [f"{where} takes missing data for a number: {text}" for where, text in texts if "or vector(" in text]

    with tempfile.TemporaryDirectory() as directory:
        rules = pathlib.Path(directory) / "rules.json"  # JSON is YAML
        recorded = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(plain)]
        rules.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}))
        checks = [promtool("check", "rules", str(rules)), promtool("check", "rules", str(FLEET / "alerts.yml"))]
        checks.append(promtool("test", "rules", str(CHECKOUT / "tests" / "checks" / "alerts_test.yml")))
    faults += [check.stdout + check.stderr for check in checks if check.returncode != 0]

    tested = (CHECKOUT / "tests" / "checks" / "alerts_test.yml").read_text()
    page = (CHECKOUT / "docs" / "monitoring.md").read_text()
    for name in re.findall(r"alert: (\w+)", alerts):
        if f"| `{name}` |" not in page:
            faults.append(f"{name}: docs/monitoring.md does not say what it means")
        cases = re.findall(rf"alertname: {name}\n\s*exp_alerts:(.*)", tested)
        if not any("[]" in case for case in cases) or not any("[]" not in case for case in cases):
            faults.append(f"{name}: tests/checks/alerts_test.yml needs a case where it fires and one where it does not")
    print("\n".join(faults) or f"{len(shown)} expressions and {alerts.count('alert:')} alerts are sound")
    return 1 if faults else 0


sys.exit(main())
