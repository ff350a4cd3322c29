# SPDX-License-Identifier: MIT
"""Client processes of which the tests know who they are: pid, uid, cgroup, program."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import cgroup
from line_process import LineProcess

SUPPORT = pathlib.Path(__file__).parent


class ClientScripts:
    """What clients run, where every user may read it."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="msi2imds-clients-", dir="/tmp"))
        self.directory.chmod(0o755)
        for name in ("naming.py", "raw_http.py", "direct_imds.py"):
            shutil.copy(SUPPORT / name, self.directory)

    def copy_of_python(self, name):
        """A program of its own name, which runs the same scripts."""
        path = self.directory / name
        shutil.copy("/usr/bin/python3", path)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory)


class NamedClient(LineProcess):
    """Asks when it is told to; leaves with the context."""

    def __init__(self, host, scripts, uid=0, path=None, python="/usr/bin/python3", wrapper=(), resource=None):
        def enter_cgroup():
            if path:
                (cgroup.directory_of(path) / "cgroup.procs").write_text(str(os.getpid()))

        ids = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        resources = [resource] if resource else []
        command = host.command(*ids, *wrapper, python, scripts.directory / "naming.py", "50342", *resources)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        super().__init__(subprocess.Popen(command, **pipes, text=True, preexec_fn=enter_cgroup))
        ready, pid, uid_of_process = self.process.stdout.readline().split()
        assert ready == "ready"
        self.pid, self.uid, self.cgroup = int(pid), int(uid_of_process), path

    def begin(self, requests):
        self.process.stdin.write(f"{requests}\n")
        self.process.stdin.flush()

    def end(self):
        """How many tokens it got."""
        return int(self.process.stdout.readline())

    def ask(self, requests=1):
        self.begin(requests)
        return self.end()

    def rename(self, comm):
        assert self.tell(f"name {json.dumps(comm)}") == "named"
