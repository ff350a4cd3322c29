# SPDX-License-Identifier: MIT
"""legacy.container_networks: callers in containers with networks of their own, who they are, and what goes with them."""

import os
import signal
import socket
import subprocess

import pytest

import cgroup
from container_fixtures import container_id
from legacy_port import PORT, a_token_is_served
from line_process import run_script
from many_calls import have_connections_noted
from named_client import NamedClient
from namespace import Namespace
from raw_http import RawConnection, request
from waiting import wait_until

WEB, OTHER = container_id("web"), container_id("other")
NOTES = {WEB: ("web", "nginx:1.27"), OTHER: ("other", "busybox")}
CHOSEN = {"legacy.container_networks": ["we?"]}
# Into the network first: a container's processes are never seen in another one.
ENTER_CGROUP = ("sh", "-c", 'echo $$ >"$0" && exec "$@"')
ALLOWED = 20001


class Container:
    """A network of its own, and the cgroup of a container with that id."""

    def __init__(self, id, scope_of):
        self.network = Namespace()
        self.scope = scope_of(id)

    def wrapper(self):
        return [*ENTER_CGROUP, str(cgroup.directory_of(self.scope) / "cgroup.procs")]

    def client(self, scripts, **options):
        return NamedClient(self.network, scripts, wrapper=self.wrapper(), **options)

    def is_refused(self, address="127.0.0.1"):
        try:
            self.network.connect(address).close()
        except ConnectionRefusedError:
            return True
        return False

    def __enter__(self):
        self.network.__enter__()
        return self

    def __exit__(self, *_):
        self.network.close()


@pytest.fixture
def web(scope_of):
    with Container(WEB, scope_of) as container:
        yield container


@pytest.fixture
def other(scope_of):
    with Container(OTHER, scope_of) as container:
        yield container


def wait_served(service, *names):
    wait_until(lambda: service.status_json()["container_networks"] == list(names), 10, f"{names} are served")


def reload(service, settings):
    service.configure(settings)
    service.process.send_signal(signal.SIGHUP)


def test_the_chosen_one_is_served_and_known(start, host, scripts, web, other):
    service = start(NOTES, **CHOSEN)
    with web.client(scripts) as client, other.client(scripts):
        wait_served(service, "web")
        assert client.ask() == 1
        (line,) = service.wait_for_audit(1)
        assert (line["container"], line["container_name"], line["container_image"]) == (WEB, "web", "nginx:1.27")
        assert (line["uid"], line["outcome"]) == (0, "token")
        with RawConnection(web.network.connect("::1")) as connection:
            assert connection.ask(request()).status == 200
        assert other.is_refused()
        assert "in own networks        web\n" in service.status().stdout
        found = service.run("doctor").stdout
        assert 'a container named "we?" may ask for tokens: at present web. No rule restricts them.' in found
    assert "hunter2" not in service.log_text()


def test_rules_go_by_the_container(start, host, scripts, web, other):
    rules = '[[allow]]\nname = "web"\ncontainer_name = "web"\n'
    service = start(NOTES, rules, **{"legacy.container_networks": ["*"], "policy.mode": "enforce"})
    with web.client(scripts) as client, other.client(scripts) as refused, NamedClient(host, scripts) as outside:
        wait_served(service, "other", "web")
        assert (client.ask(), refused.ask(), outside.ask()) == (1, 0, 0)
        # A process without a cgroup of a container, in the network of the one that is allowed.
        with RawConnection(web.network.connect()) as connection:
            assert connection.ask(request()).status == 403
        lines = service.wait_for_audit(4)
    assert [(line["outcome"], line.get("container_name")) for line in lines] == [
        ("token", "web"), ("denied", "other"), ("denied", None), ("denied", None)]  # fmt: skip
    assert "The rules decide who gets one." in service.run("doctor").stdout


def placed_client(network, scripts, **how):
    return run_script(network, scripts.directory, "placed_client.py", capability="net_admin", **how)


def test_the_same_port_and_sequence_in_a_container_get_nothing_of_the_machines(start, host, scripts, web):
    rules = f'[[allow]]\nuid = {ALLOWED}\n[[allow]]\ncontainer_name = "nobody"\n'
    service = start(NOTES, rules, **CHOSEN, **{"policy.mode": "enforce", "audit.max_rate": 1000000})
    place = "connect 40123 1234567"
    with (
        placed_client(host, scripts, uid=ALLOWED) as allowed,
        placed_client(web.network, scripts, wrapper=web.wrapper()) as hostile,
    ):
        wait_served(service, "web")
        before = len(service.wait_for_audit(have_connections_noted(service)))
        assert (allowed.tell(place), hostile.tell(place)) == ("connected", "connected")
        assert (hostile.tell("ask"), allowed.tell("ask"), hostile.tell("ask")) == ("403", "200", "403"), "both at a time"
        assert (allowed.tell("close"), hostile.tell("close")) == ("closed", "closed")
        # What the kernel notes is good for a second, and once.
        assert (allowed.tell(place), allowed.tell("close")) == ("connected", "closed")
        assert (hostile.tell(place), hostile.tell("ask"), hostile.tell("close")) == ("connected", "403", "closed")
        lines = service.wait_for_audit(before + 4)[before:]
    of_container = [line for line in lines if line["outcome"] == "denied"]
    assert [(line["uid"], line["container_name"]) for line in of_container] == [(0, "web")] * 3


def test_the_network_goes_with_the_container(start, host, scripts, scope_of):
    service = start(NOTES, **CHOSEN)
    with Container(WEB, scope_of) as web:
        host.add_nic(web.network)
        with web.client(scripts) as client:
            wait_served(service, "web")
            assert client.ask() == 1
    # The device's other end is gone once the network is.
    device = ["ip", "-n", host.name, "link", "show", "nic0"]
    wait_until(lambda: subprocess.run(device, capture_output=True).returncode != 0, 10, "the network is gone")
    wait_served(service)
    service.wait_for_log("leave the network of container web")
    assert a_token_is_served(host)


def test_a_port_that_is_taken_is_left_alone_until_it_is_free(start, scripts, web):
    with web.network.listen("127.0.0.1", PORT) as own, web.client(scripts) as client:
        service = start(NOTES, **CHOSEN)
        failure = f"cannot serve container web in its own network: listen on 127.0.0.1:{PORT}: Address already in use"
        service.wait_for_log(failure)
        with web.network.connect():
            own.accept()[0].close()
        assert "containers" in service.status_json()["shortcomings"]
        assert f"Not all is well: {failure}." in service.run("doctor").stdout
        own.shutdown(socket.SHUT_RDWR)
        own.close()
        wait_until(lambda: not web.is_refused(), 10, "the port is served")
        assert client.ask() == 1
        assert service.log_text().count(failure) == 1
        assert service.status_json()["shortcomings"] == []


def test_a_reload_adds_and_removes(start, scripts, web, other):
    service = start(NOTES, **{"legacy.container_networks": ["other"]})
    with web.client(scripts) as client, other.client(scripts):
        wait_served(service, "other")
        reload(service, {"legacy.container_networks": ["other", "web"]})
        wait_served(service, "other", "web")
        assert client.ask() == 1
        reload(service, {})
        wait_served(service)
        assert web.is_refused()
        assert other.is_refused()


def test_what_was_given_up_takes_a_restart(start, host):
    service = start(NOTES)
    assert "CAP_SYS_ADMIN" not in service.status_json()["supervisor"]["capabilities"]
    reload(service, CHOSEN)
    service.wait_for_log("legacy.container_networks: cannot enter a container's network: Operation not permitted")
    status = service.status_json()
    assert "containers" in status["shortcomings"]
    assert any("RestrictNamespaces=net" in remark for remark in status["remarks"])
    assert "They are not served: cannot enter a container's network" in service.run("doctor").stdout
    assert a_token_is_served(host)


def test_who_waits_while_the_responder_is_killed_is_served(start, scripts, web):
    service = start(NOTES, **CHOSEN)
    with web.client(scripts) as client:
        wait_served(service, "web")
        responder = service.responder()
        os.kill(responder, signal.SIGSTOP)
        client.begin(1)
        os.kill(responder, signal.SIGKILL)
        assert client.end() == 1
        (line,) = service.wait_for_audit(1)
        assert line["container_name"] == "web"
        service.stop()
        assert web.is_refused()
