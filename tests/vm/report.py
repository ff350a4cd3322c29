# SPDX-License-Identifier: MIT
"""What the machines said, as test cases, a table and a JUnit file."""

import collections
import dataclasses
import xml.etree.ElementTree as ElementTree


@dataclasses.dataclass
class Case:
    """A test on one kernel with one layout of cgroups."""

    column: str
    name: str
    outcome: str  # "passed", "failed" or "skipped"
    message: str = ""


def service_case(backend, said):
    """Whether msi2imds served a legacy client by that backend."""
    served = said.startswith("served by ") and said.removeprefix("served by ").strip() != ""
    if backend != "auto":
        served = served and said == f"served by {backend}"
    return Case(backend, f"serves_a_legacy_client/{backend}", "passed" if served else "failed", said)


def suite_cases(column, document):
    """The cases of a report that GoogleTest or pytest wrote."""
    cases = []
    for case in ElementTree.fromstring(document).iter("testcase"):
        failures = [failure.get("message", "") for failure in (*case.iter("failure"), *case.iter("error"))]
        skipped = case.find("skipped")
        if failures:
            outcome, message = "failed", "\n".join(failures)
        elif skipped is not None or case.get("status") == "notrun":
            outcome, message = "skipped", "" if skipped is None else skipped.get("message", "")
        else:
            outcome, message = "passed", ""
        cases.append(Case(column, f"{case.get('classname')}.{case.get('name')}", outcome, message))
    return cases


def cases_of(boot, backends, suites):
    """Everything that should have been tried, so that what is missing fails."""
    cases = []
    for backend in backends:
        said = boot.results.get(f"{backend}.service", f"failed: {boot.failure or 'not tried'}").strip()
        cases.append(service_case(backend, said))
    for column in suites:
        document = boot.results.get(f"{column}.xml")
        if document:
            cases += suite_cases(column, document)
        else:
            cases.append(Case(column, f"kernel_tests/{column}", "failed", boot.failure or "the suite did not end"))
    return cases


def _cell(cases):
    refused = [case.message for case in cases if case.message.startswith("refused: ")]
    if refused:
        return refused[0]
    if not cases:
        return "-"
    counts = collections.Counter(case.outcome for case in cases)
    text = f"{counts['passed']} passed"
    for outcome in ("failed", "skipped"):
        text += f", {counts[outcome]} {outcome}" if counts[outcome] else ""
    return text


def table(rows, columns):
    """rows: {"6.1.0-9 unified": its cases}; a line each."""
    lines = [["kernel and cgroups", "auto takes", *columns]]
    for name, cases in rows.items():
        by_column = collections.defaultdict(list)
        for case in cases:
            by_column[case.column].append(case)
        taken = "".join(case.message.removeprefix("served by ") for case in by_column["auto"])
        lines.append([name, taken or "-", *(_cell(by_column[column]) for column in columns)])
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in lines)


def write_junit(path, rows, gone):
    """`gone`: {"5.10": why its package could not be downloaded}."""
    suite = ElementTree.Element("testsuite", name="vm")
    for name, cases in rows.items():
        for case in cases:
            element = ElementTree.SubElement(suite, "testcase", classname=f"vm.{name}", name=case.name)
            if case.outcome != "passed":
                tag = "failure" if case.outcome == "failed" else "skipped"
                ElementTree.SubElement(element, tag, message=case.message)
    for version, reason in gone.items():
        element = ElementTree.SubElement(suite, "testcase", classname="vm", name=version)
        ElementTree.SubElement(element, "skipped", message=reason)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(path, encoding="unicode", xml_declaration=True)
