# SPDX-License-Identifier: MIT
"""What bash and zsh offer behind a command, typed into the real shells, is what --help shows."""

import os
import pty
import re
import select
import signal
import time

import pytest

from command_help import leaf_commands, options_of, subcommands_of
from programs import CHECKOUT, clean_environment

COMPLETIONS = CHECKOUT / "packaging" / "completions"
TAKE_ALL = "\x14"  # Ctrl-T: puts every candidate into the line
PATIENCE = 30

# The command tells what stands in its line.
COMMON = """
PS1=ready:
msi2imds() { printf 'word:%s\\n' "$@"; echo end:; }
"""

BASH = """
bind 'set enable-bracketed-paste off'
bind '"\\C-t": insert-completions'
"""

ZSH = """
autoload -U compinit
compinit -D -u
zstyle ':completion:all-matches:*' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
zle -C all-matches complete-word _generic
bindkey '^T' all-matches
"""


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, setup, *command, **environment):
        assert os.access(command[0], os.X_OK), f"{command[0]} is not installed"
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execve(command[0], command, clean_environment(TERM="dumb", COLUMNS="2000", **environment))
        self._type(f"source {setup}\r", rb"ready:")

    def complete(self, line):
        """The words of the line, behind the command's name, once all candidates are in it."""
        shown = self._type(line + TAKE_ALL + "\r", rb"\nend:\r\n(?s:.*)ready:")
        return re.findall(r"^word:(.*)\r$", shown, re.MULTILINE)

    def close(self):
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def _type(self, text, until):
        os.write(self._terminal, text.encode())
        shown = b""
        deadline = time.monotonic() + PATIENCE
        while not re.search(until, shown):
            readable, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
            assert readable, f"the shell shows only {shown!r} after {text!r}"
            shown += os.read(self._terminal, 65536)
        return shown.decode()


def start_bash(completions, directory):
    setup = directory / "setup"
    setup.write_text(f"{COMMON}{BASH}source {completions}/msi2imds.bash\n")
    return Shell(setup, "/bin/bash", "--norc", "--noprofile", "-i")


def start_bash_with_package(completions, directory):
    """The package bash-completion looks for the file itself, where it is installed under the command's name."""
    setup = directory / "setup"
    setup.write_text(f"{COMMON}{BASH}source /usr/share/bash-completion/bash_completion\n")
    installed = directory / "bash-completion" / "completions" / "msi2imds"
    installed.parent.mkdir(parents=True)
    installed.symlink_to(completions / "msi2imds.bash")
    return Shell(setup, "/bin/bash", "--norc", "--noprofile", "-i", XDG_DATA_HOME=str(directory))


def start_zsh(completions, directory):
    setup = directory / "setup"
    setup.write_text(f"{COMMON}fpath=({completions} $fpath)\n{ZSH}")
    return Shell(setup, "/bin/zsh", "-f", "-i")


SHELLS = {"bash": start_bash, "bash-completion": start_bash_with_package, "zsh": start_zsh}


@pytest.fixture(params=SHELLS, scope="module")
def start_shell(request, tmp_path_factory):
    started = []

    def start(completions):
        started.append(SHELLS[request.param](completions, tmp_path_factory.mktemp(request.param)))
        return started[-1]

    yield start
    for shell in started:
        shell.close()


@pytest.fixture(scope="module")
def shell(start_shell):
    return start_shell(COMPLETIONS)


def candidates(shell, *words):
    """What is offered for the last word."""
    return shell.complete(" ".join(["msi2imds", *words]))[len(words) - 1 :]


def offered_options(shell, *command):
    return {word for word in candidates(shell, *command, "-") if word.startswith("--")}


def offered_options_of_commands(shell):
    return {" ".join(command): offered_options(shell, *command) for command in leaf_commands()}


def expected_options():
    return {" ".join(command): options_of(*command) for command in leaf_commands()}


def offered_commands(shell, *parents):
    return {word for word in candidates(shell, *parents, "") if not word.startswith("-")}


@pytest.mark.parametrize("parents", [[], ["policy"]], ids=["msi2imds", "policy"])
def test_commands_are_offered(shell, parents):
    assert offered_commands(shell, *parents) == set(subcommands_of(*parents))
    assert offered_options(shell, *parents) == options_of(*parents)


def test_options_of_each_command_are_offered(shell):
    assert offered_options_of_commands(shell) == expected_options()


@pytest.mark.parametrize("change", [("--unless-held", "--unless-holt"), ("--observe", ""), ("flush", "flash")])
def test_what_is_missing_is_noticed(start_shell, tmp_path, change):
    for file in COMPLETIONS.iterdir():
        (tmp_path / file.name).write_text(file.read_text().replace(*change))
    shell = start_shell(tmp_path)
    assert (offered_options_of_commands(shell), offered_commands(shell)) != (expected_options(), set(subcommands_of()))


def test_what_was_begun_is_completed(shell):
    assert candidates(shell, "che") == ["check-config"]
    assert candidates(shell, "status", "--w") == ["--wait"]


def test_options_are_offered_behind_others(shell):
    assert "--json" in candidates(shell, "status", "--wait", "5", "--")
    assert "--json" in candidates(shell, "policy", "test", "--config", "x.toml", "--unit", "a.service", "-")


def test_files_are_offered_behind_the_first_one(shell, tmp_path):
    (tmp_path / "one.json").touch()
    words = shell.complete(f"msi2imds callers --merge a.json b.json {tmp_path}/on")
    assert words[-1] == str(tmp_path / "one.json")
    assert "--csv" in candidates(shell, "callers", "--merge", "a.json", "-")


@pytest.mark.parametrize("command", ["run --config", "callers --html", "policy test --program"])
@pytest.mark.parametrize("separator", [" ", "="])
def test_files_are_offered(shell, tmp_path, command, separator):
    (tmp_path / "one.toml").touch()
    words = shell.complete(f"msi2imds {command}{separator}{tmp_path}/on")
    assert words[-1].split("=")[-1] == str(tmp_path / "one.toml")


def test_none_and_users_are_offered_to_policy_test(shell):
    assert candidates(shell, "policy", "test", "--identity", "") == ["none"]
    assert candidates(shell, "policy", "test", "--user", "roo") == ["root"]


def test_nothing_is_offered_where_nothing_is_known(shell):
    assert candidates(shell, "flush", "--resource", "") == []
    assert candidates(shell, "verify", "--resource", "x", "--identity", "") == []
    assert candidates(shell, "status", "--wait", "") == []
    assert candidates(shell, "nosuch", "-") == ["-"]
