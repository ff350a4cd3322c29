# SPDX-License-Identifier: MIT
"""closing_client.py PORT: asks over a connection of its own for each line that it reads, and prints the status. It reads until
the server has closed, so that its port is free again at once."""

import socket
import sys

REQUEST = (
    b"GET /oauth2/token?resource=https%3A%2F%2Fmanagement.azure.com%2F HTTP/1.1\r\n"
    b"Host: localhost\r\nMetadata: true\r\nConnection: close\r\n\r\n"
)

print("ready", flush=True)
for _ in sys.stdin:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as connection, connection.makefile("rb") as answer:
        connection.sendall(REQUEST)
        print(answer.read().split()[1].decode(), flush=True)
