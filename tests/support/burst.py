# SPDX-License-Identifier: MIT
"""A process with a long command line that asks once: burst.py PORT ARGUMENT...

Prints "asked" when its request is sent, then the status of the answer, or why there was none. Ends with stdin, so that it
is there for whoever looks at it.
"""

import socket
import sys

from raw_http import ConnectionEnded, RawConnection, request


def main():
    try:
        with RawConnection(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)) as connection:
            connection.send(request())
            print("asked", flush=True)
            print(connection.read_reply().status, flush=True)
    except (OSError, ConnectionEnded) as error:
        print(repr(error), flush=True)
    sys.stdin.read()


main()
