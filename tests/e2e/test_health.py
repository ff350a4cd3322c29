# SPDX-License-Identifier: MIT
"""msi2imds health: one line, and 0 when all is as it should be, 1 when not, 3 when this user may not know."""

import re

import pytest

import backends
import cgroup
from legacy_port import ask
from waiting import wait_until


def health(service):
    ended = service.run("health")
    assert not ended.stderr and ended.stdout.count("\n") == 1
    return ended.returncode, ended.stdout.rstrip("\n")


def test_nothing_runs(new_service):
    code, line = health(new_service())
    assert code == 1 and line.startswith("not healthy: msi2imds is not running (")


@pytest.mark.parametrize("backend", backends.ALL)
def test_all_is_well(emulator, new_service, backend):
    assert health(new_service(backends.settings(backend)).start()) == (0, f"healthy: intercepting with {backend}")


def test_it_is_healthy_where_nothing_can_be_observed(emulator, new_service):
    service = new_service({"callers.cgroup": ""}).start()
    assert 'msi2imds_shortcoming{what="observation"} 1' in service.run("metrics").stdout
    assert health(service)[0] == 0


def test_an_observer_is_healthy(emulator, new_service):
    service = new_service()
    service.options = ["--observe"]
    assert health(service.start()) == (0, "healthy: observing")


def test_who_may_not_ask_does_not_know(service):
    ended = service.run_as_stranger("health")
    assert ended.returncode == 3 and ended.stdout.startswith("not known: cannot connect to admin socket ")


def test_imds_does_not_answer_before_anybody_asked(host, new_service):
    code, line = health(new_service().start())
    assert code == 1 and line.startswith("not healthy: IMDS does not answer: cannot ")


def test_imds_hangs_before_anybody_asked(emulator, new_service):
    service = new_service({"imds.request_timeout": 60}).start()
    with emulator.standing_still():
        code, line = health(service)
    assert code == 1 and re.fullmatch(r"not healthy: IMDS at \S+ has not answered within 1 s", line)


def test_the_last_request_to_imds_failed(emulator, new_service, host):
    service = new_service({"imds.deadline": 1}).start()
    emulator.set_faults({"kind": "status", "status": 500})
    assert ask(host).status >= 500
    code, line = health(service)
    assert code == 1 and line.startswith("not healthy: the last request to IMDS failed: ")
    emulator.clear_faults()
    assert health(service)[0] == 0, "nobody has asked since, and IMDS answers"
    assert ask(host).status == 200
    assert health(service)[0] == 0


def test_what_is_not_written_is_told(emulator, new_service):
    service = new_service({"audit.file": "/tmp"}).start()
    assert health(service) == (1, "not healthy: not as it should be, and msi2imds status says why: audit")


def test_a_redirection_that_is_gone_is_told(emulator, new_service, scratch_cgroup):
    canary = f"{scratch_cgroup}/old.service"
    cgroup.make(canary)
    service = new_service({"redirect.cgroups": [canary]}).start()
    assert health(service)[0] == 0
    cgroup.remove(canary)
    wait_until(lambda: health(service)[0] == 1, 5, "its cgroup is missed")
