# SPDX-License-Identifier: MIT
"""A caller in a container, by its cgroup and by what Docker notes of it: in rules, the audit, callers and the metrics."""

import contextlib
import json

from container_fixtures import container_id
from named_client import NamedClient
from waiting import wait_until

WEB, OTHER = container_id("web"), container_id("other")


def test_name_and_image_are_told(start, host, scripts, scope_of):
    service = start({WEB: ("web", "nginx:1.27")})
    with NamedClient(host, scripts, path=scope_of(WEB)) as client:
        assert client.ask() == 1
        (line,) = service.wait_for_audit(1)
    assert (line["container"], line["container_name"], line["container_image"]) == (WEB, "web", "nginx:1.27")
    wait_until(lambda: json.loads(service.run("callers", "--json").stdout)["callers"], 10, "the caller is counted")
    (caller,) = json.loads(service.run("callers", "--json").stdout)["callers"]
    assert (caller["container"], caller["container_name"], caller["container_image"]) == (WEB, "web", "nginx:1.27")
    assert "\n    container web, image nginx:1.27\n" in service.run("callers").stdout
    assert 'timestamp_seconds{unit="(container)",program="' in service.run("metrics").stdout
    assert "hunter2" not in service.log_text() + service.run("callers", "--json").stdout + service.audit.read_text()


def test_a_rule_goes_by_name_and_image(start, host, scripts, scope_of):
    rules = '[[allow]]\nname = "web"\ncontainer_name = "we?"\ncontainer_image = "nginx:*"\n'
    containers = {WEB: ("web", "nginx:1.27"), OTHER: ("web", "busybox")}
    service = start(containers, rules, **{"policy.mode": "enforce"})
    with (
        NamedClient(host, scripts, path=scope_of(WEB)) as web,
        NamedClient(host, scripts, path=scope_of(OTHER)) as other,
        NamedClient(host, scripts) as outside,
    ):
        assert web.ask() == 1
        assert other.ask() == 0
        assert outside.ask() == 0
        lines = service.wait_for_audit(3)
    assert [(line["outcome"], line.get("rule")) for line in lines] == [("token", "web"), ("denied", None), ("denied", None)]


def test_containers_that_only_differ_in_a_name_that_was_made_up_are_one_caller(start, host, scripts, scope_of):
    containers = {container_id(i): (f"silly_{chr(ord('a') + i)}", "nginx:1.27") for i in range(4)}
    service = start(containers)

    def callers():
        return json.loads(service.run("callers", "--json").stdout)["callers"]

    with contextlib.ExitStack() as until_they_are_known:
        for id in containers:
            client = until_they_are_known.enter_context(NamedClient(host, scripts, path=scope_of(id)))
            assert client.ask() == 1
        wait_until(lambda: sum(caller["requests"] for caller in callers()) == 4, 10, "all are counted")
    (caller,) = callers()
    assert caller["cgroup"].endswith("/docker-*.scope")
    assert (caller["container"], caller["container_name"]) == (id, "silly_d")
