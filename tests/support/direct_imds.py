# SPDX-License-Identifier: MIT
"""Asks IMDS itself, past msi2imds: direct_imds.py WAY [ADDRESS [PORT]]

Prints one word: "token", "http-STATUS", or the name of the error with which the connection failed, such as
"ECONNREFUSED". No token is printed. The way "reach" asks nothing, and prints "connected".
"""

import errno
import socket
import sys

LONGER_THAN_ANYBODY_MAY_WAIT = 20
PROTOCOL_MPTCP = 262
QUESTION = (
    b"GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F HTTP/1.1\r\n"
    b"Host: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n"
)

WAYS = ("tcp", "mapped", "fastopen", "mptcp", "bound")


def connected(way, address, port):
    """A socket on which the question was sent."""
    family = socket.AF_INET6 if way == "mapped" or ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM, PROTOCOL_MPTCP if way == "mptcp" else 0)
    connection.settimeout(LONGER_THAN_ANYBODY_MAY_WAIT)
    target = (f"::ffff:{address}" if way == "mapped" else address, port)
    if way == "bound":
        connection.bind(("0.0.0.0", 0))
    if way == "fastopen":
        connection.settimeout(None)  # or it would not wait for what becomes of it
        connection.sendto(QUESTION, socket.MSG_FASTOPEN, target)
    else:
        connection.connect(target)
        if way != "reach":
            connection.sendall(QUESTION)
    return connection


def ask(way, address, port):
    try:
        with connected(way, address, port) as connection:
            if way == "reach":
                return "connected"
            answer = b""
            while some := connection.recv(65536):
                answer += some
    except TimeoutError:
        return "timeout"
    except OSError as failure:
        return errno.errorcode[failure.errno]
    status = int(answer.split(b" ", 2)[1])
    return "token" if status == 200 and b"access_token" in answer else f"http-{status}"


def main():
    address = sys.argv[2] if len(sys.argv) > 2 else "169.254.169.254"
    port = int(sys.argv[3]) if len(sys.argv) > 3 else 80
    print(ask(sys.argv[1], address, port))


if __name__ == "__main__":
    main()
