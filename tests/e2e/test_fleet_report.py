# SPDX-License-Identifier: MIT
"""msi2imds callers --merge: what the reports of many machines say together, and what becomes of those that cannot be read."""

import csv
import io
import json
import os
import re
import time

import pytest

from fleet_reports import ARM, report, write_fleet
from namespace import Namespace
from page_fixtures import browser, page  # noqa: F401
from programs import program, run_in
from usage_record import DAY, caller, record

HOSTILE = "=cmd|'/c x'!A1\n\x1b[31m</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"
MOST_BYTES = 2 * 1024 * 1024
MOST_SECONDS = 5


@pytest.fixture
def now():
    return int(time.time())


@pytest.fixture
def merge(bare_host):
    def run(*arguments):
        return run_in(bare_host, program("msi2imds"), "callers", "--merge", *arguments)

    return run


@pytest.fixture
def write(tmp_path):
    """Writes a report, or what is to be taken for one."""

    def make(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return make


def job(unit, last, days=35, per_day=lambda ago: 4):
    return caller(unit, "/usr/bin/old", per_day, {ARM: 100}, last, days=days)


def merged(ended):
    assert ended.stdout.count("\n") == 1, ended.stderr
    return json.loads(ended.stdout)


def test_tells_callers_of_all_machines_by_program_and_unit(merge, write, now):
    files = [
        write("a.json", report(now, "a", [job("backup.service", now - 600), job("session-3.scope", now - DAY)])),
        write("b.json", report(now, "b", [job("backup.service", now - 90, days=60), job("session-12.scope", now)])),
    ]
    ended = merge(*files, "--json")
    assert ended.returncode == 0, ended.stderr
    document = merged(ended)
    assert (document["schema"], document["format"]) == (1, "msi2imds fleet")
    backup, session = sorted(document["callers"], key=lambda row: row["unit"])
    assert (backup["unit"], backup["machine_count"], backup["requests"]) == ("backup.service", 2, 4 * (35 + 60))
    assert backup["last_seen"] == now - 90
    assert backup["first_seen"] < now - 58 * DAY
    assert [document["machines"][index]["host"] for index in backup["machines"]] == ["a", "b"]
    assert (session["unit"], session["machine_count"]) == ("session-*.scope", 2)
    assert [machine["verdict"]["kind"] for machine in document["machines"]] == ["in_use", "in_use"]
    assert document["answer"] == "not done: of 2 machines, 2 are still called"
    assert not document["done"] and "if nobody asks any more, on 20" in document["done_when"]


def in_container(name, image, now, unit="docker-*.scope"):
    return {**job(unit, now), "container": "e3" * 32, "container_name": name, "container_image": image}


def test_containers_of_one_image_and_name_are_one_caller(merge, write, now):
    sync, other = "registry.example.com/sync:2", "registry.example.com/other:2"
    files = [
        write("a.json", report(now, "a", [in_container("shop/sync-7d9f4c6b5-x2x4z/sync", sync, now, "cri-containerd-*.scope")])),
        write("b.json", report(now, "b", [in_container("shop/sync-5b6c7d8f9-k8s2v/sync", sync, now, "crio-*.scope")])),
        write("c.json", report(now, "c", [in_container("web", sync, now), in_container("web", other, now)])),
    ]
    document = merged(merge(*files, "--json"))
    found = {(row["container_name"].split("-")[0], row["container_image"]): row["machine_count"] for row in document["callers"]}
    assert found == {("shop/sync", sync): 2, ("web", sync): 1, ("web", other): 1}
    shown = merge(*files).stdout
    assert f"container web of {sync} " in shown and f"container web of {other} " in shown
    lines = csv.DictReader(io.StringIO(merge(*files, "--csv").stdout))
    assert [(line["host"], line["container_name"][:9], line["container_image"]) for line in lines] == [
        ("a", "shop/sync", sync), ("b", "shop/sync", sync), ("c", "web", sync), ("c", "web", other),
    ]  # fmt: skip


def test_is_done_when_no_machine_is_called(merge, write, now):
    quiet = [[now - 50 * DAY, now]]
    files = [write(f"{host}.json", report(now, host, [], quiet, "retired", "absent")) for host in "ab"]
    ended = merge(*files)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1] == "done: nobody calls the legacy endpoint any more on 2 machines"
    assert "remove msi2imds: it is no longer needed" in ended.stdout


@pytest.mark.parametrize(
    ("stage", "extension", "is_quiet", "step"),
    [
        ("observing", "Enabled", False, "verify, then cut over"),
        ("observing", "absent", False, "cut over now: the extension is gone, and nobody answers"),
        ("observing", "Enabled", True, "remove the extension: nobody calls"),
        ("redirecting", "Enabled", False, "remove the extension: msi2imds retire"),
        ("retired", "absent", False, "move its callers to IMDS"),
        ("retired", "absent", True, "remove msi2imds: it is no longer needed"),
        ("stopped", "Enabled", False, "start msi2imds: nothing is recorded"),
        ("not_redirecting", "Enabled", False, "find out why nothing is redirected: msi2imds doctor"),
        (None, None, False, "run msi2imds callers as root"),
    ],
)
def test_names_the_next_step_of_a_machine(merge, write, now, stage, extension, is_quiet, step):
    callers = [] if is_quiet else [job("a.service", now)]
    document = merged(merge(write("a.json", report(now, "a", callers, None, stage, extension)), "--json"))
    assert document["machines"][0]["next"] == step


def test_an_old_report_proves_nothing(merge, write, now):
    ended = merge(write("a.json", report(now - 8 * DAY, "a", stage="retired", extension="absent")), "--json")
    document = merged(ended)
    assert document["machines"][0]["verdict"]["kind"] == "can_be_retired"
    assert not document["done"] and "older than 7 days" in document["answer"]
    assert document["machines"][0]["next"] == "gather its report anew"


def test_a_report_of_the_future_takes_no_true_ones_place(merge, write, now):
    future = report(now + 400 * DAY, "a", stage="retired", extension="absent")
    ended = merge(write("future.json", future), write("now.json", report(now, "a", [job("a.service", now)])), "--json")
    assert ended.returncode == 1 and "future.json: it says that it was made on " in ended.stderr
    document = merged(ended)
    assert [machine["verdict"]["kind"] for machine in document["machines"]] == ["in_use"]
    assert not document["done"]


def test_reads_directories_and_many_reports_in_a_file(merge, write, tmp_path, now):
    (tmp_path / "d").mkdir()
    write("d/a.json", json.dumps(report(now, "a"), indent=2))
    write("d/notes.txt", "not a report")
    os.mkfifo(tmp_path / "d" / "pipe.json")  # whoever opens it waits
    several = write("several", "".join(json.dumps(report(now, host)) + "\n" for host in "bc"))
    ended = merge(tmp_path / "d", several, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [machine["host"] for machine in merged(ended)["machines"]] == ["a", "b", "c"]


def test_takes_the_newest_report_of_a_machine(merge, write, now):
    older = report(now - 3600, "a", [job("old.service", now - 7200)], group="SHOP-RG")
    ended = merge(write("1.json", older), write("2.json", report(now, "a", [job("new.service", now)])), "--json")
    assert ended.returncode == 0
    assert "1.json: it is of the same machine as" in ended.stderr
    document = merged(ended)
    assert [row["unit"] for row in document["callers"]] == ["new.service"]
    assert [(left["file"][-6:], left["is_missed"]) for left in document["left_out"]] == [("1.json", False)]


def test_host_names_alone_do_not_tell_machines_apart(merge, write, now):
    files = [write(f"{n}.json", report(now - n, "localhost", stage="retired", extension="absent", group=None)) for n in (1, 2)]
    ended = merge(*files, "--json")
    assert ended.returncode == 1
    assert "2.json: its host name 'localhost' is that of" in ended.stderr
    assert not merged(ended)["done"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "it is empty"),
        ("web-1 | UNREACHABLE!", "it is not JSON at byte 1"),
        ('{"schema":1,', "it ends too early"),
        ("[1]", "it is JSON of something else"),
        ('{"schema":1,"healthy":true,"summary":"","problems":[]}', "it is JSON of something else"),
        (json.dumps({**report(10**9, "a"), "schema": "1"}), "it is JSON of something else"),
        (json.dumps({**report(10**9, "a"), "schema": -7}), "it is JSON of something else"),
        (json.dumps({**report(10**9, "a"), "schema": 2**63}), "it is JSON of something else"),
        ('{"schema":2,"host":"a"}', "a newer msi2imds has printed it (schema 2, and this one knows 1)"),
        (json.dumps(record([], [])), "it is a state file, not a report"),
        ('{"schema":1,"format":"msi2imds callers"}', 'document has no "host"'),
        (json.dumps({**report(10**9, "a"), "callers": 7}), "document.callers is not an array"),
        (json.dumps({**report(10**9, "a"), "machine": {"vm": 7}}), "machine.vm is not a text"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_and_the_good_ones_are_shown(merge, write, now, content, complaint):
    good = write("good.json", report(now, "a", stage="retired", extension="absent"))
    ended = merge(good, write("bad.json", content), "--json")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1 and "bad.json: " in ended.stderr and complaint in ended.stderr
    document = merged(ended)
    assert [machine["host"] for machine in document["machines"]] == ["a"]
    assert not document["done"] and document["answer"] == "not done: of 1 machine, 1 report could not be used"


def test_of_a_file_with_many_bad_reports_the_first_few_are_named(merge, write, now):
    good = json.dumps(report(now, "a", stage="retired", extension="absent")) + "\n"
    bad = write("bad.json", "{x\n" * 20_000 + good)
    again = write("again.json", good * 30)
    ended = merge(bad, again, "--json")
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert len(lines) == 5 + 1 + 5 + 1, lines
    assert f"{bad}: 19,995 more reports in it are left out, 20,000 in all" in ended.stderr
    assert f"{again}: 25 more reports in it are left out, 30 in all, of machines of which a newer one is there" in ended.stderr
    document = merged(ended)
    assert document["answer"] == "not done: of 1 machine, 20,000 reports could not be used"
    assert sum(left["count"] for left in document["left_out"]) == 20_000 + 30
    assert len(document["left_out"]) == 12


def test_of_many_bad_files_the_first_are_named_and_the_others_counted(merge, write, now):
    write("good.json", report(now, "a", stage="retired", extension="absent"))
    for number in range(100):
        last = write(f"bad-{number}.json", "{x\n")
    ended = merge(last.parent, "--json")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 20 + 1
    assert ended.stderr.splitlines()[-1] == "msi2imds: left out 80 more; --json names each in left_out"
    assert len(merged(ended)["left_out"]) == 100


def test_a_file_by_two_names_is_read_once(merge, write, now, tmp_path):
    path = write("a.json", report(now, "a"))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "link.json").symlink_to(path)
    os.link(path, tmp_path / "d" / "hard.json")
    ended = merge(path, f"{tmp_path}/./a.json", tmp_path / "d", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert merged(ended)["left_out"] == []


def test_what_follows_a_bad_report_in_a_file_is_read(merge, write, now):
    ended = merge(write("all.json", '{"broken\n' + json.dumps(report(now, "a"))), "--json")
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1
    assert [machine["host"] for machine in merged(ended)["machines"]] == ["a"]


def test_without_any_report_nothing_is_shown(merge, tmp_path):
    (tmp_path / "empty").mkdir()
    ended = merge(tmp_path / "empty", tmp_path / "missing.json", "--html", tmp_path / "page.html")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "cannot find a .json file in the directory" in ended.stderr
    assert "missing.json': No such file or directory" in ended.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_report_of_a_version_without_machine_is_read(merge, write, now):
    document = report(now, "a")
    del document["machine"]
    ended = merge(write("a.json", document), "--json")
    assert ended.returncode == 0
    assert merged(ended)["machines"][0]["vm"] is None


def test_csv_has_a_line_for_each_caller_of_each_machine(merge, write, now):
    row = {**job("a.service", now), "command_line": "x", "users": [{"uid": 0, "user": 'a "b", c'}], "program": HOSTILE, "unknown_because": "its process is gone"}
    files = [write("a.json", report(now, "a", [row, job("b.service", now)])), write("b.json", report(now, "b"))]
    ended = merge(*files, "--csv")
    assert ended.returncode == 0
    lines = list(csv.DictReader(io.StringIO(ended.stdout), strict=True))
    assert [(line["vm"], line["unit"]) for line in lines] == [("a", "a.service"), ("a", "b.service"), ("b", "")]
    assert all(None not in line and None not in line.values() for line in lines)
    assert lines[0]["users"] == 'a "b", c'
    assert lines[0]["program"].startswith("'=cmd|")
    assert lines[0]["requests_in_92_days"] == "140"
    assert [line["unknown_because"] for line in lines] == ["its process is gone", "", ""]
    assert lines[2]["verdict"] == "can_be_retired"


@pytest.mark.parametrize("name", ["=1", "+1", "-1", "@a", "a;=1", 'a; "=1', ' "@a'])
def test_no_cell_is_a_formula_whatever_splits_the_lines(merge, write, now, name):
    row = {**job("a.service", now), "program": name}
    ended = merge(write("a.json", report(now, "a", [row])), "--csv")
    for separator in ",;":
        cells = [cell for line in csv.reader(io.StringIO(ended.stdout), delimiter=separator) for cell in line]
        assert not [cell for cell in cells if cell.lstrip(' "').startswith(("=", "+", "-", "@"))]
    assert next(csv.DictReader(io.StringIO(ended.stdout)))["program"].replace("'", "") == name


def test_names_that_callers_chose_do_not_reach_the_terminal(merge, write, now):
    row = {**job(HOSTILE, now), "program": HOSTILE, "comm": HOSTILE}
    for form in ([], ["--json"], ["--csv"], ["--html", "-"]):
        ended = merge(write("a.json", report(now, HOSTILE, [row], group=HOSTILE)), *form)
        assert ended.returncode == 0
        assert ended.stdout.isascii() and "\x1b" not in ended.stdout


def test_tells_the_change_that_moves_a_caller_to_imds(merge, write, now):
    files = [
        write("a.json", report(now, "a", [{**job("a.service", now), "libraries": {"curl": 2, "go_autorest": 40, "later": 1}}])),
        write("b.json", report(now, "b", [{**job("a.service", now), "libraries": {"curl": 3}}, job("seen.service", now)])),
    ]
    document = merged(merge(*files, "--json"))
    rows = {row["unit"]: row["libraries"] for row in document["callers"]}
    assert rows == {"a.service": {"curl": 5, "go_autorest": 40}, "seen.service": {}}
    assert set(document["libraries_seen"]) == {"curl", "go_autorest"}
    known = document["libraries_seen"]["go_autorest"]
    assert known["name"] == "Go: go-autorest" and "azidentity" in known["change"] and known["url"].startswith("https://")
    text = merge(*files).stdout
    assert re.search(r"^a.service .* Go: go-autorest$", text, re.MULTILINE) and f"    {known['url']}\n" in text
    (line, *_) = csv.DictReader(io.StringIO(merge(*files, "--csv").stdout))
    assert (line["looks_like"], line["change"]) == ("Go: go-autorest 40, curl 2", known["change"])
    assert line["documented"] == known["url"]


def test_forms_exclude_each_other(merge, write, now):
    path = write("a.json", report(now, "a"))
    for forms in (["--json", "--csv"], ["--html", "-", "--csv"]):
        assert merge(path, *forms).returncode == 2


@pytest.fixture(scope="module")
def fleet_page(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fleet")
    reports = write_fleet(int(time.time()), 300, directory / "reports")
    began = time.monotonic()
    with Namespace() as nowhere:
        ended = run_in(nowhere, program("msi2imds"), "callers", "--merge", reports, "--html", directory / "fleet.html")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert time.monotonic() - began < MOST_SECONDS
    return directory / "fleet.html"


def test_the_page_of_300_machines_is_small(fleet_page):
    assert fleet_page.stat().st_size < MOST_BYTES


def test_the_page_answers_when_it_is_done(page, fleet_page):
    page.open(fleet_page)
    assert page.text("#verdict").startswith("Not done\n\nOf 300 machines, 2")
    tiles = dict(text.split("\n")[:2] for text in page.texts(".tile"))
    assert tiles["Machines"] == "300"
    assert page.count("#machines tbody tr") == 300
    assert page.count("#days svg .hit") == 92
    first = page.texts(".callers tbody tr")[0]
    assert "300 machines" in first or "300" in first.split()
    units = page.texts(".callers .unit")
    assert "session-*.scope" in units and "invoice.service" in units
    page.evaluate("[...document.querySelectorAll('.callers details')].forEach(details => { details.open = true; })")
    links = page.evaluate("[...document.querySelectorAll('.callers a')].map(link => [link.protocol, link.rel])")
    assert len(links) >= 4 and all(link == ["https:", "noreferrer"] for link in links)
    assert "Looks like Java: MSICredentials" in page.text("#callers")


def test_a_phone_shows_the_page_whole(page, fleet_page):
    page.resize(360, 700)
    page.open(fleet_page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_machines_are_found_and_sorted(page, fleet_page):
    page.open(fleet_page)
    page.evaluate("(() => { const box = document.querySelector('#machines input'); box.value = 'WEB-12'; box.dispatchEvent(new Event('input')); })()")
    assert page.evaluate("[...document.querySelectorAll('#machines tbody tr')].filter(row => !row.hidden).length") == 10


def test_a_page_of_hostile_names_is_only_text(page, merge, write, tmp_path, now):
    row = {**job(HOSTILE, now), "program": HOSTILE}
    bad = write("bad.json", "nothing")
    merge(write("a.json", report(now, HOSTILE, [row], group=HOSTILE)), bad, "--html", tmp_path / "p.html")
    page.open(tmp_path / "p.html")
    assert page.evaluate("document.title") == "Callers of the legacy token endpoint on 1 machine"
    assert page.count("img") == 0
    assert page.count("script") == 2
    assert "bad.json" in page.text("#left-out")
