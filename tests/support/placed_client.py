# SPDX-License-Identifier: MIT
"""placed_client.py: a client that chooses its port and its first sequence number, for which it needs CAP_NET_ADMIN.

Prints "ready". "connect PORT SEQUENCE" dials 127.0.0.1:50342 from there and prints "connected"; "ask" asks for a token over
that connection and prints the status; "close" ends it with a reset, which frees the port at once.
"""

import socket
import struct
import sys

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
SEND_QUEUE = 2
REQUEST = (
    b"GET /oauth2/token?resource=https%3A%2F%2Fmanagement.azure.com%2F HTTP/1.1\r\n"
    b"Host: localhost\r\nMetadata: true\r\n\r\n"
)


def connect(port, sequence):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
    client.bind(("127.0.0.1", port))
    for option, value in ((TCP_REPAIR, 1), (TCP_REPAIR_QUEUE, SEND_QUEUE), (TCP_QUEUE_SEQ, sequence), (TCP_REPAIR, 0)):
        client.setsockopt(socket.IPPROTO_TCP, option, struct.pack("=I", value))
    client.connect(("127.0.0.1", 50342))
    return client


def main():
    print("ready", flush=True)
    client = None
    for line in sys.stdin:
        command, *numbers = line.split()
        if command == "connect":
            client = connect(*map(int, numbers))
            print("connected", flush=True)
        elif command == "ask":
            client.sendall(REQUEST)
            print(client.recv(4096).split()[1].decode(), flush=True)
        else:
            client.close()
            print("closed", flush=True)


main()
