# SPDX-License-Identifier: MIT
"""What the kernel knows of connections, and of their translation."""

import os
import socket
import struct

_NETLINK_NETFILTER = 12
_DELETE = 0x102  # of connections; all of them where none is named
_REQUEST_WITH_ANSWER = 0x5


def forget_all(host):
    """Packets of translated connections are no longer translated."""
    body = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
    request = struct.pack("=IHHII", 16 + len(body), _DELETE, _REQUEST_WITH_ANSWER, 1, 0) + body
    with host.entered(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as netfilter:
        netfilter.send(request)
        (error,) = struct.unpack_from("=i", netfilter.recv(4096), 16)
    assert error == 0, os.strerror(-error)
