# SPDX-License-Identifier: MIT
"""Containers as msi2imds sees them: a cgroup named by an id, and what Docker notes of that id."""

import hashlib
import json
import os

import pytest

import cgroup

# msi2imds alone sees these files below /var/lib.
WITH_NOTES = """
mount -t tmpfs -o mode=755 tmpfs /var/lib
while [ "$1" != -- ]; do
  mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1" && chmod 600 "$1" && shift 2 || exit
done
shift && exec "$@"
"""


def container_id(name):
    """No other test's at the same time: a service sees the cgroups of the whole machine, and knows containers by ids."""
    return hashlib.sha256(f"{os.getpid()} {name}".encode()).hexdigest()


def note_of(name, image):
    return json.dumps({"Name": f"/{name}", "Config": {"Env": ["PASSWORD=hunter2"], "Image": image}})


@pytest.fixture
def start(emulator, new_service):
    """Starts msi2imds where Docker has noted these containers, by their ids, with rules in TOML."""

    def started(containers, rules="", **settings):
        notes = [
            part
            for id, note in containers.items()
            for part in (f"/var/lib/docker/containers/{id}/config.v2.json", note_of(*note))
        ]
        service = new_service(settings)
        service.config.write_text(service.config.read_text() + rules)
        return service.start(
            wrapper=["unshare", "--mount", "--propagation=private", "sh", "-ec", WITH_NOTES, "sh", *notes, "--"]
        )

    return started


@pytest.fixture
def scope_of():
    """Makes the cgroup of a container by its id; returns its path."""
    made = []

    def path_of(id):
        path = f"{cgroup.own_scratch()}/docker-{id}.scope"
        cgroup.make(path)
        made.append(path)
        return path

    yield path_of
    for path in made:
        cgroup.remove(path)
