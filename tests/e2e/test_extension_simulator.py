# SPDX-License-Identifier: MIT
"""The stand-in for the VM extension answers as that did, and the looping clients tell who answered them."""

import json
import stat

import pytest

import looping_clients
from extension import Extension
from kernel_state import is_running, socket_inodes_of, status_of
from legacy_port import ask, assert_refused
from looping_clients import LoopingClients
from namespace import IMDS_ADDRESS
from raw_http import RESOURCE, RawConnection, request, token_target
from service import TOKEN_MARK
from tokens import API_VERSION, TOKEN_PATH, assert_legacy_error, assert_legacy_success, claims
from waiting import wait_until

FORM = b"resource=https%3A%2F%2Fmanagement.azure.com%2F"
GO_FORM = b"client_id=&grant_type=client_credentials&" + FORM
OTHER_OBJECT = "11111111-2222-3333-4444-555555555555"
COMPARED = ("aud", "tid", "oid", "appid", "xms_mirid", "iss")
CURL_CONNECT_FAILED = "curl exit status 7"
LISTENERS = 1


def post(*lines, target="/oauth2/token", body=FORM):
    return request("POST", target, lines, body)


SHAPES = {
    "get": request(),
    "form": post(),
    "chunked_form": post("Transfer-Encoding: chunked", body=b"2e\r\n" + FORM + b"\r\n0\r\n\r\n"),
    "get_with_a_form_too": request(body=GO_FORM),
    "form_with_an_empty_client_id": post(target="/oauth2/token?api-version=1.0", body=GO_FORM),
    "post_with_a_query": post("Content-Length: 0", target=token_target(), body=b""),
    "doubled_slash": request(target="/" + token_target()),
    "lower_case_metadata": request(headers=["metadata:true"], metadata=False),
}
ERRORS = {
    "no_metadata": (request(metadata=False), 400, "bad_request_102"),
    "another_target": (request(target="/metadata/instance"), 401, "unknown_source"),
    "no_resource": (post(body=b"api-version=1.0"), 400, "invalid_request"),
    "two_resources": (post(body=FORM + b"&resource=https://vault.azure.net"), 400, "invalid_request"),
    "unknown_identity": (request(target=token_target(client_id=OTHER_OBJECT)), 400, "invalid_request"),
    "unknown_resource": (request(target=token_target("https://invalid.example/")), 400, "invalid_resource"),
}


@pytest.fixture
def new_extension(bare_host):
    """Makes extensions that are not started yet; they leave with the test."""
    made = []

    def make(*arguments, **options):
        made.append(Extension(bare_host, *arguments, **options))
        return made[-1]

    yield make
    for extension in made:
        extension.close()


@pytest.fixture
def extension(new_extension):
    return new_extension().start()


@pytest.fixture
def connection(bare_host, extension):
    with RawConnection(bare_host.connect(port=extension.port)) as opened:
        yield opened


@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES.keys())
def test_answers_each_shape_on_a_kept_connection(connection, data):
    first = connection.ask(data)
    assert_legacy_success(first, RESOURCE)
    again = connection.ask(data).json()
    assert claims(again["access_token"]) == claims(first.json()["access_token"]), "it keeps its tokens"


@pytest.mark.parametrize(("data", "status", "error"), ERRORS.values(), ids=ERRORS.keys())
def test_has_the_errors_of_the_extension(connection, data, status, error):
    assert_legacy_error(connection.ask(data), status, error)
    assert connection.ask(request()).status == 200


@pytest.mark.parametrize(("error", "status"), [("unauthorized_client", 401), ("unknown", 500)])
def test_refuses_when_told_to(bare_host, new_extension, error, status):
    new_extension("--refuse", error).start()
    assert_legacy_error(ask(bare_host), status, error)


def test_hangs_when_told_to(bare_host, new_extension):
    extension = new_extension("--hang").start()
    with RawConnection(bare_host.connect()) as connection:
        connection.send(request())
        assert connection.stays_silent(0.5)
        assert extension.stop() == 0


def claims_of_imds(host, parameters):
    target = token_target(**parameters).replace("/oauth2/token", TOKEN_PATH)
    data = request(target=f"{target}&api-version={API_VERSION}", host=IMDS_ADDRESS)
    with RawConnection(host.connect(IMDS_ADDRESS, 80)) as connection:
        return claims(connection.ask(data).json()["access_token"])


def claims_of_extension(host, parameters):
    with RawConnection(host.connect()) as connection:
        return claims(connection.ask(request(target=token_target(**parameters))).json()["access_token"])


def compared(found):
    return {name: found[name] for name in COMPARED}


def test_its_tokens_claim_what_those_of_imds_do(host, emulator, extension):
    selections = [{}]
    for identity in emulator.identities():
        selections += [{name: value} for name, value in identity.items() if value]
    assert len(selections) == 1 + 2 + 3 * 3
    for parameters in selections:
        of_imds, of_extension = claims_of_imds(host, parameters), claims_of_extension(host, parameters)
        assert compared(of_extension) == compared(of_imds)
        assert of_extension["exp"] != of_imds["exp"]
        assert of_extension["answered_by"] == "extension" and "answered_by" not in of_imds


def test_claims_another_object_when_told_to(host, emulator, new_extension):
    new_extension("--oid", OTHER_OBJECT).start()
    assert compared(claims_of_extension(host, {})) == {**compared(claims_of_imds(host, {})), "oid": OTHER_OBJECT}


def test_a_leak_check_finds_its_tokens(connection):
    # Not in the message of a failure.
    is_marked = TOKEN_MARK.encode() in connection.ask(request()).body
    assert is_marked


def test_the_process_has_its_name(extension):
    assert status_of(extension.pid)["Name"] == "msi-extension"


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def settings_of(extension):
    document = json.loads((extension.handler / "config" / "0.settings").read_text())
    return document["runtimeSettings"][0]["handlerSettings"]


def test_is_on_disk_as_the_agent_leaves_it(extension):
    assert extension.handler.name == "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-1.0.0.10"
    found = {str(path.relative_to(extension.root)) for path in extension.root.rglob("*") if path.is_file()}
    in_handler = {"HandlerManifest.json", "HandlerEnvironment.json", "msi-extension-handler"}
    in_handler |= {"config/HandlerState", "config/0.settings"}
    assert found == {"ManagedIdentity-Settings"} | {f"{extension.handler.name}/{name}" for name in in_handler}
    assert mode_of(extension.root) == 0o700
    assert extension.handler_state.read_text() == "Enabled"
    assert extension.discovery_file.read_text() == '{"url":"http://localhost:50342"}'
    assert settings_of(extension) == {"publicSettings": {"port": 50342}}


@pytest.mark.parametrize("port", [50343, "50343"])
def test_follows_the_port_of_its_settings(bare_host, new_extension, port):
    extension = new_extension(port=port).start()
    assert settings_of(extension)["publicSettings"]["port"] == port
    assert extension.discovery_file.read_text() == '{"url":"http://localhost:50343"}'
    assert ask(bare_host, port=50343).status == 200


@pytest.mark.parametrize(("listen_port", "answering"), [(None, 50342), (50344, 50344)])
def test_with_protected_settings_it_does_not(bare_host, new_extension, listen_port, answering):
    extension = new_extension(port=50343, protected=True, listen_port=listen_port).start()
    assert settings_of(extension)["publicSettings"]["port"] == 50343
    assert "protectedSettings" in settings_of(extension)
    assert ask(bare_host, port=answering).status == 200
    assert_refused(bare_host, port=50343)


def test_answers_who_is_connected_before_it_ends(connection, extension):
    assert not connection.ask(request()).closes
    extension.process.terminate()
    # Whatever arrives before it has noticed, a kept connection is told when it ends.
    while not connection.ask(request()).closes:
        pass
    assert connection.is_closed_within(5)
    assert extension.stop() == 0


def test_disabled_it_is_still_installed(bare_host, extension):
    pid = extension.pid
    extension.disable()
    assert not is_running(pid)
    assert_refused(bare_host)
    assert extension.handler_state.read_text() == "Installed"
    assert extension.discovery_file.exists()
    extension.start()
    assert extension.handler_state.read_text() == "Enabled"
    assert ask(bare_host).status == 200


def test_uninstalling_takes_its_files_and_leaves_those_of_others(bare_host, extension):
    pid = extension.pid
    other = extension.root / "Microsoft.Azure.Monitor.AzureMonitorLinuxAgent-1.0"
    other.mkdir()
    extension.uninstall()
    assert not is_running(pid)
    assert_refused(bare_host)
    assert list(extension.root.iterdir()) == [other]


def test_stays_in_a_directory_that_was_given(bare_host, tmp_path):
    root = tmp_path / "waagent"
    with Extension(bare_host, root=root) as extension:
        assert extension.root == root
    assert (root / "ManagedIdentity-Settings").exists()


def test_leaves_nothing_else(new_extension):
    extension = new_extension().start()
    root = extension.root
    extension.close()
    assert not root.exists()


def established(extension):
    """How many connections it has."""
    return len(socket_inodes_of(extension.pid)) - LISTENERS


def test_clients_ask_the_extension_without_a_failure(bare_host, extension):
    with LoopingClients(bare_host, extension.discovery_file, extension.port) as clients:
        clients.wait_for_more(100)
    assert clients.failed() == []
    for client in ("go-autorest", "msrestazure", "curl"):
        assert clients.answered_by_since(0, client) == {"extension"}
    assert all(outcome.time > 0 for outcome in clients.outcomes())


def test_clients_tell_when_nobody_answers(bare_host, extension):
    with LoopingClients(bare_host, extension.discovery_file, extension.port) as clients:
        clients.wait_for_more(10)
        extension.stop()
        clients.wait_for_more(10)
        reasons = {outcome.client: outcome.detail for outcome in clients.failed()}
        assert reasons.keys() == {"go-autorest", "msrestazure", "curl"}
        assert reasons["curl"].startswith(CURL_CONNECT_FAILED)
        assert "connection refused" in reasons["go-autorest"]
        assert "ConnectionError" in reasons["msrestazure"]


def test_clients_tell_a_refusal(bare_host, new_extension):
    extension = new_extension("--refuse", "unknown").start()
    with LoopingClients(bare_host, extension.discovery_file, extension.port) as clients:
        clients.wait_for_more(5)
    assert clients.answered_by_since(0) == set()
    details = {outcome.client: outcome.detail for outcome in clients.outcomes()}
    assert all("500" in detail for detail in details.values()), details


def test_clients_tell_that_they_hang(bare_host, new_extension, monkeypatch):
    # It would be for ever.
    monkeypatch.setattr(looping_clients, "END_SECONDS", 2)
    extension = new_extension("--hang").start()
    with LoopingClients(bare_host, extension.discovery_file, extension.port) as clients:
        wait_until(lambda: established(extension) >= 3, 30, "each client is connected")
    assert [outcome.client for outcome in clients.failed()] == ["go-autorest", "msrestazure", "curl"]
    assert all(outcome.detail == "no reply within 2 s" for outcome in clients.failed())
    # The shell's curl was killed with it, and init may not have noticed yet.
    wait_until(lambda: bare_host.pids() == [extension.pid], 10, "the clients are gone")


def test_clients_notice_that_msi2imds_took_over(emulator, extension, new_service, host):
    with LoopingClients(host, extension.discovery_file, extension.port) as clients:
        clients.wait_for_more(10)
        assert clients.answered_by_since(0) == {"extension"}
        new_service({"waagent.root": str(extension.root)}).start()
        clients.wait_for_more(1)
        clients.wait_for_more(10)
        # go-autorest keeps the connection that it had.
        extension.stop()
        clients.wait_for_more(1)
        seen = {outcome.client: outcome.answered_by for outcome in clients.outcomes()}
    assert set(seen.values()) == {"msi2imds"}
    assert clients.failed() == []
