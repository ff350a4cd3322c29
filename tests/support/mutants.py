# SPDX-License-Identifier: MIT
"""The program with something made wrong in it on purpose, which a test has to notice.

A mutant is a patch, tests/mutants/MODULE/NAME.patch, that begins with a sentence on what is wrong then and the name of a
unit test that notices. It never changes the checkout: unit tests are linked with one changed file
(tests/mutants/CMakeLists.txt), and whole programs are built of a copy under build/mutants, which keeps what was built.
"""

import filecmp
import os
import re
import shutil
import subprocess

from programs import CHECKOUT

MUTANTS = CHECKOUT / "tests" / "mutants"
LEFT_OUT = {".git", "build", "compile_commands.json", "node_modules", "__pycache__", ".pytest_cache"}


def all_mutants():
    """Each as MODULE/NAME."""
    return sorted(str(patch.relative_to(MUTANTS).with_suffix("")) for patch in MUTANTS.glob("*/*.patch"))


def what_is_wrong(mutant):
    return (MUTANTS / f"{mutant}.patch").read_text().partition("\n")[0]


def who_notices(mutant):
    """The test that the patch names; empty if it names none."""
    named = re.match(r".*\nNoticed by (\w+\.\w+)\.\n", (MUTANTS / f"{mutant}.patch").read_text())
    return named[1] if named else ""


def files_below(directory):
    """By their names from there."""
    found = set()
    for parent, folders, files in os.walk(directory):
        folders[:] = [folder for folder in folders if folder not in LEFT_OUT]
        found |= {os.path.relpath(os.path.join(parent, file), directory) for file in files if file not in LEFT_OUT}
    return found


def checked(command, directory, what):
    # Compilers' output is found again from another checkout, and from the one that this is a copy of.
    environment = {**os.environ, "CCACHE_BASEDIR": str(directory), "CCACHE_NOHASHDIR": "1"}
    ended = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, f"cannot {what}:\n{(ended.stdout + ended.stderr)[-3000:]}"


class Copy:
    """A copy of the checkout that one of its presets builds."""

    def __init__(self, preset):
        self._preset = preset
        self._source = CHECKOUT / "build" / "mutants" / preset
        self._built = self._source / "build" / preset

    def build(self, target, *mutants):
        """That program of the checkout as it is now, changed by these mutants."""
        self._take_over()
        for mutant in mutants:
            patch = MUTANTS / f"{mutant}.patch"
            command = ["patch", "--strip=1", "--force", "--fuzz=0", "--no-backup-if-mismatch", f"--input={patch}"]
            checked(command, self._source, f"apply {patch}: what it changes has changed meanwhile")
        if not (self._built / "build.ninja").exists():
            checked(["cmake", "--preset", self._preset], self._source, "configure a copy of the checkout")
        build = ["cmake", "--build", "--preset", self._preset, "--target", target]
        checked(build, self._source, f"build {target} with {' and '.join(mutants) or 'no mutant'}")
        return self._built / target

    def _take_over(self):
        """Files that differ are new to the build, whatever their age."""
        self._source.mkdir(parents=True, exist_ok=True)
        wanted = files_below(CHECKOUT)
        for name in files_below(self._source) - wanted:
            (self._source / name).unlink()
        for name in wanted:
            original, copy = CHECKOUT / name, self._source / name
            if not copy.exists() or not filecmp.cmp(original, copy, shallow=False):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(original, copy)
