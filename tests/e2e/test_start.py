# SPDX-License-Identifier: MIT
"""Starting: beside another instance, without the user, and under systemd's protocols."""

import json
import os
import pwd
import re
import signal
import socket

import pytest

from kernel_state import socket_inodes_of
from legacy_port import a_token_is_served, assert_refused
from held_sockets import HeldSockets
from programs import run_in


def assert_does_not_start(service, message):
    """The program ends by itself, and its last words match `message`."""
    service.launch()
    assert service.wait_exit() in (1, 2)
    assert re.search(message, service.log_text(), re.IGNORECASE), service.log_text()


def test_a_second_instance_on_the_same_admin_socket_is_refused(service, new_service, host):
    second = new_service({"admin.socket": str(service.admin_socket)})
    assert_does_not_start(second, f"{re.escape(str(service.admin_socket))}|already running")
    assert service.status().returncode == 0
    assert a_token_is_served(host)


@pytest.mark.parametrize("backend", ["sk_lookup", "listen"])
def test_a_second_instance_on_the_same_ports_is_refused(emulator, new_service, host, backend):
    first = new_service({"redirect.backend": backend}).start()
    second = new_service({"redirect.backend": backend})
    assert_does_not_start(second, "in use|already")
    assert first.status().returncode == 0
    assert a_token_is_served(host)


def test_a_user_namespace_without_the_responders_user_is_explained(new_service, host):
    service = new_service().launch(wrapper=["unshare", "--user", "--map-root-user"])
    assert service.wait_exit() == 1
    nobody = pwd.getpwnam("nobody")
    said = f"cannot run the responder as 'nobody' (responder.user): this user namespace does not have uid {nobody.pw_uid} and gid {nobody.pw_gid}"
    assert said in service.log_text()
    doctor = ("unshare", "--user", "--map-root-user", service.program, "doctor", "--json", "--config", service.config)
    findings = json.loads(run_in(host, *doctor).stdout)["findings"]
    assert [finding["level"] for finding in findings if "this user namespace does not have" in finding["text"]] == ["error"]


def test_a_missing_user_is_explained(new_service, host):
    service = new_service({"responder.user": "nobody-of-that-name"})
    assert_does_not_start(service, "nobody-of-that-name")
    assert re.search("useradd|adduser|sysusers", service.log_text())
    assert_refused(host, "127.0.0.1")


def test_a_responder_as_root_is_refused(new_service):
    assert_does_not_start(new_service({"responder.user": "root"}), "responder.user|root")


def test_a_stale_admin_socket_is_replaced(emulator, new_service, host):
    service = new_service()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(service.admin_socket))
    service.start()
    assert a_token_is_served(host)


def test_sockets_of_the_service_manager_are_used(emulator, new_service, host):
    service = new_service({"redirect.backend": "sk_lookup", "redirect.pin_directory": ""})
    with HeldSockets(host) as held:
        inodes = {os.fstat(listener.fileno()).st_ino for listener in held.listeners}
        held.start(service)
        assert inodes <= socket_inodes_of(service.pid)
        for address in ("127.0.0.1", "::1"):
            assert a_token_is_served(host, address)
        assert service.stop() == 0
        # The manager still holds them; nobody redirects into them any more.
        assert_refused(host, "127.0.0.1")


class NotifySocket:
    """What systemd would be told."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(10)
        self.path = str(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def await_line(self, expected):
        """Reads on until the line arrives; returns the lines before it."""
        earlier = []
        while True:
            lines = self._socket.recv(4096).decode().splitlines()
            if expected in lines:
                return earlier
            earlier.extend(lines)


def test_the_service_manager_is_told(emulator, new_service, host):
    service = new_service()
    with NotifySocket(service.directory / "notify") as manager:
        service.launch(environment={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "500000"})
        manager.await_line("READY=1")
        assert a_token_is_served(host)
        for _ in range(3):
            manager.await_line("WATCHDOG=1")
        service.process.send_signal(signal.SIGTERM)
        manager.await_line("STOPPING=1")
        assert service.wait_exit() == 0
