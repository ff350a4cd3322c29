# SPDX-License-Identifier: MIT
"""So many calls that the kernel notes who dials."""

import socket

from legacy_port import PORT
from raw_http import RawConnection, request

AT_ONCE = 150


def have_connections_noted(service):
    """Calls the service until it says so; how often."""
    calls = 0
    while "connections are noted from here on" not in service.log_text():
        with service.namespace.entered():
            clients = [RawConnection(socket.create_connection(("127.0.0.1", PORT), timeout=20)) for _ in range(AT_ONCE)]
        for client in clients:
            with client:
                client.ask(request())
        calls += AT_ONCE
    return calls
