# SPDX-License-Identifier: MIT
"""The IMDS emulator on 169.254.169.254 of a namespace, and its controls."""

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess

from namespace import IMDS_ADDRESS
from programs import program, run_in, start_in, stop
from waiting import SLOWNESS

START_SECONDS = 10


class EmulatorControls:
    """Of an emulator that runs in the namespace, whoever has started it."""

    def __init__(self, namespace):
        self._namespace = namespace

    def _call(self, method, path, document=None):
        body = None if document is None else json.dumps(document)
        with self._namespace.entered():
            connection = http.client.HTTPConnection(IMDS_ADDRESS, 80, timeout=10 * SLOWNESS)
            try:
                connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
                reply = connection.getresponse()
                content = reply.read()
            finally:
                connection.close()
        assert reply.status < 300, f"{method} {path}: {reply.status}"
        return json.loads(content) if content else None

    def stats(self):
        return self._call("GET", "/emulator/stats")

    def token_requests(self):
        return self.stats()["token_requests"]

    def requests(self):
        return self._call("GET", "/emulator/requests")

    def the_request(self):
        """The one token request that arrived; fails when it was not exactly one."""
        requests = self.requests()
        assert len(requests) == 1, f"{len(requests)} requests reached IMDS"
        return requests[0]

    def user_assigned(self):
        """A user-assigned identity: client_id, object_id, msi_res_id."""
        return next(entry for entry in self.identities() if entry["msi_res_id"])

    def identities(self):
        """Those the VM has; the system-assigned one is without an msi_res_id."""
        return self._call("GET", "/emulator/identities")

    def assign(self, name):
        """Assigns a user-assigned identity while it runs, as an Azure Policy does; returns it."""
        known = self.identities()
        return next(entry for entry in self._call("POST", "/emulator/identities", {"name": name}) if entry not in known)

    def unassign(self, name):
        """Takes a user-assigned identity away; those of the start are identity-1, identity-2 and so on."""
        self._call("DELETE", "/emulator/identities", {"name": name})

    def reset(self):
        self._call("POST", "/emulator/reset")

    def set_faults(self, *faults):
        """Replaces the faults; one without a count of its own lasts until clear_faults()."""
        self.clear_faults()
        self.add_faults(*[{"count": 0, **fault} for fault in faults])

    def add_faults(self, *faults):
        """Adds faults; one without a count of its own happens once."""
        self._call("POST", "/emulator/faults", {"faults": list(faults)})

    def clear_faults(self):
        self._call("DELETE", "/emulator/faults")

    def set_clock(self, seconds):
        """IMDS's clock is so far ahead of this machine's, in its Date headers and its tokens; negative: behind."""
        self._call("POST", "/emulator/clock", {"skew_seconds": seconds})


class Emulator(EmulatorControls):
    def __init__(self, namespace, *arguments):
        super().__init__(namespace)
        self._command = [program("imds-emulator"), "--listen", f"{IMDS_ADDRESS}:80", *arguments]
        self.start()

    def start(self):
        self._process = start_in(self._namespace, *self._command, stdout=subprocess.PIPE, text=True)
        try:
            self._await_listening()
        except BaseException:
            self.stop()
            raise

    def _await_listening(self):
        readable, _, _ = select.select([self._process.stdout], [], [], START_SECONDS * SLOWNESS)
        line = self._process.stdout.readline() if readable else ""
        assert line.startswith("listening on "), f"imds-emulator did not start: {line!r}"

    def stop(self):
        stop(self._process)
        self._process.stdout.close()

    @property
    def pid(self):
        return self._process.pid

    def restart(self):
        self.stop()
        self.start()

    @contextlib.contextmanager
    def standing_still(self):
        """Takes connections and requests, and answers nothing until the end."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def has_unread_requests(self):
        """Whether somebody has asked while it stands still."""
        sockets = run_in(self._namespace, "ss", "-Htn", "state", "established", "sport = :80").stdout.splitlines()
        return any(int(line.split()[0]) > 0 for line in sockets)
