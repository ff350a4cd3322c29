# SPDX-License-Identifier: MIT
"""Who answers on the legacy port of a machine: msi2imds, another program, or nobody."""

import contextlib
import socket
import threading

import pytest

from raw_http import ConnectionEnded, RawConnection, request

PORT = 50342
ELSEWHERE = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nelsewhere"


@contextlib.contextmanager
def another_server(namespace, address, port=PORT):
    """Some other program of a machine, which answers "elsewhere" to whoever reaches it."""
    listener = namespace.listen(address, port)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(ELSEWHERE)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        # close() alone would leave accept() waiting.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def ask(namespace, address="127.0.0.1", port=PORT, timeout=10):
    """The reply to a good token request on a new connection."""
    with RawConnection(namespace.connect(address, port, timeout)) as connection:
        return connection.ask(request())


def a_token_is_served(namespace, address="127.0.0.1"):
    """Whether a new connection is answered with a token."""
    try:
        reply = ask(namespace, address, timeout=2)
    except (OSError, ConnectionEnded):
        return False
    return reply.status == 200 and "access_token" in reply.json()


def assert_elsewhere(namespace, address, port=PORT):
    assert ask(namespace, address, port).body == b"elsewhere"


def assert_refused(namespace, address="127.0.0.1", port=PORT):
    with pytest.raises(ConnectionRefusedError):
        namespace.connect(address, port).close()
