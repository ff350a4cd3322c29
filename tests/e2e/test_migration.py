# SPDX-License-Identifier: MIT
"""The four stages that a VM goes through, under load: no application may notice any of them."""

import json
import shutil
import time

import pytest

from extension import Extension
from looping_clients import LoopingClients
from programs import program
from service import TOKEN_MARK

EACH = 60  # requests of each client, at least, in each stage: more than go-autorest asks without a look at the file
CASES = (
    pytest.param({}, id="usual"),
    pytest.param({"port": "50343"}, id="another_port_as_a_string", marks=pytest.mark.long),
    pytest.param({"port": 50343, "protected": True}, id="protected_settings", marks=pytest.mark.long),
)


class Timeline:
    """Who answered whom in which stage."""

    def __init__(self, clients):
        self._clients = clients
        self._stages = []

    def stage(self, name):
        """From now on it is that stage, for some requests of each client."""
        self._stages.append((time.time(), name))
        self._clients.wait_for_more(EACH)

    def answered_by(self, client=None):
        """In the last stage."""
        return self._clients.answered_by_since(self._stages[-1][0], client)

    def text(self):
        ends = [began for began, _ in self._stages[1:]] + [time.time()]
        lines = []
        for (began, name), end in zip(self._stages, ends, strict=True):
            counts = {}
            for outcome in self._clients.outcomes():
                if began <= outcome.time < end:
                    key = f"{outcome.client}: {outcome.answered_by or 'FAILED'}"
                    counts[key] = counts.get(key, 0) + 1
            lines.append(f"{began - self._stages[0][0]:6.1f} s  {name}")
            lines += [f"            {key} {count}" for key, count in sorted(counts.items())]
        return "\n".join(lines)


@pytest.fixture
def pinned(new_service, pins):
    """Not started yet; its redirection outlives a restart."""
    service = new_service({"redirect.backend": "sk_lookup", "redirect.pin_directory": str(pins)})
    yield service
    service.detach()


@pytest.fixture
def extension(request, host, pinned):
    options = getattr(request, "param", {})
    with Extension(host, root=pinned.waagent, **options) as running:
        yield running


def in_json(service, *arguments):
    ended = service.run(*arguments, "--json")
    assert TOKEN_MARK not in ended.stdout + ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def observe(pinned, timeline):
    pinned.options = ["--observe"]
    pinned.launch()
    pinned.wait_ready()
    timeline.stage("observe: msi2imds run --observe")
    assert timeline.answered_by() == {"extension"}
    _, report = in_json(pinned, "callers")
    assert len(report["callers"]) >= 3
    assert pinned.stop() == 0
    pinned.options = []


def verify(service, timeline, stage):
    code, report = in_json(service, "verify")
    assert code == 0, report
    assert {comparison["outcome"] for comparison in report["comparisons"]} == {"same"}
    timeline.stage(stage)


def found_no_file(outcome, uninstalled):
    """The discovery file goes with the extension and is back within milliseconds; whoever reads it in between finds
    nothing (docs/MIGRATION.md)."""
    return "no such file or directory" in outcome.detail and uninstalled <= outcome.time <= uninstalled + 0.5


def amiss(retirement):
    return [check["text"] for check in retirement["checks"] if not check["good"]]


@pytest.mark.parametrize("extension", CASES, indirect=True)
def test_no_request_fails_from_the_extension_to_its_removal_and_back(
    host, emulator, pinned, extension, held, tmp_path, capsys
):
    with LoopingClients(host, extension.discovery_file, extension.port) as clients:
        timeline = Timeline(clients)
        timeline.stage("the extension runs")
        observe(pinned, timeline)
        verify(pinned, timeline, "verify: nothing seen of requests yet")

        held.start(pinned)
        timeline.stage("cut over: msi2imds run")
        assert timeline.answered_by("curl") == timeline.answered_by("msrestazure") == {"msi2imds"}
        assert extension.port in pinned.status_json()["ports"]
        verify(pinned, timeline, "verify: while connections are redirected")

        # A kept connection is never cut by us, and would be by the removal.
        code, retirement = in_json(pinned, "retire")
        assert code == 1 and not retirement["can_be_removed"]
        assert timeline.answered_by("go-autorest") == {"extension"}
        assert any("autorest8-client" in check["text"] for check in retirement["checks"] if not check["good"])
        extension.stop()
        extension.start()
        timeline.stage("the extension is restarted, which ends kept connections")
        assert timeline.answered_by() == {"msi2imds"}

        code, retirement = in_json(pinned, "retire")
        assert code == 0, amiss(retirement)
        assert "az vm extension delete" in retirement["commands"]["az"][0]

        uninstalled = time.time()
        extension.uninstall()
        timeline.stage("retire: the extension is uninstalled")
        assert extension.discovery_file.read_text() == f'{{"url":"http://localhost:{extension.port}"}}'
        code, retirement = in_json(pinned, "retire")
        assert code == 0 and retirement["extension_removed"], amiss(retirement)

        pinned.process.terminate()
        assert pinned.wait_exit() == 0
        held.start(pinned)
        timeline.stage("msi2imds is restarted")
        assert extension.port in pinned.status_json()["ports"], "noted while the extension was there"

        upgraded = tmp_path / "msi2imds"
        shutil.copy(program("msi2imds"), upgraded)
        pinned.program = upgraded
        pinned.process.terminate()
        assert pinned.wait_exit() == 0
        held.start(pinned)
        timeline.stage("msi2imds is upgraded")
        assert timeline.answered_by() == {"msi2imds"}

        extension.start()
        pinned.detach()
        assert pinned.wait_exit() == 0
        timeline.stage("rolled back: the extension runs again, msi2imds is stopped")
        assert timeline.answered_by() == {"extension"}
    with capsys.disabled():
        print(f"\n{timeline.text()}\n            longest wait {clients.longest_wait():.3f} s")
    assert [outcome for outcome in clients.failed() if not found_no_file(outcome, uninstalled)] == []
