# SPDX-License-Identifier: MIT
"""msi2imds doctor: what stands in the way is found, on machines that really have it."""

import contextlib
import email.utils
import json
import os
import socketserver
import subprocess
import threading
import time

import pytest

from extension import Extension
from legacy_port import ask
from named_client import NamedClient
from namespace import IMDS_ADDRESS
from programs import clean_environment, program, run_in
from raw_http import RESOURCE
from service import TOKEN_MARK, Service
from tokens import assert_legacy_success
from usage_record import caller, record
from waiting import wait_until

pytestmark = pytest.mark.settings({"legacy.ports": [50342]})

RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"


class Doctor:
    """Runs the command; whatever it finds, no token stands in its output."""

    def __init__(self, service):
        self.service = service

    def run(self, *arguments):
        ended = self.service.run("doctor", *arguments)
        assert TOKEN_MARK not in ended.stdout + ended.stderr
        assert ended.stderr == ""
        return ended

    def findings(self):
        return json.loads(self.run("--json").stdout)["findings"]

    def find(self, text):
        """The one finding that says this."""
        all_of_them = self.findings()
        found = [finding for finding in all_of_them if text in finding["text"]]
        assert len(found) == 1, "\n".join(finding["text"] for finding in all_of_them)
        assert bool(found[0]["advice"]) == (found[0]["level"] != "ok")
        return found[0]

    def level(self, text):
        return self.find(text)["level"]


@pytest.fixture
def doctor(new_service):
    return Doctor(new_service())


@pytest.fixture
def running_doctor(service):
    return Doctor(service)


def nft(host, *arguments):
    subprocess.run(host.command("nft", *arguments), check=True)


@pytest.mark.smoke
def test_a_good_machine(doctor, emulator):
    ended = doctor.run()
    assert ended.returncode == 0, ended.stdout
    assert "error " not in ended.stdout.replace("0 errors", "")
    for check in ("machine", "backend", "ports", "reserved", "extension", "discovery", "imds", "clock", "identity", "proxy"):
        assert f"\nok       {check:<10} " in "\n" + ended.stdout or f"\nwarning  {check:<10} " in ended.stdout, check
    assert "takes sk_lookup" in ended.stdout
    assert "IMDS gives a token to callers that name no identity" in ended.stdout


def test_json_says_the_same(doctor, emulator):
    ended = doctor.run("--json")
    assert ended.returncode == 0
    document = json.loads(ended.stdout)
    assert document["worst"] == "warning"  # IMDS's address is on this machine, the port is not reserved
    for finding in document["findings"]:
        assert set(finding) == {"check", "level", "text", "advice"}
        assert finding["level"] in ("ok", "warning", "error")
    text = doctor.run().stdout
    for finding in document["findings"]:
        assert f"{finding['level']:<8} {finding['check']:<10} {finding['text']}\n" in text


def test_wrong_usage(new_service):
    service = new_service()
    assert service.run("doctor", "--dance").returncode == 2
    service.configure({"legacy.prots": [1]})
    assert service.run("doctor").returncode == 2


def test_beside_a_running_service(running_doctor):
    ended = running_doctor.run()
    assert ended.returncode == 0, ended.stdout
    found = running_doctor.findings()
    texts = [finding["text"] for finding in found]
    assert "Msi2imds listens on 127.0.0.1:342 (redirect.listen_port)." in texts
    assert "No outgoing connection can take a legacy port." in texts
    assert any("(ours) leads to port 50342" in text for text in texts), texts
    assert running_doctor.service.status().returncode == 0, "nothing was changed"


@pytest.mark.settings({"redirect.backend": "listen"})
def test_beside_a_service_that_listens_on_the_legacy_port_itself(running_doctor):
    assert running_doctor.level("Msi2imds listens on 127.0.0.1:50342.") == "ok"


def test_no_imds(new_service, host):
    host.remove_imds_address()
    doctor = Doctor(new_service())
    assert doctor.level("There is no route to 169.254.169.254:80") == "error"
    assert doctor.level("IMDS does not answer") == "error"
    assert doctor.run().returncode == 1


@pytest.mark.parametrize(
    "skew, text, level",
    [
        (0, "This machine's clock agrees with that of IMDS.", "ok"),
        (100, " s behind that of IMDS.", "warning"),
        (-100, " s ahead of that of IMDS.", "warning"),
        (3600, "not valid yet", "error"),
        (-3600, "expired before they are", "error"),
    ],
)
def test_the_clock_is_compared_with_that_of_imds(doctor, emulator, skew, text, level):
    emulator.set_clock(skew)
    finding = doctor.find(text)
    assert (finding["check"], finding["level"]) == ("clock", level)
    assert doctor.run().returncode == (1 if level == "error" else 0)


def test_imds_does_not_listen(doctor):
    assert doctor.level("IMDS does not answer") == "error"


class TokensAlone(socketserver.StreamRequestHandler):
    """An IMDS that gives tokens, and answers all else with `answer`: an HTTP status, 200 with nonsense, or None, not at all."""

    answer = None
    TOKEN = {"access_token": TOKEN_MARK, "expires_in": "3600", "token_type": "Bearer", "client_id": "x"}

    def handle(self):
        target = self.rfile.readline().split()[1]
        while self.rfile.readline().strip():
            pass
        gives_token = target.startswith(b"/metadata/identity/oauth2/token")
        if self.answer is None and not gives_token:
            return
        now = int(time.time())
        token = {**self.TOKEN, "expires_on": str(now + 3600), "not_before": str(now), "resource": "https://management.azure.com/"}
        body = json.dumps(token) if gives_token else "[]"
        self.wfile.write(
            f"HTTP/1.1 {200 if gives_token else self.answer} X\r\nDate: {email.utils.formatdate(now, usegmt=True)}\r\n"
            f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )


@pytest.mark.parametrize("answer", [200, 400, 404, 429, 500, None])
def test_imds_tells_no_names_and_gives_tokens(doctor, host, answer):
    handler = type("Handler", (TokensAlone,), {"answer": answer})
    with socketserver.ThreadingTCPServer(("", 0), handler, bind_and_activate=False) as imds:
        imds.socket.close()
        imds.socket = host.listen(IMDS_ADDRESS, 80)
        serving = threading.Thread(target=imds.serve_forever)
        serving.start()
        try:
            assert_tokens_without_names(doctor, answer)
        finally:
            imds.shutdown()
            serving.join()


def assert_tokens_without_names(doctor, answer):
    assert doctor.level("IMDS answers at") == "ok"
    finding = doctor.find("IMDS does not tell this machine's names")
    assert finding["level"] == "warning"
    assert answer is None or f"status {answer}" in finding["text"]
    assert doctor.level("IMDS gives a token to callers that name no identity.") == "ok"
    assert doctor.level("This machine's clock agrees with that of IMDS.") == "ok"
    assert doctor.run().returncode == 0


IMDSD_MARK = 0x7FFF0815
OTHER_MARK = 0x1234


@pytest.mark.parametrize("setting, allowed", [(0, IMDSD_MARK), (OTHER_MARK, OTHER_MARK)], ids=["auto", "set"])
def test_locked_imds_with_the_mark_that_passes(new_service, emulator, host, setting, allowed):
    host.forbid_imds_without_mark(allowed)
    doctor = Doctor(new_service({"imds.mark": setting}))
    assert doctor.level("IMDS answers at") == "ok"
    if setting == 0:
        assert doctor.level(f"pass with the mark {hex(allowed)}") == "ok"


@pytest.mark.parametrize("setting", [0, IMDSD_MARK], ids=["auto", "set"])
def test_locked_imds_with_another_mark(new_service, emulator, host, setting):
    host.forbid_imds_without_mark(OTHER_MARK)
    doctor = Doctor(new_service({"imds.mark": setting}))
    finding = doctor.find(f"the mark {hex(IMDSD_MARK)} does not pass either")
    assert finding["level"] == "error"
    assert "imds.mark" in finding["advice"]
    assert doctor.run().returncode == 1


@pytest.mark.parametrize("kind", ["unreachable", "blackhole"])
def test_routes_that_lead_nowhere(bare_host, kind):
    subprocess.run(["ip", "-n", bare_host.name, "route", "add", kind, IMDS_ADDRESS], check=True)
    with contextlib.closing(Service(bare_host, {"legacy.ports": [50342]})) as service:
        expected = {"unreachable": "There is no route", "blackhole": "discards everything"}[kind]
        assert Doctor(service).level(expected) == "error"


def test_the_device_and_gateway_are_told(bare_host, other_host):
    bare_host.add_nic(other_host)
    subprocess.run(["ip", "-n", bare_host.name, "route", "add", "default", "via", "10.99.0.2"], check=True)
    # Nothing leaves the machine.
    nft(bare_host, "add table ip closed; add chain ip closed out { type filter hook output priority 0; }")
    nft(bare_host, "add rule ip closed out oif nic0 meta l4proto tcp reject with tcp reset")
    with contextlib.closing(Service(bare_host, {"legacy.ports": [50342]})) as service:
        assert Doctor(service).level("is over nic0 by way of 10.99.0.2.") == "ok"


def test_somebody_else_on_the_legacy_port(doctor, emulator, host):
    with host.listen("127.0.0.1", 50342):
        finding = doctor.find("and is not the extension")
        assert finding["level"] == "error"
        assert "127.0.0.1:50342" in finding["text"] and f"pid {os.getpid()}" in finding["text"]
        assert doctor.run().returncode == 1


def test_listen_cannot_start_while_the_extension_runs(emulator, new_service, host):
    service = new_service({"redirect.backend": "listen"})
    with Extension(host, root=service.waagent):
        assert Doctor(service).level("The extension has 127.0.0.1:50342, where msi2imds itself has to listen") == "error"
        assert service.launch().wait_exit() == 1
        service.configure({"redirect.backend": "sk_lookup"})
        assert Doctor(service).level("The extension listens on 127.0.0.1:50342.") == "ok"
        service.start()
        assert_legacy_success(ask(host), RESOURCE)
        assert service.stop() == 0


def test_somebody_else_on_our_port(doctor, emulator, host):
    with host.listen("::1", 342):
        assert doctor.level("listens on [::1]:342, where msi2imds wants to listen") == "error"


def test_the_legacy_port_of_another_address_is_nobodys_business(doctor, emulator, host, other_host):
    host.add_nic(other_host)
    with host.listen("10.99.0.1", 50342):
        assert doctor.level("Nobody listens on the legacy ports") == "ok"


def test_an_outgoing_connection_holds_the_port(doctor, emulator, host):
    with host.listen("127.0.0.1", 8080) as server, host.socket() as client:
        client.bind(("127.0.0.1", 50342))
        client.connect(server.getsockname())
        finding = doctor.find("127.0.0.1:50342 as its own end")
        assert finding["level"] == "warning"
        assert f"pid {os.getpid()}" in finding["text"]


def is_recorded(service, pid):
    return any(row["pid"] == pid for row in json.loads(service.run("callers", "--json").stdout)["callers"])


PROXY = "http_proxy=http://someone:hidden@proxy.example:3128"


@pytest.mark.parametrize(
    "variables, text, level",
    [
        ([PROXY], "has a proxy for HTTP", "warning"),
        ([PROXY, "no_proxy=.internal,localhost"], "No caller that still runs sends", "ok"),
    ],
    ids=["proxy", "exception"],
)
def test_proxies_of_callers(running_doctor, host, scripts, variables, text, level):
    python = scripts.copy_of_python("old-program")
    client = NamedClient(host, scripts, python=python, wrapper=["env", *variables])
    with client.process:
        assert client.ask() == 1
        wait_until(lambda: is_recorded(running_doctor.service, client.pid), 10, "the caller is recorded")
        finding = running_doctor.find(text)
        assert finding["level"] == level
        if level == "warning":
            assert "old-program" in finding["text"]
        assert "hidden" not in running_doctor.run().stdout
        client.process.stdin.close()


def test_a_hostile_name_of_a_caller_is_escaped(new_service, emulator, host):
    name = b"\x1b[31m\n\xff"
    with host.listen("127.0.0.1", 50342) as listener:
        holder = subprocess.Popen(
            ["/usr/bin/python3", "-c",
             "import ctypes, sys; ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0); "
             "print(flush=True); sys.stdin.read()", name.hex()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[listener.fileno()], env=clean_environment(),
        )  # fmt: skip
        with holder:
            holder.stdout.readline()
            listener.close()
            ended = Doctor(new_service()).run()
            holder.stdin.close()
    assert r"\x1b[31m\x0a\xff (pid " in ended.stdout


def user_assigned_names(emulator):
    identity = emulator.user_assigned()
    return [identity["client_id"], identity["object_id"], identity["msi_res_id"]]


def record_with_identities(names):
    identities = [{"name": name, "requests": 1, "last_seen": 1_700_000_000} for name in names]
    row = caller("a.service", "/usr/bin/a", lambda _: 1, {"https://x": 100}, 1_700_000_000, days=1, identities=identities)
    return record([row], [[1_699_990_000, 1_700_000_000]])


def test_identities_that_callers_named(new_service, emulator):
    service = new_service()
    names = user_assigned_names(emulator)
    service.callers_state.write_text(json.dumps(record_with_identities([*names, "11111111-2222-3333-4444-555555555555"])))
    doctor = Doctor(service)
    for name in names:
        assert doctor.level(f"IMDS gives a token for '{name}'") == "ok"
    assert doctor.level("gives no token for '11111111-2222-3333-4444-555555555555'") == "warning"


def test_identities_that_imds_refuses(doctor, emulator):
    emulator.set_faults({"kind": "status", "status": 400, "body": '{"error":"bad\\u001b","secret":"in the body"}'})
    ended = doctor.run()
    assert ended.returncode == 1
    assert r"status 400, bad\x1b" in ended.stdout
    assert "in the body" not in ended.stdout
    assert doctor.level("IMDS gives no token at all") == "error"


def test_reserved_ports(doctor, emulator, host):
    assert doctor.level("may give an outgoing connection a legacy port (50342)") == "warning"
    subprocess.run(host.command("sh", "-c", f"echo 50342 > {RESERVED}"), check=True)
    assert doctor.level("No outgoing connection can take a legacy port") == "ok"


@pytest.mark.parametrize("backend, level", [("nftables", "warning"), ("iptables", "warning"), ("auto", "ok")])
def test_rules_that_keep_loopback_connections_untracked(new_service, emulator, host, backend, level):
    nft(host, "add table ip others; add chain ip others out { type filter hook output priority raw; }")
    nft(host, "add rule ip others out oif lo notrack")
    doctor = Doctor(new_service({"redirect.backend": backend}))
    assert doctor.level("A rule keeps loopback connections from being tracked") == level


def test_iptables_has_such_a_rule(new_service, emulator, host):
    rule = ["iptables", "-t", "raw", "-A", "OUTPUT", "-o", "lo", "-j", "CT", "--notrack"]
    subprocess.run(host.command(*rule), check=True)
    doctor = Doctor(new_service({"redirect.backend": "iptables"}))
    assert doctor.level("A rule keeps loopback connections from being tracked") == "warning"


def test_probing_leaves_nothing_behind(doctor, emulator, host):
    def state():
        return subprocess.run(host.command("nft", "list", "ruleset"), capture_output=True, check=True).stdout

    before = state()
    doctor.run()
    assert state() == before
    assert doctor.level("iptables was not tried") == "ok"


def test_arc_is_told_by_its_port(doctor, emulator, host):
    with host.listen("127.0.0.1", 40342):
        assert doctor.level("another protocol") == "warning"


def test_cloud_shell(new_service, emulator, host):
    service = new_service()
    ended = run_in(
        host, program("msi2imds"), "doctor", "--config", service.config, environment=clean_environment(ACC_CLOUD="PROD")
    )
    assert ended.returncode == 1
    assert "Cloud Shell" in ended.stdout


def test_the_extension_of_the_agent(new_service, emulator):
    service = new_service()
    config = service.waagent / "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux-1.0.0.10" / "config"
    config.mkdir(parents=True)
    (config / "HandlerState").write_text("Enabled")
    (service.waagent / "ManagedIdentity-Settings").write_text('{"url":"http://localhost:50343"}')
    doctor = Doctor(service)
    assert doctor.level("version 1.0.0.10 is Enabled") == "ok"
    assert doctor.level("is Enabled, but does not run") == "warning"
    assert doctor.level("(not ours) leads to port 50343") == "warning"


def test_without_root(new_service, emulator, host):
    service = new_service()
    with host.listen("127.0.0.1", 50342):
        ended = service.run_as_stranger("doctor")
    assert "unknown  machine    Doctor is not run by root: what only root may see is called unknown below." in ended.stdout
    assert "Somebody listens on 127.0.0.1:50342; it is not known which process." in ended.stdout
    assert ended.returncode == 3, ended.stdout


def test_without_root_beside_a_running_service(service):
    """What others may not see is unknown: neither that auto takes a worse backend, nor whose the discovery file is."""
    ended = service.run_as_stranger("doctor")
    assert ended.returncode == 3, ended.stdout
    for guess in ("takes listen", "not ours", "is not to be had", "No running caller is known", "when it starts"):
        assert guess not in ended.stdout
    document = json.loads(service.run_as_stranger("doctor", "--json").stdout)
    assert document["worst"] is None
    assert {finding["check"] for finding in document["findings"] if finding["level"] is None} >= {"machine", "backend", "proxy"}


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_our_rules_without_a_server_are_named(emulator, new_service, host, backend):
    """As after a firewall's saved rules were loaded: callers are refused, and doctor says by what."""
    text = "and nobody listens on port 342, where they lead: callers are refused"
    service = new_service({"redirect.backend": backend}).start()
    save, load = {"nftables": (["nft", "list", "ruleset"], ["nft", "-f", "-"]),
                  "iptables": (["iptables-save"], ["iptables-restore"])}[backend]  # fmt: skip
    rules = run_in(host, *save).stdout
    doctor = Doctor(service)
    assert not [finding for finding in doctor.findings() if text in finding["text"]]
    assert service.stop() == 0
    subprocess.run(host.command(*load), input=rules, text=True, check=True)
    assert doctor.level(text) == "error"
    assert service.run("detach").returncode == 0
    assert not [finding for finding in doctor.findings() if text in finding["text"]]
