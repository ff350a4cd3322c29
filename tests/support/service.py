# SPDX-License-Identifier: MIT
"""msi2imds running in a namespace with a configuration of the test's choice."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import cgroup
from kernel_state import children_of, name_of, uid_of
from programs import clean_environment, program, run_in, start_in, stop
from waiting import SLOWNESS, wait_until

# Stands in every token of the emulator, and must never stand in a log.
TOKEN_MARK = "EMULATORSECRET"


def to_toml(settings):
    """{"legacy.ports": [1]} as TOML: JSON's numbers, strings, booleans and arrays are TOML's."""
    sections = {}
    for name, value in settings.items():
        section, key = name.rsplit(".", 1)
        sections.setdefault(section, []).append(f"{key} = {json.dumps(value)}")
    return "\n".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())


class Service:
    """A directory with configuration, admin socket and log; start() runs the program."""

    def __init__(self, namespace, settings=None):
        self.namespace = namespace
        self.options = []  # of run
        self.program = program("msi2imds")
        # Short, for the admin socket's path, and open to the responder's user.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="msi2imds-e2e-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.config = self.directory / "msi2imds.toml"
        self.log = self.directory / "stderr"
        self.log.touch()
        self.admin_socket = self.directory / "admin.sock"
        self.audit = self.directory / "audit"
        self.callers_state = self.directory / "callers.json"
        self.waagent = self.directory / "waagent"
        self.state = self.directory / "state"
        self.process = None
        self.configure(settings or {})

    def configure(self, settings):
        """Writes the configuration file: the defaults of the tests, changed by `settings`."""
        defaults = {
            "responder.user": "nobody",
            "admin.socket": str(self.admin_socket),
            # The machine of the test may have booted just now.
            "imds.boot_grace": 0,
            "log.level": "debug",
            "audit.file": str(self.audit),
            "audit.format": "json",
            "callers.state_file": str(self.callers_state),
            "waagent.root": str(self.waagent),
            "waagent.state_directory": str(self.state),
            # The observer is to see nobody but the tests.
            "callers.cgroup": cgroup.own_scratch(),
        }
        self.config.write_text(to_toml({**defaults, **settings}))

    def audit_lines(self):
        """What the audit tells so far."""
        return [json.loads(line) for line in self.audit.read_text().splitlines()] if self.audit.is_file() else []

    def wait_for_audit(self, count, seconds=10):
        """The audit's lines, once there are so many."""
        wait_until(lambda: len(self.audit_lines()) >= count, seconds, f"{count} audit lines")
        return self.audit_lines()

    def run(self, *arguments):
        """One of the commands, with this configuration."""
        return run_in(self.namespace, program("msi2imds"), *arguments, "--config", self.config)

    def run_as_stranger(self, *arguments):
        """The same, by a user who may read the configuration and nothing else of ours; responders here are nobody."""
        self.config.chmod(0o644)
        binary = shutil.copy(program("msi2imds"), self.directory)  # where everybody may run it
        as_stranger = ["setpriv", "--reuid=65000", "--regid=65000", "--clear-groups", "--bounding-set=-all"]
        return run_in(self.namespace, *as_stranger, binary, *arguments, "--config", self.config)

    def command(self):
        return [self.program, "run", *self.options, "--config", self.config]

    def launch(self, wrapper=(), environment=None, stderr=None, **popen_options):
        """Starts the program without waiting until it is ready; `stderr` takes the place of the log file."""
        with self.log.open("ab") as log:
            self.process = start_in(
                self.namespace,
                *wrapper,
                *self.command(),
                environment=clean_environment(**(environment or {})),
                stderr=log if stderr is None else stderr,
                **popen_options,
            )
        return self

    def start(self, **launch_options):
        self.launch(**launch_options)
        self.wait_ready()
        return self

    def wait_ready(self):
        status = self.status("--wait", str(int(10 * SLOWNESS)))
        output = status.stdout + status.stderr
        ended = "" if self.process.poll() is None else f" (ended with {self.process.returncode})"
        assert status.returncode == 0, f"msi2imds{ended} is not ready: {output}\n{self.log_text()}"

    def status(self, *arguments):
        return run_in(self.namespace, program("msi2imds"), "status", "--config", self.config, *arguments)

    def flush(self, *arguments):
        """Forgets tokens; returns how many."""
        ended = run_in(self.namespace, program("msi2imds"), "flush", "--json", "--config", self.config, *arguments)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)["flushed"]

    def detach(self, *arguments, expect=0):
        ended = run_in(self.namespace, program("msi2imds"), "detach", "--config", self.config, *arguments)
        assert ended.returncode == expect, ended.stdout + ended.stderr
        return ended

    def status_json(self):
        return json.loads(self.status("--json").stdout)

    @property
    def pid(self):
        return self.process.pid

    def find_responder(self):
        """The responder's process id, or None while there is none; other children belong to root."""
        responders = [pid for pid in children_of(self.pid) if uid_of(pid) not in (0, None)]
        return responders[0] if responders else None

    def responder(self):
        return wait_until(self.find_responder, 10, "a responder runs")

    def child_named(self, name):
        """The process id of the child that has taken this name, which it does once it runs."""

        def find():
            return next((pid for pid in children_of(self.pid) if name_of(pid) == name), None)

        return wait_until(find, 10, f"{name} runs")

    def reader_of_proc(self):
        return self.child_named("msi2imds-proc")

    @contextlib.contextmanager
    def accepting_paused(self):
        """Connections wait to be accepted meanwhile."""
        responder = self.responder()
        os.kill(responder, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(responder, signal.SIGCONT)

    def log_text(self):
        return self.log.read_text(errors="replace")

    def wait_for_log(self, text, seconds=10):
        wait_until(lambda: text in self.log_text(), seconds, f"{text!r} in the log")

    def wait_exit(self, seconds=15):
        try:
            return self.process.wait(seconds * SLOWNESS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"msi2imds did not end within {seconds} s") from None

    def stop(self):
        return stop(self.process)

    def close(self):
        """Ends and removes everything; a token in the log is a failure of any test."""
        try:
            if self.process is not None:
                self.stop()
            for file in (self.log, self.audit, self.callers_state):
                text = file.read_text(errors="replace") if file.is_file() else ""
                assert TOKEN_MARK not in text, f"a token stands in msi2imds's {file.name}"
        finally:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.directory)
