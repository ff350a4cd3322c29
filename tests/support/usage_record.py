# SPDX-License-Identifier: MIT
"""Records of callers that never were, and who serves one as a running msi2imds does."""

import contextlib
import json
import random
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

DAY = 86400
OUTCOMES = ("token", "refused", "denied", "failed", "bad_request", "observed")


def caller(unit, program, per_day, resources, last_seen, days=35, unrecorded=(), **more):
    """A row; `per_day` gives the requests on the day so many days ago."""
    today = last_seen // DAY
    counts = [(today - ago, per_day(ago)) for ago in reversed(range(days))]
    counts = [[day, requests] for day, requests in counts if requests > 0 and day not in unrecorded]
    total = sum(requests for _, requests in counts)
    shares = [max(1, total * share // 100) for share in resources.values()]
    row = {
        "is_others": False,
        "unit": unit,
        "cgroup": "",
        "program": program,
        "comm": "",
        "container": "",
        "unknown_because": "",
        "users": [{"uid": 990, "user": "svc"}],
        "has_more_users": False,
        "pid": 4711,
        "command_line": program,
        "first_seen": counts[0][0] * DAY + 3600,
        "last_seen": last_seen,
        "requests": total,
        "libraries": {},
        "outcomes": {**dict.fromkeys(OUTCOMES, 0), "token": total},
        "resources": [
            {"name": name, "requests": share, "last_seen": last_seen} for name, share in zip(resources, shares)
        ],
        "identities": [],
        "days": counts,
    }
    return {**row, **more}


def record(callers, recorded):
    return {"format": "msi2imds callers", "version": 1, "recorded": recorded, "callers": callers}


def plausible(now):
    """A virtual machine with some old services, of which one stopped calling, and two days without a record."""
    chance = random.Random(7)
    arm, vault, storage, sql = (
        "https://management.azure.com/",
        "https://vault.azure.net",
        "https://storage.azure.com/",
        "https://database.windows.net/",
    )

    def working_days(most):
        return lambda ago: int(most * chance.uniform(0.7, 1) * (0.25 if (now // DAY - ago + 3) % 7 > 4 else 1))

    unrecorded = (now // DAY - 20, now // DAY - 19)

    def service(*arguments, **more):
        return caller(*arguments, unrecorded=unrecorded, **more)

    callers = [
        service("invoice-sync.service", "/opt/invoices/bin/invoice-sync", working_days(180), {sql: 70, vault: 30}, now - 270),
        service("blob-archive.service", "/usr/bin/azcopy", lambda ago: 96, {storage: 100}, now - 630,
               command_line="/usr/bin/azcopy sync /srv/archive https://archive.blob.core.windows.net/nightly"),
        service("tomcat9.service", "/usr/lib/jvm/java-8-openjdk-amd64/bin/java", working_days(120), {vault: 55, sql: 45},
               now - 1930, users=[{"uid": 998, "user": "tomcat"}]),
        service("cron.service", "/usr/bin/python2.7", lambda ago: 24, {arm: 100}, now - 3130,
               users=[{"uid": 0, "user": "root"}], command_line="python2.7 /usr/local/bin/scale-check.py --quiet"),
        service("vm-inventory.timer-job.service", "/usr/bin/curl", lambda ago: 4, {arm: 100}, now - 5 * 3600 - 600),
        service("report-mailer.service", "/opt/reports/mailer", lambda ago: 40 if ago > 8 else 0,
               {vault: 60, "https://graph.microsoft.com/": 40}, now - 9 * DAY,
               users=[{"uid": 1004, "user": "reports"}]),
    ]  # fmt: skip
    callers[3]["outcomes"] = {**callers[3]["outcomes"], "token": callers[3]["requests"] - 31, "failed": 31}
    return record(callers, [[now - 45 * DAY, unrecorded[0] * DAY - 1], [(unrecorded[1] + 1) * DAY, now]])


def many(now, count):
    return record(
        [
            caller(f"job-{i:02}.service", f"/opt/jobs/{i}/run", lambda ago, i=i: (i * 7 + ago * 3) % 23 + 1,
                   {f"https://api-{i % 17}.example": 100}, now - i * 3000)
            for i in range(count)
        ],
        [[now - 60 * DAY, now]],
    )  # fmt: skip


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def served(document, socket_path):
    """Answers GET /callers on a unix socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = (document if isinstance(document, str) else json.dumps(document)).encode()
            self.send_response(200 if self.path == "/callers" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

        def address_string(self):
            return "unix"

    with _Server(str(socket_path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
