# SPDX-License-Identifier: MIT
"""Processes that answer a line with a line."""

import pathlib
import shutil
import subprocess

SUPPORT = pathlib.Path(__file__).parent


class LineProcess:
    """Leaves with the context."""

    def __init__(self, process):
        self.process = process
        self.pid = process.pid

    def tell(self, line):
        """Its answer."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def run_script(network, directory, script, *arguments, uid=0, wrapper=(), capability=None):
    """A script of tests/support as that user, from `directory`, where every user may read."""
    copy = shutil.copy(SUPPORT / script, directory)
    identity = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    if capability:
        identity += [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"]
    command = [*wrapper, "setpriv", *identity, "/usr/bin/python3", copy, *arguments]
    started = LineProcess(network.popen(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    assert started.process.stdout.readline() == "ready\n"
    return started
