# SPDX-License-Identifier: MIT
"""A caller in a container, by its cgroup and by what Docker notes of it: in the audit, in callers, in the metrics."""

import json

import pytest

import cgroup
from named_client import ClientScripts, NamedClient
from waiting import wait_until

ID = "c" * 64
NOTES = {"Name": "/web", "Config": {"Env": ["PASSWORD=hunter2"], "Image": "nginx:1.27"}}
# msi2imds alone sees these files below /var/lib.
WITH_NOTES = """
mount -t tmpfs tmpfs /var/lib && mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1" && shift 2 && exec "$@"
"""


@pytest.fixture
def container():
    path = f"{cgroup.own_scratch()}/docker-{ID}.scope"
    cgroup.make(path)
    yield path
    cgroup.remove(path)


def test_name_and_image_are_told(emulator, new_service, host, container):
    notes = f"/var/lib/docker/containers/{ID}/config.v2.json"
    wrapper = ["unshare", "--mount", "--propagation=private", "sh", "-c", WITH_NOTES, "sh", notes, json.dumps(NOTES)]
    service = new_service().start(wrapper=wrapper)
    with ClientScripts() as scripts, NamedClient(host, scripts, path=container) as client:
        assert client.ask() == 1
        (line,) = service.wait_for_audit(1)
    assert (line["container"], line["container_name"], line["container_image"]) == (ID, "web", "nginx:1.27")
    wait_until(lambda: json.loads(service.run("callers", "--json").stdout)["callers"], 10, "the caller is counted")
    (caller,) = json.loads(service.run("callers", "--json").stdout)["callers"]
    assert (caller["container"], caller["container_name"], caller["container_image"]) == (ID, "web", "nginx:1.27")
    assert "\n    container web, image nginx:1.27\n" in service.run("callers").stdout
    assert 'timestamp_seconds{unit="(container)",program="' in service.run("metrics").stdout
    assert "hunter2" not in service.log_text() + service.run("callers", "--json").stdout + service.audit.read_text()
