# SPDX-License-Identifier: MIT
"""Every way in which the emulated IMDS can fail, by name."""


def status(code, **more):
    return {"kind": "status", "status": code, **more}


RETRY_AFTER_SECONDS = 5

# IMDS is away, busy or out of reach: asked again until it answers.
TRANSIENT = {
    "404": status(404),
    "408": status(408),
    "410": status(410),
    "429": status(429),
    "429, Retry-After": status(429, retry_after=RETRY_AFTER_SECONDS),
    "500": status(500),
    "503": status(503),
    "503, HTML": {"kind": "html", "status": 503},
    "truncated": {"kind": "truncated"},
    "slow drip": {"kind": "slow_drip", "seconds": 60},
    "hang": {"kind": "hang"},
    "reset": {"kind": "reset"},
    "close": {"kind": "close"},
    "stale connection": {"kind": "stale_close"},
}

# IMDS answers 200 and something that is no token for the caller, or nothing that it is known to say.
NONSENSE = {
    "200, HTML": {"kind": "html"},
    "oversized": {"kind": "oversized"},
    "wrong content type": {"kind": "wrong_content_type"},
    "integers": {"kind": "integers"},
    "garbage JSON": {"kind": "garbage_json"},
    "no access_token": {"kind": "missing_field", "field": "access_token"},
    "no expires_on": {"kind": "missing_field", "field": "expires_on"},
    "expires_on is garbage": {"kind": "override_field", "field": "expires_on", "value": "soon"},
    "expired": {"kind": "expired"},
    "204": status(204),
    "101": {"kind": "interim", "status": 101},
    "another client_id": {"kind": "wrong_client_id"},
}

# IMDS says something before, behind or instead of the answer, in whole answers: no failure for the client.
ANOTHER_RESOURCE = "another resource"
OTHER_RESOURCE = "https://other.example/"
MIX_UPS = {
    "103 before the answer": {"kind": "interim", "status": 103, "ms": 80},
    "103 together with it": {"kind": "interim", "status": 103},
    "answer twice": {"kind": "duplicate", "ms": 54},
    ANOTHER_RESOURCE: {"kind": "wrong_resource", "resource": OTHER_RESOURCE},
}

# Of five kept connections the first ones used, or all, say nothing any more; new ones are served.
DEAD_CONNECTIONS = {"dead kept connections": {"kind": "dead_connection"}}

# IMDS does not know an identity yet, which is waited out for three seconds; after that it is the answer.
UNKNOWN_IDENTITY = '{"error":"invalid_request","error_description":"Identity not found"}'
NOT_FOUND = {"identity not found": status(400, body=UNKNOWN_IDENTITY)}
# Longer than any client waits.
LEFT_ALONE = {"429, Retry-After beyond the deadline": status(429, retry_after=300)}
ALL = {**TRANSIENT, **NONSENSE, **MIX_UPS, **DEAD_CONNECTIONS, **NOT_FOUND, **LEFT_ALONE}

# How far IMDS's clock is ahead of this machine's, all the time.
CLOCK_SECONDS = 3600
CLOCKS = {"its clock an hour ahead": CLOCK_SECONDS, "its clock an hour behind": -CLOCK_SECONDS}
