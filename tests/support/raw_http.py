# SPDX-License-Identifier: MIT
"""HTTP over a bare socket, so that a test decides about every byte."""

import dataclasses
import json
import select
import urllib.parse

RESOURCE = "https://management.azure.com/"


@dataclasses.dataclass
class Reply:
    version: str
    status: int
    reason: str
    headers: list
    # May hold a token, which no failure may print.
    body: bytes = dataclasses.field(repr=False)

    def header(self, name):
        """The value of a header that may stand there at most once; None when it is absent."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} stands {len(values)} times in the reply"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    @property
    def closes(self):
        return (self.header("Connection") or "").lower() == "close"


class ConnectionEnded(Exception):
    """The server closed before a whole reply arrived."""


class RawConnection:
    def __init__(self, connected_socket):
        self.socket = connected_socket
        self._unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionEnded(f"closed by the server after {len(self._unread)} bytes of a reply")
        self._unread += data

    def _take_head(self):
        while b"\r\n\r\n" not in self._unread:
            self._receive()
        head, self._unread = self._unread.split(b"\r\n\r\n", 1)
        return head.decode("latin-1").split("\r\n")

    def _take_body(self, length):
        while len(self._unread) < length:
            self._receive()
        body, self._unread = self._unread[:length], self._unread[length:]
        return body

    def read_reply(self, with_body=True):
        status_line, *lines = self._take_head()
        version, status, reason = status_line.split(" ", 2)
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        reply = Reply(version, int(status), reason, headers, b"")
        assert reply.header("Transfer-Encoding") is None, "old clients refuse a chunked reply"
        if with_body and reply.status >= 200:
            reply.body = self._take_body(int(reply.header("Content-Length")))
        return reply

    def ask(self, data):
        self.send(data)
        return self.read_reply()

    def stays_silent(self, seconds):
        """True when nothing arrives for that long."""
        return not self._unread and not select.select([self.socket], [], [], seconds)[0]

    def is_closed_within(self, seconds):
        """True when the server closes, without sending anything more."""
        self.socket.settimeout(seconds)
        try:
            return not self._unread and self.socket.recv(1) == b""
        except ConnectionResetError:
            return not self._unread
        except TimeoutError:
            return False


def token_target(resource=RESOURCE, **parameters):
    return "/oauth2/token?" + urllib.parse.urlencode({"resource": resource, **parameters})


def request(
    method="GET",
    target=None,
    headers=(),
    body=b"",
    version="HTTP/1.1",
    host="localhost:50342",
    metadata=True,
):
    """The bytes of one request; a good token request unless told otherwise."""
    lines = [f"{method} {target or token_target()} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    if metadata:
        lines.append("Metadata: true")
    lines.extend(headers)
    if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
