#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes the pictures of the documents anew: docs/callers.png, docs/fleet.png and docs/fleet-phone.png. As root."""

import json
import pathlib
import tempfile
import time

from chromium import Page
from fleet_reports import report, write_fleet
from namespace import Namespace
from programs import CHECKOUT, program, run_in
from small_png import make_small
from usage_record import DAY, caller, record

DOCS = CHECKOUT / "docs"
MOST_BYTES = 120 * 1024
LIBRARIES = {"azcopy": "go", "java": "java_msi", "python2.7": "python_msrestazure", "curl": "curl", "mailer": "node_nodeauth"}


def one_machine(now):
    """Daily services, one that has stopped, a job that runs once a month, and three days without a record."""
    arm, vault, sql = "https://management.azure.com/", "https://vault.azure.net", "https://database.windows.net/"
    today = now // DAY
    unrecorded = (today - 47, today - 46, today - 45)

    def service(unit, path, per_day, resources, last):
        row = caller(unit, path, per_day, resources, last, days=last // DAY - today + 90, unrecorded=unrecorded)
        row["libraries"] = {LIBRARIES.get(path.split("/")[-1], "go_autorest"): row["requests"]}
        return row

    callers = [
        service("invoice-sync.service", "/opt/invoices/bin/invoice-sync", lambda ago: 150 - 110 * ((today - ago) % 7 in (2, 3)), {sql: 70, vault: 30}, now - 270),
        service("tomcat9.service", "/usr/lib/jvm/java-8-openjdk-amd64/bin/java", lambda ago: 90 + (today - ago) * 37 % 23, {vault: 55, sql: 45}, now - 1930),
        service("cron.service", "/usr/bin/python2.7", lambda ago: 24, {arm: 100}, now - 3130),
        service("report-mailer.service", "/opt/reports/mailer", lambda ago: 40, {vault: 100}, now - 29 * DAY),
        service("month-end.service", "/usr/bin/curl", lambda ago: 3 if ago % 31 == 0 else 0, {arm: 100}, now - 12 * DAY),
    ]  # fmt: skip
    return report(now, "web-1", callers, [[(today - 89) * DAY, unrecorded[0] * DAY - 1], [(unrecorded[-1] + 1) * DAY, now]])


def make_page(host, directory, now):
    """The page of one machine, as it is served by a stopped one's state file."""
    state = directory / "callers.json"
    state.write_text(json.dumps({name: value for name, value in one_machine(now).items() if name in ("format", "version", "recorded", "callers")}))
    config = directory / "msi2imds.toml"
    config.write_text(f'[admin]\nsocket = "{directory}/none"\n[callers]\nstate_file = "{state}"\n[waagent]\nroot = "{directory}"\n')
    page = directory / "callers.html"
    ended = run_in(host, program("msi2imds"), "callers", "--config", config, "--html", page)
    assert ended.returncode == 0, ended.stderr
    # As a machine in Azure would have printed it.
    names = {name: value for name, value in one_machine(now)["machine"].items() if value}
    text = page.read_text()
    for name, value in names.items():
        text = text.replace(f'"{name}":null', f'"{name}":"{value}"')
    text = text.replace('"stage":"stopped"', '"stage":"redirecting"').replace('"extension":"absent"', '"extension":"Enabled"')
    page.write_text(text.replace('"host":"', '"host":"web-1", "at":"', 1).replace('"running":false', '"running":true'))
    return page


def main():
    now = int(time.time())
    with Namespace() as nowhere, tempfile.TemporaryDirectory() as directory, Page(nowhere) as page:
        directory = pathlib.Path(directory)
        fleet = directory / "fleet.html"
        reports = write_fleet(now, 300, directory / "reports")
        ended = run_in(nowhere, program("msi2imds"), "callers", "--merge", reports, "--html", fleet)
        assert ended.returncode == 0, ended.stderr
        for name, path, width, height in (
            ("callers.png", make_page(nowhere, directory, now), 1080, 1000),
            ("fleet.png", fleet, 1080, 1100),
            ("fleet-phone.png", fleet, 390, 1000),
        ):
            page.resize(width, height)
            page.open(path)
            (DOCS / name).write_bytes(make_small(page.picture(height)))
            assert (DOCS / name).stat().st_size < MOST_BYTES, name


main()
