# SPDX-License-Identifier: MIT
"""README's commands on a machine that has nothing, for root without sudo and for others with and without it."""

import re

import pytest

from fresh_root import USER, FreshRoot
from programs import CHECKOUT

COMMANDS = ("packaging/quickstart", "tests/run")


@pytest.fixture(scope="module")
def without_sudo():
    with FreshRoot() as root:
        yield root


@pytest.fixture(scope="module")
def with_sudo():
    with FreshRoot("sudo") as root:
        yield root


def blocks(page):
    return re.findall(r"^```\n(.*?)^```", (CHECKOUT / page).read_text(), re.MULTILINE | re.DOTALL)


def test_readme_begins_with_one_block_for_operators_and_these_commands_for_developers():
    install, develop, *_ = blocks("README.md")
    assert tuple(develop.splitlines()) == COMMANDS
    # Which test_install.py runs; whoever only reads this page starts nothing by it.
    assert blocks("docs/INSTALL.md")[0] == install


def test_root_needs_no_sudo(without_sudo):
    ended = without_sudo.run("root", "packaging/as-root", "id", "-u")
    assert (ended.returncode, ended.stdout) == (0, "0\n"), ended.stderr


def test_another_user_becomes_root_through_sudo(with_sudo):
    ended = with_sudo.run(USER, "packaging/as-root", "id", "-u")
    assert (ended.returncode, ended.stdout) == (0, "0\n"), ended.stderr


@pytest.mark.parametrize("command", [*COMMANDS, "packaging/install-packages packaging/build-packages"])
def test_a_user_without_sudo_is_told_what_to_do(without_sudo, command):
    ended = without_sudo.run(USER, *command.split())
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert re.fullmatch(rf"cannot .* root.*, and this is user {USER}, without sudo; start again as root, or .*", last)
    assert ended.stdout == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_word_is_said(without_sudo, command):
    ended = without_sudo.run("root", command, "--nonsense")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"usage: {command}" in ended.stderr


# Installs a compiler and builds: some minutes each.
@pytest.mark.long
@pytest.mark.parametrize("user", ["root", USER])
def test_quickstart_from_nothing(user):
    with FreshRoot(*() if user == "root" else ("sudo",)) as root:
        for _ in range(2):
            ended = root.run(user, "packaging/quickstart", timeout=1800)
            assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
            assert "Done: nothing listens on port 50342" in ended.stdout
