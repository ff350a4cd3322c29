# SPDX-License-Identifier: MIT
"""What published catalogues of attacks on neighbours of ours try and no other test does: the guest proxy agent's
penetration tests (A1 ... G4), what was found in aad-pod-identity and kube2iam, and what OpenSSH keeps from its
unprivileged child. docs/SECURITY.md lists all rows, with their tests."""

import ctypes
import ipaddress
import os
import pathlib
import socket
import struct
import subprocess

import pytest

from raw_http import RawConnection, request, token_target
from tokens import assert_no_token, assert_upstream_request

ATTACKER = 4321
TOKEN_PATH = "/metadata/identity/oauth2/token"
TCP_LISTEN = "0A"


def listening(namespace):
    """The addresses and ports on which somebody listens in a namespace."""
    found = set()
    for table, size in (("tcp", 1), ("tcp6", 4)):
        text = subprocess.run(namespace.command("cat", f"/proc/net/{table}"), capture_output=True, text=True, check=True)
        for line in text.stdout.splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            words, port = local.split(":")
            if state == TCP_LISTEN:
                packed = struct.pack(f"={size}I", *(int(words[at : at + 8], 16) for at in range(0, 8 * size, 8)))
                found.add((ipaddress.ip_address(packed), int(port, 16)))
    return found


def enter(namespace):
    with open(namespace.path) as inside:
        if ctypes.CDLL(None).setns(inside.fileno(), 0) != 0:
            raise OSError("setns")


def as_user(uid, act, namespace=None):
    """What `act` returns (a short text) in a child that has become that user, or the name of its error."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if namespace:
                enter(namespace)
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            text = act()
        except OSError as error:
            text = type(error).__name__
        finally:
            os.write(write_end, str(text).encode())
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as result:
        text = result.read()
    os.waitpid(pid, 0)
    return text


# A1, A2
def test_nothing_listens_beyond_the_loopback(service, host, row):
    imds = (ipaddress.ip_address("169.254.169.254"), 80)
    found = listening(host) - {imds}
    beyond = [(str(address), port) for address, port in found if not address.is_loopback]
    row("sockets that listen beyond the loopback", "0", f"{len(beyond)} of {len(found)}", found and not beyond)
    assert found and not beyond


OTHER_PROTOCOLS = {
    "http2_preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http2_upgrade": request(headers=["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]),
    "web_socket": request(
        headers=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    ),
    "proxy_v1": b"PROXY TCP4 10.0.0.1 127.0.0.1 1 50342\r\n" + request(),
    "proxy_v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + request(),
}


# A4: one may be answered as if it had not asked for anything else, but nothing else is ever spoken.
@pytest.mark.parametrize("data", OTHER_PROTOCOLS.values(), ids=OTHER_PROTOCOLS.keys())
def test_no_other_protocol_is_spoken(host, service, data):
    with RawConnection(host.connect()) as connection:
        reply = connection.ask(data)
    assert reply.version == "HTTP/1.1" and reply.status in (200, 400)
    assert reply.header("Upgrade") is None
    if not data.startswith(b"GET"):
        assert_no_token(reply)


# B4: nothing that a client sends beside the parameters gets to IMDS.
def test_a_client_adds_nothing_to_what_imds_is_asked(host, service, emulator, row):
    extra = ["X-IMS-Signature: a", "Authorization: Bearer b", "Cookie: c=d", "X-aws-ec2-metadata-token: e", "Via: 1.1 f"]
    target = token_target("https://a.example/?x=1&client_id=g#h\\", api_version="1", xms_mirid="i")
    with RawConnection(host.connect()) as connection:
        connection.ask(request(target=target, headers=extra, method="POST", body=b"xms_az_nwperimid=j"))
    asked = emulator.the_request()
    assert_upstream_request(asked, "https://a.example/?x=1&client_id=g#h\\")
    row("headers and parameters of a client that reach IMDS", "0", "0", True)


PATHS = [
    "/oauth2\\token",
    "/oauth2%5ctoken",
    "/oauth2%2ftoken",
    "/oauth2%252ftoken",
    "/oauth2/token;a=b",
    "/oauth2/token/../../metadata/instance",
    "/oauth2/token%2f..%2f..%2fmetadata%2finstance",
    "//169.254.169.254/metadata/instance",
    "/oauth2/token%3fresource=x",
    "/oauth2/token%23",
    "/OAUTH2/TOKEN",
    "/oauth2/token%00",
    "/./oauth2/token",
    "/metadata\\identity\\oauth2\\token",
    "http://127.0.0.1:50342@attacker.example/oauth2/token",
]


# D1, and CVE-2022-23551: whoever reads a path in another way than the one behind it lets something else through.
def test_no_spelling_of_the_path_leads_elsewhere(host, service, emulator, row):
    statuses = {}
    for path in PATHS:
        with RawConnection(host.connect()) as connection:
            statuses[path] = connection.ask(request(target=path + "?resource=https%3A%2F%2Fa.example%2F")).status
    elsewhere = [asked["target"] for asked in emulator.requests() if not asked["target"].startswith(TOKEN_PATH + "?")]
    row("spellings of a path that lead elsewhere at IMDS", "0", f"{len(elsewhere)} of {len(PATHS)}", not elsewhere)
    assert not elsewhere
    assert set(statuses.values()) <= {200, 400, 401, 403, 404}, statuses


# E1, F1
def test_others_read_neither_records_nor_the_admin_socket(host, service, row):
    with RawConnection(host.connect()) as connection:
        assert connection.ask(request()).status == 200
    service.wait_for_audit(1)
    responder = service.responder()

    def connect():
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(service.admin_socket))
            return "connected"

    def opened(path):
        return lambda: pathlib.Path(path).read_bytes() and "read"

    got = {"admin socket": as_user(ATTACKER, connect)}
    of_processes = [
        f"/proc/{pid}/{name}" for pid in (service.process.pid, responder) for name in ("mem", "environ", "maps")
    ]
    for path in [service.audit, service.state / "legacy-ports", *of_processes]:
        got[str(path)] = as_user(ATTACKER, opened(path))
    allowed = {what: how for what, how in got.items() if how not in ("PermissionError", "FileNotFoundError")}
    row("our files that another user may read", "0", f"{len(allowed)} of {len(got)}", not allowed)
    assert got["admin socket"] == "PermissionError"
    assert got[str(service.audit)] == "PermissionError"
    assert not allowed


# kube2iam: who an address belongs to says nothing of who sends from it.
@pytest.mark.settings({"policy.mode": "enforce"})
def test_a_source_address_is_no_identity(host, emulator, new_service, row):
    service = new_service()
    service.config.write_text(service.config.read_text() + "[[allow]]\nuid = 0\n")
    service.start()
    with RawConnection(host.connect()) as connection:
        assert connection.ask(request()).status == 200
    sources = [("127.0.0.1", 0), ("127.0.0.2", 0), ("127.255.255.254", 0), ("127.0.0.1", 1024), ("169.254.169.254", 0)]

    def ask_from(source):
        client = socket.socket()
        client.settimeout(20)
        client.bind(source)
        client.connect(("127.0.0.1", 50342))
        with RawConnection(client) as connection:
            return connection.ask(request()).status

    answers = {source: as_user(ATTACKER, lambda source=source: ask_from(source), host) for source in sources}
    granted = [source for source, answer in answers.items() if answer != "403"]
    row("source addresses with which another user passes for root", "0", f"{len(granted)} of {len(sources)}", not granted)
    assert not granted, answers


# OpenSSH: the unprivileged child can do nothing to its monitor.
def test_the_responders_user_can_do_nothing_to_the_supervisor(service, row):
    supervisor = service.process.pid
    responder = service.responder()
    uid = os.stat(f"/proc/{responder}").st_uid or 65534
    tries = {
        "signal": lambda: os.kill(supervisor, 0) or "sent",
        "memory": lambda: open(f"/proc/{supervisor}/mem", "rb").read(1) and "read",
        "descriptors": lambda: os.listdir(f"/proc/{supervisor}/fd") and "read",
        "memory of the responder": lambda: open(f"/proc/{responder}/mem", "rb").read(1) and "read",
        "descriptors of the responder": lambda: os.listdir(f"/proc/{responder}/fd") and "read",
    }
    done = {what: as_user(uid, act) for what, act in tries.items()}
    allowed = [what for what, how in done.items() if how != "PermissionError"]
    row("what the responder's user may do to its processes", "0", f"{len(allowed)} of {len(done)}", not allowed)
    assert not allowed, done
