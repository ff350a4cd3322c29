# SPDX-License-Identifier: MIT
"""Reports (`callers --json`) of machines that never were."""

import json
import random

from usage_record import DAY, caller, record

SUBSCRIPTION = "3f1c2c40-7d0e-4a52-9a86-0d2b6f6a1c11"
ARM, VAULT, STORAGE = "https://management.azure.com/", "https://vault.azure.net", "https://storage.azure.com/"


def report(now, host, callers=(), recorded=None, stage="redirecting", extension="Enabled", group="shop-rg", **more):
    """As a machine prints it; `group` None: without Azure's names."""
    names = {"subscription": SUBSCRIPTION, "resource_group": group, "vm": host} if group else {}
    machine = {**dict.fromkeys(("subscription", "resource_group", "vm", "scale_set")), **names}
    document = record(list(callers), recorded if recorded is not None else [[now - 80 * DAY, now]])
    head = {"schema": 1, "host": host, "machine": {**machine, "stage": stage, "extension": extension}, "made": now}
    return {**head, "quiet_days": 35, "running": True, "verdict": {"kind": "", "text": "", "reasons": []}, **document, **more}


def fleet(now, count):
    """Machines of all stages; some programs are on most of them, one runs once a month, each has one of its own."""
    chance = random.Random(18)
    for number in range(count):
        stage, extension = (("observing", "Enabled"), ("redirecting", "Enabled"), ("retired", "absent"))[number % 3]
        is_quiet = number % 5 == 4
        last = now - (60 * DAY if is_quiet else chance.randrange(DAY))
        days = 92 if not is_quiet else 30

        def service(unit, program, per_day, resources, library, last=last, days=days):
            row = caller(unit, program, per_day, resources, last, days=days)
            return {**row, "libraries": {library: row["requests"]} if stage != "observing" else {}}

        callers = [
            service("backup.service", "/usr/bin/python2.7", lambda ago: 24, {STORAGE: 80, ARM: 20}, "python_msrestazure"),
            service(f"session-{number * 7 % 90 + 1}.scope", "/usr/bin/curl", lambda ago: 2 if ago % 9 == 0 else 0, {ARM: 100}, "curl"),
            service(f"app-{number % 23:02}.service", "/opt/app/bin/server", lambda ago: 100 + ago % 7 * 9, {VAULT: 100}, "java_msi"),
        ]
        if number % 2 == 0 and not is_quiet:
            callers.append(service("invoice.service", "/opt/invoice/run", lambda ago: 5 if ago % 30 == 3 else 0, {VAULT: 100}, "go_autorest",
                                   last=now - 3 * DAY, days=89))
        recorded = [[now - 80 * DAY, now - 41 * DAY], [now - 38 * DAY, now]] if number % 7 == 6 else None
        yield report(now, f"web-{number:03}", callers, recorded, stage, extension, group=f"shop-{number % 4}-rg")


def write_fleet(now, count, directory):
    directory.mkdir()
    for document in fleet(now, count):
        (directory / f"{document['host']}.json").write_text(json.dumps(document) + "\n")
    return directory
