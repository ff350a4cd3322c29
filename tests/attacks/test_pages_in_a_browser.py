# SPDX-License-Identifier: MIT
"""A page that somebody on the machine opens in a browser tries to have a token."""

from raw_http import request

WAYS = {
    "by a form, which sets no header": {"metadata": False},
    "by a name of its own for 127.0.0.1": {"host": "evil.example:50342"},
    "by a fetch that the browser marks": {"headers": ["Origin: http://evil.example"]},
    "through a proxy": {"headers": ["X-Forwarded-For: 10.0.0.1"]},
}


def test_no_page_gets_a_token(connect, emulator, row):
    for way, differs in WAYS.items():
        status = connect().ask(request(**differs)).status
        row(f"a page in a browser asks {way}", "no token", f"status {status}", status != 200)
    asked = len(emulator.requests())
    row("a page in a browser: requests that reach IMDS", "0", str(asked), asked == 0)
