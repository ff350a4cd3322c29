# SPDX-License-Identifier: MIT
"""verify reaches the extension itself, whatever redirects everybody else, and tells what an application would notice."""

import json

import pytest

import backends
from extension import Extension
from legacy_port import another_server, ask
from raw_http import RESOURCE, RawConnection, request, token_target
from service import TOKEN_MARK

OTHER_OBJECT = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def idle_service(emulator, new_service):
    """Not started."""
    return new_service()


@pytest.fixture
def extension(request, host, idle_service):
    with Extension(host, *getattr(request, "param", ()), root=idle_service.waagent) as running:
        yield running


def verify(service, *arguments):
    """The exit status and the report; no token in it."""
    ended = service.run("verify", "--json", *arguments)
    assert TOKEN_MARK not in ended.stdout + ended.stderr and "eyJ" not in ended.stdout + ended.stderr
    assert not ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def outcomes(report):
    return [comparison["outcome"] for comparison in report["comparisons"]]


def reasons(report):
    return " ".join(reason for comparison in report["comparisons"] for reason in comparison["reasons"])


@pytest.mark.parametrize("backend", backends.REDIRECTING)
def test_reaches_the_extension_around_the_redirection(idle_service, extension, host, backend, new_service):
    service = new_service({**backends.settings(backend), "waagent.root": str(extension.root)}).start()
    requests = service.status_json()["responder"]["accepted"]
    for _ in range(3):  # its own address can be taken again at once
        code, report = verify(service, "--resource", RESOURCE)
        assert (code, outcomes(report)) == (0, ["same"]), report
    assert "the lifetime differs, which is fine" in reasons(report)
    assert "answered_by" not in ask(host).body.decode()
    assert service.status_json()["responder"]["accepted"] >= requests


@pytest.mark.parametrize("late", [{}, {"ms": 80}], ids=["together", "late"])
def test_interim_answers_of_imds_are_no_difference(idle_service, extension, emulator, late):
    emulator.set_faults({"kind": "interim", "status": 103, **late})
    code, report = verify(idle_service, "--resource", RESOURCE)
    assert (code, outcomes(report)) == (0, ["same"]), report


@pytest.mark.parametrize("extension", [("--oid", OTHER_OBJECT)], indirect=True)
def test_another_identity_is_a_difference(idle_service, extension):
    code, report = verify(idle_service)
    assert (code, outcomes(report)) == (1, ["different"])
    assert f'oid is "{OTHER_OBJECT}" from the extension' in reasons(report)
    text = idle_service.run("verify").stdout
    assert "DIFFERENT" in text and "What callers ask for was not seen yet" in text


@pytest.mark.parametrize("extension", [("--default", "identity-2")], indirect=True)
def test_names_the_line_for_the_identity_that_the_extension_uses(idle_service, extension, emulator):
    identity = next(entry for entry in emulator.identities() if entry["msi_res_id"].endswith("/identity-2"))
    line = f'identity.default = {{ client_id = "{identity["client_id"]}" }}'
    code, report = verify(idle_service, "--resource", RESOURCE)
    assert (code, [comparison["setting"] for comparison in report["comparisons"]]) == (1, [line])

    plain = idle_service.config.read_text()
    wrong = emulator.user_assigned()
    assert wrong != identity
    idle_service.config.write_text(f"{plain}[identity]\ndefault = {{ client_id = \"{wrong['client_id']}\" }}\n")
    assert verify(idle_service, "--resource", RESOURCE)[1]["comparisons"][0]["setting"] == line
    idle_service.config.write_text(line + "\n" + plain)
    code, report = verify(idle_service, "--resource", RESOURCE)
    assert (code, outcomes(report)) == (0, ["same"])


def test_asks_what_callers_asked_for(idle_service, extension, emulator, host):
    identity = emulator.user_assigned()
    idle_service.start()
    for parameters in ({"client_id": identity["client_id"]}, {"object_id": identity["object_id"]}):
        with RawConnection(host.connect()) as connection:
            assert connection.ask(request(target=token_target("https://vault.azure.net", **parameters))).status == 200
    idle_service.wait_for_audit(2)
    code, report = verify(idle_service)
    assert code == 0 and not report["guessed"]
    asked = {(comparison["resource"], comparison["identity"]) for comparison in report["comparisons"]}
    assert asked == {("https://vault.azure.net", identity[name]) for name in ("client_id", "object_id")}


def test_what_imds_refuses_and_the_extension_does_not_is_a_difference(idle_service, extension, emulator):
    emulator.set_faults({"kind": "status", "status": 403})
    code, report = verify(idle_service, "--resource", RESOURCE)
    assert (code, outcomes(report)) == (1, ["different"])
    assert "the extension gives a token, IMDS refuses: 403" in reasons(report)


def test_both_may_refuse(idle_service, extension, emulator):
    code, report = verify(idle_service, "--resource", RESOURCE, "--identity", OTHER_OBJECT)
    assert (code, outcomes(report)) == (0, ["same"])
    assert "both refuse" in reasons(report)
    assert report["summary"] == "The extension and IMDS both refuse (1 compared): no token was compared."
    code, report = verify(idle_service, "--resource", RESOURCE, "--identity", OTHER_OBJECT, "--identity", emulator.user_assigned()["client_id"])
    assert (code, outcomes(report)) == (0, ["same", "same"])
    assert report["summary"] == "The extension and IMDS give the same tokens (1 compared), and both refuse 1 request."


@pytest.mark.parametrize("backend", [None, *backends.ALL])
def test_without_the_extension_there_is_nothing_to_compare(emulator, new_service, backend):
    """That is good: what such a machine may do next does not depend on an extension. So before the cut-over and after it."""
    service = new_service(backends.settings(backend) if backend else {})
    if backend:
        service.start()
    code, report = verify(service)
    assert (code, report["good"], outcomes(report)) == (0, True, ["nothing_to_compare"])
    assert "the extension is not on this machine; IMDS gives a token" in reasons(report)
    assert "nothing to compare" in report["summary"]
    assert "nothing to compare. IMDS gives tokens for 1 of 1 tried." in service.run("verify").stdout


def test_without_the_extension_imds_has_to_answer(idle_service, host):
    host.remove_imds_address()
    code, report = verify(idle_service)
    assert (code, outcomes(report)) == (1, ["not_comparable"])
    assert "50342" not in reasons(report), "IMDS is what is missing here, and not the extension"


def test_without_the_extension_imds_has_to_give_a_token(idle_service):
    unknown = ("--resource", RESOURCE, "--identity", "00000000-0000-0000-0000-000000000000")
    code, report = verify(idle_service, *unknown)
    assert (code, report["good"]) == (1, False)
    assert report["summary"] == "The extension is not on this machine, and IMDS gives no token (1 tried)."


@pytest.mark.parametrize("state", ["Enabled", "Installed", "NotInstalled"])
def test_an_extension_that_does_not_run_is_missed_while_the_agent_has_it(idle_service, host, state):
    extension = Extension(host, root=idle_service.waagent)
    extension.write_files()
    extension.handler_state.write_text(state)
    code, report = verify(idle_service)
    expected = (0, ["nothing_to_compare"]) if state == "NotInstalled" else (1, ["not_comparable"])
    assert (code, outcomes(report)) == expected


def test_never_compares_msi2imds_with_itself(emulator, host, new_service):
    service = new_service({"redirect.backend": "listen"})
    Extension(host, root=service.waagent).write_files()
    service.start()
    code, report = verify(service)
    assert (code, outcomes(report)) == (1, ["not_comparable"])
    assert "end at msi2imds itself" in reasons(report)


def test_without_imds_there_is_nothing_to_compare(idle_service, extension, host):
    host.remove_imds_address()
    code, report = verify(idle_service)
    assert (code, outcomes(report)) == (1, ["not_comparable"])


def test_what_answers_nonsense_is_not_compared(idle_service, host):
    with another_server(host, "127.0.0.1"):
        code, report = verify(idle_service)
    assert (code, outcomes(report)) == (1, ["not_comparable"])
    assert "elsewhere" not in reasons(report)


def test_finds_the_port_on_which_the_extension_is(idle_service, host):
    with Extension(host, port="50343", root=idle_service.waagent):
        code, report = verify(idle_service)
    assert code == 0
    assert [comparison["port"] for comparison in report["comparisons"]] == [50343]


def test_an_identity_needs_a_resource(idle_service):
    ended = idle_service.run("verify", "--identity", OTHER_OBJECT)
    assert ended.returncode == 2 and "--resource" in ended.stderr


def test_the_observer_records_no_questions_of_ours(idle_service, extension, host):
    idle_service.options = ["--observe"]
    idle_service.start()
    assert verify(idle_service)[0] == 0
    with RawConnection(host.connect()) as connection:
        assert connection.ask(request()).status == 200
        callers = json.loads(idle_service.run("callers", "--json").stdout)["callers"]
        assert sum(row["requests"] for row in callers) <= 1
