# SPDX-License-Identifier: MIT
"""Connections from a port of one's choice."""

import socket

from legacy_port import PORT
from raw_http import RawConnection

CLIENT_PORT = 23456


def connect_from(host, port, to=PORT):
    client = host.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.settimeout(20)
    client.bind(("127.0.0.1", port))
    client.connect(("127.0.0.1", to))
    return RawConnection(client)
