# SPDX-License-Identifier: MIT
"""Which destinations are redirected, and which never are."""

import pytest

import backends
from legacy_port import PORT, another_server, ask, assert_elsewhere, assert_refused
from namespace import NIC_ADDRESS
from raw_http import RESOURCE, request
from tokens import assert_legacy_success
from waiting import wait_until

# What is dialled, and what getpeername may show then.
LOOPBACK = {
    "127.0.0.1": {"127.0.0.1"},
    "localhost": {"127.0.0.1", "::1"},
    "0.0.0.0": {"127.0.0.1"},
    "::1": {"::1"},
    "::ffff:127.0.0.1": {"::ffff:127.0.0.1"},
}
WHOLE_NETWORK = {"127.9.9.9": {"127.9.9.9"}}

every_backend = pytest.mark.parametrize("backend", backends.ALL)
every_redirection = pytest.mark.parametrize("backend", backends.REDIRECTING)


def cases():
    for backend in backends.ALL:
        for case in {**LOOPBACK, **(WHOLE_NETWORK if backend != "listen" else {})}.items():
            yield pytest.param(backend, *case, id=f"{backend}-{case[0]}")


@pytest.mark.parametrize("backend, address, peers", cases())
def test_a_loopback_address_gets_a_token(connect, address, peers):
    connection = connect(address)
    assert connection.socket.getpeername()[0] in peers
    assert connection.socket.getpeername()[1] == PORT
    assert_legacy_success(connection.ask(request()), RESOURCE)


@pytest.mark.parametrize("backend", ["listen"])
def test_the_listen_backend_leaves_the_rest_of_the_loopback_network_alone(service, host):
    assert_refused(host, "127.9.9.9")


@every_redirection
def test_a_redirection_takes_precedence_over_the_extension(service, host):
    with another_server(host, "127.0.0.1"):
        assert_legacy_success(ask(host, "127.0.0.1"), RESOURCE)
        service.stop()
        assert_elsewhere(host, "127.0.0.1")


@every_backend
def test_the_address_of_a_nic_is_never_taken(new_service, emulator, host, other_host, backend):
    host.add_nic(other_host)
    new_service(backends.settings(backend)).start()
    assert_refused(host, NIC_ADDRESS)
    assert_refused(other_host, NIC_ADDRESS)
    with another_server(host, NIC_ADDRESS):
        assert_elsewhere(host, NIC_ADDRESS)
        assert_elsewhere(other_host, NIC_ADDRESS)


@every_redirection
def test_the_loopback_of_another_namespace_is_not_touched(service, other_host):
    assert_refused(other_host, "127.0.0.1")
    with another_server(other_host, "127.0.0.1"):
        assert_elsewhere(other_host, "127.0.0.1")


@every_redirection
def test_other_ports_are_not_touched(service, host):
    assert_refused(host, "127.0.0.1", PORT + 1)
    with another_server(host, "127.0.0.1", PORT + 1):
        assert_elsewhere(host, "127.0.0.1", PORT + 1)


def requests_by_port(service):
    return service.status_json()["responder"]["requests"]


@every_backend
def test_several_ports(new_service, emulator, host, backend):
    service = new_service({**backends.settings(backend), "legacy.ports": [PORT, PORT + 1]}).start()
    for address in ("127.0.0.1", "::1"):
        for port in (PORT, PORT + 1):
            assert_legacy_success(ask(host, address, port), RESOURCE)
    assert_refused(host, "127.0.0.1", PORT + 2)
    ask(host, "127.0.0.1", PORT + 1)
    wait_until(lambda: requests_by_port(service) == {str(PORT): 2, str(PORT + 1): 3}, 5, "each port is recorded")
    assert f"who dialled 127.0.0.1:{PORT + 1}" in service.log_text()
    assert f"who dialled [::1]:{PORT}" in service.log_text()
