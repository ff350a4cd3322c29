# SPDX-License-Identifier: MIT
"""The commands and options of msi2imds, as its own --help shows them."""

import re
import subprocess

from programs import clean_environment, program


def help_of(*command):
    return subprocess.run(
        [program("msi2imds"), *command, "--help"],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def options_of(*command):
    """The long ones."""
    return set(re.findall(r"^  (?:-\w,)?(--[a-z0-9-]+)", help_of(*command), re.MULTILINE))


def values_of(*command):
    """Of each option that takes one, its name and what the value is called."""
    return re.findall(r"^  (--[a-z0-9-]+) ([A-Z]+)\b", help_of(*command), re.MULTILINE)


def subcommands_of(*command):
    _, _, listed = help_of(*command).partition("\nSubcommands:\n")
    return re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE)


def leaf_commands(*parents):
    """Those that do something, as lists of words: not `policy`, but `policy test`."""
    below = subcommands_of(*parents)
    return [leaf for name in below for leaf in leaf_commands(*parents, name)] if below else [list(parents)]


def options_of_commands():
    return {" ".join(command): options_of(*command) for command in leaf_commands()}
