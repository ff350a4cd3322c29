# SPDX-License-Identifier: MIT
"""msi2imds callers: what a person sees of who calls, in a terminal and in a browser without a network."""

import csv
import io
import json
import re
import time

import pytest

from page_fixtures import browser, page  # noqa: F401
from programs import program, run_in
from usage_record import DAY, caller, many, plausible, record, served

HOSTILE = "a\nb\x1b[31m</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"


class Callers:
    """Runs the command against a document that somebody serves as msi2imds would."""

    def __init__(self, host, directory):
        self.host = host
        self.directory = directory
        self.config = directory / "msi2imds.toml"
        self.config.write_text(f'[admin]\nsocket = "{directory}/admin.sock"\n')

    def run(self, document, *arguments):
        socket_path = self.directory / "admin.sock"
        socket_path.unlink(missing_ok=True)
        with served(document, socket_path):
            return run_in(self.host, program("msi2imds"), "callers", "--config", self.config, *arguments)

    def page_of(self, document):
        path = self.directory / "callers.html"
        ended = self.run(document, "--html", path)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == ""
        return path


@pytest.fixture
def callers(bare_host, tmp_path):
    return Callers(bare_host, tmp_path)


@pytest.fixture
def now():
    return int(time.time())


def tiles(page):
    return dict(text.split("\n")[:2] for text in page.texts(".tile"))


def test_shows_who_calls(callers, page, now):
    page.open(callers.page_of(plausible(now)))
    verdict = page.text("#verdict")
    assert verdict.startswith("Still in use\n\n6 callers, the last one invoice-sync.service"), verdict
    shown = tiles(page)
    assert shown["Callers"] == "6"
    assert shown["Last request"] == "4 minutes ago"
    rows = page.texts(".callers tbody tr")
    assert len(rows) == 6
    assert "blob-archive.service" in rows[1] and "/usr/bin/azcopy" in rows[1]
    assert "failed 31" in rows[3] and "root" in rows[3]
    legend = page.texts("#days .legend li")
    assert len(legend) == 7, "five callers, the others, and what was not recorded"
    assert legend[-1] == "not recorded"
    assert page.texts("#resources .name")[0] == "https://database.windows.net/"


def test_the_chart_shows_the_numbers_of_its_table(callers, page, now):
    document = plausible(now)
    page.open(callers.page_of(document))
    assert page.count("#days svg .hit") == 92
    # Of the 92 days: two in between, and those before the first one.
    assert page.count("#days svg .gap") == 2 + 92 - 46
    expected = sum(n for row in document["callers"] for day, n in row["days"] if day > now // DAY - 92)
    assert tiles(page)["Requests in 92 days"] == f"{expected:,}"

    page.click("#days summary")
    rows = page.evaluate("[...document.querySelectorAll('.days tbody tr')].map(r => [...r.cells].map(c => c.innerText))")
    assert len(rows) == 92
    assert sum(int(row[-1].replace(",", "")) for row in rows) == expected
    assert all(sum(int(n.replace(",", "")) for n in row[1:-1]) == int(row[-1].replace(",", "")) for row in rows)
    assert [row[0] for row in rows if "not recorded" in row[0]] != []


def test_a_day_tells_its_callers(callers, page, now):
    page.open(callers.page_of(plausible(now)))
    page.hover("#days svg .hit")
    tip = page.text(".tooltip")
    assert "invoice-sync.service" in tip and "requests" in tip
    page.hover("h1")
    assert page.count(".tooltip") == 0


def test_sorts_by_each_column(callers, page, now):
    page.open(callers.page_of(plausible(now)))
    units = lambda: page.texts(".callers .unit")  # noqa: E731
    assert units()[0] == "invoice-sync.service"
    page.click(".callers th:nth-child(1) button")
    assert units() == sorted(units())
    page.click(".callers th:nth-child(1) button")
    assert units() == sorted(units(), reverse=True)
    assert page.evaluate("document.querySelector('.callers th').getAttribute('aria-sort')") == "descending"
    page.click(".callers th:nth-child(6) button")
    assert units()[0] == "cron.service", "the one with failures"


def test_without_callers_the_endpoint_can_be_retired(callers, page, now):
    page.open(callers.page_of(record([], [[now - 40 * DAY, now]])))
    assert page.text("#verdict").startswith("Can be retired\n\nNo request in the last 35 days")
    assert page.text("#days").startswith("No request since ")
    assert tiles(page)["Last request"] == "none"


def test_a_short_record_is_no_verdict(callers, page, now):
    page.open(callers.page_of(record([], [[now - 4 * DAY - 60, now]])))
    assert page.text("#verdict").startswith("Not known yet\n\nRecorded for only 4 of 35 days.")


def test_names_that_callers_chose_are_only_text(callers, page, now):
    hostile = caller(HOSTILE, "", lambda ago: 1, {HOSTILE: 100}, now - 60, comm=HOSTILE, command_line=HOSTILE,
                     container=HOSTILE, unknown_because=HOSTILE, users=[{"uid": 1, "user": HOSTILE}])  # fmt: skip
    page.open(callers.page_of(record([hostile], [[now - 40 * DAY, now]])))
    assert page.evaluate("document.title").startswith("Callers of the legacy token endpoint on ")
    assert page.count("img") == 0
    assert page.count("script") == 2
    for selector in ("#verdict", ".callers .unit", ".callers code", "#resources .name", "#days .legend"):
        assert "<script>document.title='owned'</script>" in page.text(selector), selector
    page.click(".callers summary")
    assert page.text(".callers dl").count("<script>") >= 4


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--html", "-"]], ids=str)
def test_names_that_callers_chose_do_not_reach_the_terminal(callers, arguments, now):
    hostile = caller(HOSTILE, "", lambda ago: 1, {HOSTILE: 100}, now - 60, comm=HOSTILE + "\u009b")
    ended = callers.run(record([hostile], [[now - 40 * DAY, now]]), *arguments)
    assert ended.returncode == 0
    assert re.search(r"[^\n\x20-\x7e]", ended.stdout) is None
    assert "a\nb" not in ended.stdout


def test_dark_and_light(callers, page, now):
    page.open(callers.page_of(plausible(now)))
    brightness = lambda property: sum(  # noqa: E731
        int(n) for n in re.findall(r"\d+", page.evaluate(f"getComputedStyle(document.body)['{property}']"))
    )
    assert brightness("backgroundColor") > 700 and brightness("color") < 200
    page.prefer("dark")
    assert brightness("backgroundColor") < 100 and brightness("color") > 600


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_fits_every_screen(callers, page, width, now):
    page.resize(width, 700)
    document = many(now, 40)
    long = "x" * 250
    resources = {long: 100}
    document["callers"].append(caller(long, long, lambda ago: 99, resources, now, users=[{"uid": 1, "user": long}]))
    page.open(callers.page_of(document))
    assert page.count(".callers tbody tr") == 41
    page.click("#days summary")
    page.click(".callers summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_monthly_job_is_seen_beside_one_that_asks_all_day(callers, page, now):
    monthly = caller("billing.service", "/usr/bin/bill", lambda ago: 1 if ago % 31 == 2 else 0, {"https://x": 100}, now - 2 * DAY, days=90)
    daily = caller("sync.service", "/usr/bin/sync", lambda ago: 40_000, {"https://x": 100}, now, days=92)
    page.open(callers.page_of(record([monthly, daily], [[now - 91 * DAY, now]])))
    heights = page.evaluate("[...document.querySelectorAll('#days svg .series-1')].map(bar => bar.getBoundingClientRect().height)")
    assert len(heights) == 3 and min(heights) >= 2
    (row,) = [text for text in page.texts(".callers tbody tr") if "billing.service" in text]
    assert "3 of 92 days, up to 31 days apart" in row
    page.resize(360, 700)
    assert page.count(".callers .sparkline") == 2


def test_numbers_have_separators_everywhere(callers, page, now):
    busy = caller("sync.service", "/usr/bin/sync", lambda ago: 40_000, {"https://x": 100}, now, days=92)
    page.open(callers.page_of(record([busy], [[now - 91 * DAY, now]])))
    page.click("#days summary")
    page.click(".callers summary")
    assert "3,680,000 requests" in page.text("#verdict")
    # Years have four digits.
    assert [number for number in re.findall(r"\d{4,}", page.text()) if not number.startswith("20")] == ["4711"], "a process"


def test_days_that_were_not_recorded_are_shown_as_such(callers, page, now):
    page.open(callers.page_of(plausible(now)))
    assert page.count(".callers tr:first-child .sparkline .gap") == page.count("#days svg .gap")
    page.hover("#days svg .hit:last-of-type")
    assert "not recorded" in page.text(".tooltip")


def test_prints_without_what_only_a_screen_needs(callers, page, now):
    page.open(callers.page_of(plausible(now)))
    page.print_style(True)
    try:
        shown = "getComputedStyle(document.querySelector('.callers summary')).display"
        assert page.evaluate(shown) == "none"
        assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "none"
    finally:
        page.print_style(False)


def test_json_tells_the_verdict_and_the_callers(callers, now):
    ended = callers.run(plausible(now), "--json")
    document = json.loads(ended.stdout)
    assert document["verdict"]["kind"] == "in_use"
    assert len(document["callers"]) == 6
    assert document["quiet_days"] == 35


def test_the_table_ends_with_the_verdict(callers, now):
    ended = callers.run(plausible(now))
    assert ended.returncode == 0
    assert re.search(r"^blob-archive.service +/usr/bin/azcopy +svc +\d+ +10 minutes ago$", ended.stdout, re.MULTILINE)
    assert ended.stdout.splitlines()[-1].startswith("still in use: 6 callers")


def test_a_page_is_readable_by_its_owner_only(callers, now):
    assert callers.page_of(plausible(now)).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "document, complaint",
    [
        ('{"format":"msi2imds callers","version":2}', "newer version"),
        ('{"format":"msi2imds callers","version":1,"recorded":[],"callers":7}', "document.callers is not an array"),
        ("", "damaged"),
    ],
)
def test_a_document_that_cannot_be_read_is_an_error(callers, document, complaint):
    ended = callers.run(document)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert complaint in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_csv_is_a_table_of_callers(callers, now):
    ended = callers.run(plausible(now), "--csv")
    assert ended.returncode == 0
    lines = list(csv.DictReader(io.StringIO(ended.stdout), strict=True))
    assert len(lines) == 6
    assert lines[0]["unit"] == "invoice-sync.service" and lines[0]["users"] == "svc"
    assert lines[0]["verdict"] == "in_use" and lines[0]["last_seen"].endswith("Z")


def test_json_and_a_page_at_once_is_wrong_usage(callers, now):
    assert callers.run(plausible(now), "--json", "--html", "-").returncode == 2
