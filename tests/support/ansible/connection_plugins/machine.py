# SPDX-License-Identifier: MIT
"""Reaches a machine of machine.py without a network, by the process id of its first process."""

import pathlib
import shutil
import subprocess

from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: machine
short_description: runs commands on a machine of the tests
description: Enters the namespaces of a container's first process.
author: msi2imds
options:
  leader:
    description: process id, on this host, of the machine's first process
    type: int
    vars:
      - name: ansible_machine_leader
"""

NAMESPACES = ("mount", "uts", "ipc", "net", "pid", "cgroup")
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


class Connection(ConnectionBase):
    transport = "machine"
    has_pipelining = False

    def _connect(self):
        if not self._inside("/").exists():
            raise AnsibleConnectionFailure("the machine does not run")
        self._connected = True
        return self

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        enter = ["nsenter", f"--target={self.get_option('leader')}", *[f"--{name}" for name in NAMESPACES], "--"]
        command = [*enter, "/bin/sh", "-c", cmd]
        ended = subprocess.run(command, input=in_data or b"", env=ENVIRONMENT, capture_output=True)
        return ended.returncode, ended.stdout, ended.stderr

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        self._copy(in_path, self._inside(out_path))

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        self._copy(self._inside(in_path), out_path)

    def close(self):
        self._connected = False

    def _inside(self, path):
        return pathlib.Path(f"/proc/{self.get_option('leader')}/root{path}")

    @staticmethod
    def _copy(source, target):
        if not pathlib.Path(source).exists():
            raise AnsibleFileNotFound(f"{source} does not exist")
        shutil.copyfile(source, target)
