# SPDX-License-Identifier: MIT
"""Many clients at once."""

import contextlib

from raw_http import RawConnection, request, token_target


@contextlib.contextmanager
def clients(host, count, timeout=90):
    """`count` open connections to the legacy endpoint."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(RawConnection(host.connect(timeout=timeout))) for _ in range(count)]


def ask_at_once(connections, requests):
    """All ask before the first reply is read; request N goes over connection N, or over N modulo their number."""
    asked = [(connections[number % len(connections)], data) for number, data in enumerate(requests)]
    for connection, data in asked:
        connection.send(data)
    return [connection.read_reply() for connection, _ in asked]


def resource_number(number):
    return f"https://resource-{number}.example/"


def ask_for(resource, **parameters):
    return request(target=token_target(resource, **parameters))
