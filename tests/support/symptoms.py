# SPDX-License-Identifier: MIT
"""docs/TROUBLESHOOTING.md: its headings, and what is shown and what is to be run below each."""

import re

from programs import CHECKOUT

PAGE = (CHECKOUT / "docs" / "TROUBLESHOOTING.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The tests that produce what the page shows.
TESTS = [CHECKOUT / "tests" / directory / "test_troubleshooting.py" for directory in ("e2e", "systemd")]


def blocks_of(kind):
    """By heading, the blocks of that kind below it; but for those of the beginning."""
    sections = re.split(r"^## (.*)\n", PAGE, flags=re.MULTILINE)[1:]
    return {heading: [text for its, text in BLOCK.findall(section) if its == kind] for heading, section in zip(*[iter(sections)] * 2)}


SYMPTOMS = blocks_of("")
COMMANDS = blocks_of("sh")


def heading_of(beginning):
    [heading] = [heading for heading in SYMPTOMS if heading.startswith(beginning)]
    return heading


def assert_seen(beginning, *seen):
    """That each of `seen` has what is shown below the heading that begins so, in that order."""
    shown = SYMPTOMS[heading_of(beginning)]
    assert len(shown) == len(seen)
    for lines, text in zip(shown, seen, strict=True):
        pattern = ".*".join(re.escape(part.strip(" ")) for part in lines.rstrip("\n").split("…"))
        assert re.search(pattern, text), f"{lines} is not in {text}"


def commands_of(beginning):
    """What is to be run below that heading, by root."""
    [commands] = COMMANDS[heading_of(beginning)]
    return commands.replace("sudo ", "").splitlines()


def played():
    """The beginnings of the headings that the tests name."""
    texts = [test.read_text() for test in TESTS]
    return [double or single for text in texts for double, single in re.findall(r"""assert_seen\((?:"([^"]+)"|'([^']+)')""", text)]
