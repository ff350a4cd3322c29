# SPDX-License-Identifier: MIT
"""Containers of the real Docker and Podman, in the machine's network and in their own: what is known of them, and rules
that go by it."""

import json

import pytest

from neighbours import PODMAN, UFW, with_docker, with_podman
from service import to_toml
from systemd_service import SystemdService
from waiting import wait_until

RULES = '[[allow]]\ncontainer_name = "web"\n[[allow]]\ncontainer_image = "{}"\n'
ASK = ("wget", "-q", "-O", "-", "--header", "Metadata: true", "http://127.0.0.1:50342/oauth2/token?resource=https://vault.azure.net/")
RUN = ("run", "--rm", "--network", "host", "--pids-limit=0")
# How each is called, what makes an image, and what it calls an image that was named "box".
DOCKER = (("docker",), with_docker, "box")
PODMAN = (PODMAN, with_podman, "localhost/box:latest")


@pytest.mark.long
@pytest.mark.parametrize(("command", "prepare", "box"), [DOCKER, PODMAN], ids=["docker", "podman"])
def test_they_are_known_by_name_and_image(machine_with, command, prepare, box):
    machine = machine_with(UFW)
    prepare(machine)
    machine.run(*command, "tag", "box", "other")
    other = box.replace("box", "other")
    service = SystemdService(machine)
    settings = {"redirect.backend": "sk_lookup", "imds.boot_grace": 0, "policy.mode": "enforce", "audit.file": "/tmp/audit"}
    machine.write("/etc/msi2imds/msi2imds.toml", to_toml(settings) + RULES.format(box))
    machine.run("systemctl", "start", "msi2imds.service")
    try:
        service.wait_intercepting()

        def ask(*options, image="box"):
            ended = machine.attempt(*command, *RUN, *options, image, "/bin/busybox", *ASK)
            return "access_token" in ended.stdout

        assert [ask() for _ in range(3)] == [True] * 3, "by their image"
        assert ask("--name", "web", image="other"), "by its name"
        assert not ask("--name", "db", image="other")
        assert not machine.attempt("busybox", *ASK).stdout, "in no container"

        def callers():
            rows = json.loads(machine.run("msi2imds", "callers", "--json"))["callers"]
            return sorted((row["container_image"], row["requests"]) for row in rows if row["container_image"] in (box, other))

        wait_until(lambda: sum(requests for _, requests in callers()) == 5, 10, "all are counted")
        assert callers() == [(box, 3), (other, 1), (other, 1)]
    finally:
        service.reset()


# What the unit forbids, as docs/CONTAINERS.md allows it.
DROP_IN = "[Service]\nCapabilityBoundingSet=CAP_SYS_ADMIN\nRestrictNamespaces=net\n"
AUDIT = "/var/log/msi2imds/audit.log"
RUN_ALONE = ("run", "--detach", "--network", "bridge", "--pids-limit=0")
PLACE = "/etc/systemd/system/msi2imds.service.d/container-networks.conf"


@pytest.mark.long
@pytest.mark.parametrize(("command", "prepare"), [DOCKER[:2], PODMAN[:2]], ids=["docker", "podman"])
def test_they_are_served_in_networks_of_their_own(machine_with, command, prepare):
    machine = machine_with(UFW)
    prepare(machine)
    service = SystemdService(machine)
    settings = {
        "redirect.backend": "sk_lookup", "imds.boot_grace": 0, "policy.mode": "enforce", "audit.format": "json",
        "legacy.container_networks": ["web", "db"],
    }  # fmt: skip
    machine.write("/etc/msi2imds/msi2imds.toml", to_toml(settings) + '[[allow]]\ncontainer_name = "web"\n')
    machine.run("rm", "-f", AUDIT)
    machine.run("systemctl", "start", "msi2imds.service")
    names = ("web", "db", "other")
    try:
        service.wait_intercepting()
        status = machine.attempt("msi2imds", "status").stdout
        assert "legacy.container_networks: cannot enter a container's network: Operation not permitted" in status
        machine.run("mkdir", "-p", PLACE.rsplit("/", 1)[0])
        machine.write(PLACE, DROP_IN)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "msi2imds.service")
        service.wait_intercepting()

        def begin(name):
            machine.run(*command, *RUN_ALONE, "--name", name, "box", "/bin/busybox", "sleep", "600")

        def served():
            return json.loads(machine.attempt("msi2imds", "status", "--json").stdout)["container_networks"]

        def ask(name):
            ended = machine.attempt(*command, "exec", name, "/bin/busybox", *ASK)
            return ended.stdout + ended.stderr

        begin("web")
        begin("db")
        wait_until(lambda: served() == ["db", "web"], 20, "the chosen ones are served")
        assert "access_token" in ask("web")
        assert "403" in ask("db")
        lines = [json.loads(line) for line in machine.run("cat", AUDIT).splitlines()]
        assert [(line["outcome"], line["container_name"]) for line in lines] == [("token", "web"), ("denied", "db")]
        machine.run(*command, "rm", "--force", "db")
        wait_until(lambda: served() == ["web"], 20, "its network is left")
        begin("other")
        machine.run(*command, "restart", "--time=0", "web")
        wait_until(lambda: "access_token" in ask("web"), 20, "it is served after a restart")
        assert "refused" in ask("other")
        machine.run(*command, "rm", "--force", "web")
        wait_until(lambda: served() == [], 20, "its network is left")
    finally:
        for name in names:
            machine.attempt(*command, "rm", "--force", name)
        machine.run("rm", "-f", PLACE)
        machine.run("systemctl", "daemon-reload")
        service.reset()
