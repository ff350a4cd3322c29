#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""documents.py PROGRAM: fails when a document says what is not so: a link or an anchor that leads nowhere, a file of the
tree that is not there, a command, an option, a preset or a unit that does not exist, a key or an example of the configuration
that msi2imds refuses, a metric that it does not have, a change that does not apply, a page that does not say for whom it
is, and a block that no test plays.

PROGRAM is the built msi2imds. Links to other sites are not followed. The check first checks itself: that it finds each
kind of fault.
"""

import functools
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests" / "support"))
READERS = {
    "operators": "an operator",
    "on call": "on call",
    "security officers": "a security officer",
    "packagers": "a packager",
    "developers": "a developer",
}
JSON = "docs/json.md"  # tests/e2e/test_json.py compares its members with what is printed
# Values of "format" in JSON, and not commands.
FORMATS = {"msi2imds fleet", "msi2imds callers"}
MANUAL = "docs/msi2imds.8.md"  # a manual page begins as all of them do
# What plays or compares the blocks of each page: it names the page, or the program that the block starts. Blocks of nothing
# but commands of msi2imds and of systemctl, and examples of the configuration, are looked at here.
BLOCKS = {
    "CONTRIBUTING.md": "tests/checks/first_hour tests/run",
    "README.md": "tests/e2e/test_transcripts.py tests/packaging/test_readme.py",
    "docs/ARCHITECTURE.md": "tests/checks/layering.py",
    "docs/AZURE.md": "tests/packaging/test_azure_files.py",
    "docs/CONTAINERS.md": "tests/e2e/test_transcripts.py tests/packaging/test_kubernetes_files.py",
    "docs/FLEET.md": "tests/e2e/test_transcripts.py",
    "docs/INSTALL.md": "tests/packaging/test_install.py tests/e2e/test_pinned.py",
    "docs/MIGRATION.md": "tests/e2e/test_transcripts.py tests/systemd/test_migration_page.py",
    "docs/PERFORMANCE.md": "tests/run",  # stage bench
    "docs/RELEASING.md": "tests/packaging/test_release.py",
    "docs/TROUBLESHOOTING.md": "tests/e2e/test_troubleshooting.py tests/systemd/test_troubleshooting.py",
    "docs/benchmarks.md": "tests/bench/run",  # itself, by hand: it takes minutes, and has no verdict
    "docs/callers.md": "tests/e2e/test_transcripts.py",
    "docs/configuration.md": "tests/e2e/test_transcripts.py",
    "docs/doctor.md": "tests/checks/documents.py",  # unknown_findings()
    "docs/fault-matrix.md": "tests/e2e/test_transcripts.py",
    "docs/monitoring.md": "tests/systemd/test_service.py",
    "docs/units.md": "tests/systemd/test_units.py",
    "packaging/cloud-init/README.md": "tests/packaging/test_cloud_init.py",
    "packaging/coreos/README.md": "tests/packaging/test_coreos.py",
    "packaging/fleet/ansible/README.md": "tests/packaging/test_fleet.py",
}
OWN_COMMANDS = re.compile(r"((\$ )?(sudo )?(systemctl|msi2imds) .*\n)+")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TREE = re.compile(r"(?<![\w./-])((?:tests|packaging|docs|userspace|bpf|cmake|\.ci|\.githooks)/[\w./+-]*\w)")
# A name in capitals stands for any of its kind.
STANDS_FOR_ANY = re.compile(r"[A-Z]{3,}(?![\w]*\.md)")


@functools.cache
def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


class Program:
    """What msi2imds itself says of its commands and its configuration."""

    def __init__(self, path):
        self._path = path

    def run(self, *arguments):
        return subprocess.run([self._path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)

    @functools.cache
    def help_of(self, *command):
        return self.run(*command, "--help").stdout

    @functools.cache
    def commands_of(self, *command):
        _, _, listed = self.help_of(*command).partition("\nSubcommands:\n")
        return re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE)

    def options_of(self, *command):
        return set(re.findall(r"^  (?:-\w,)?(--[a-z0-9-]+)", self.help_of(*command), re.MULTILINE)) | {"--help"}

    def refusal(self, configuration):
        """What check-config has against it; a user that this machine lacks is no fault of the text."""
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "example.toml")
            path.write_text(configuration)
            said = self.run("check-config", "--config", str(path)).stderr.splitlines()
        return [line for line in said if line.startswith(str(path)) and "or uid = NUMBER" not in line]

    @functools.cache
    def tables(self):
        with tempfile.NamedTemporaryFile(suffix=".toml") as nothing:
            return tomllib.loads(self.run("check-config", "--config", nothing.name).stdout)


def fenced(text):
    return FENCE.findall(text)


def code(text):
    """What stands between single backticks, outside of blocks; a line break is a space."""
    return [" ".join(span.split()) for span in CODE.findall(FENCE.sub("", text))]


def slug(heading):
    heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-")


@functools.cache
def anchors(path):
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.MULTILINE)}


def dead_links(page, text):
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"https?://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (CHECKOUT / page).parent / file if file else CHECKOUT / page
        if not path.exists():
            yield f"leads nowhere: {target}"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path.resolve()):
            yield f"{file or page} has no heading for #{anchor}"


def missing_files(page, text):
    files = tracked()
    for name in set(TREE.findall(re.sub(r"\]\([^)]*\)", "]", text))):
        if STANDS_FOR_ANY.search(name) or name in files or any(file.startswith(f"{name}/") for file in files):
            continue
        if not any(file.endswith(f"/{name}") or file.startswith(f"{name}.") or f"/{name}/" in file for file in files):
            yield f"no such file: {name}"


def words(line):
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def shell_lines(text):
    """Commands of blocks, and those in the text."""
    for kind, block in fenced(text):
        lines = block.splitlines()
        if any(line.startswith("$ ") for line in lines):
            yield from (line[2:] for line in lines if line.startswith("$ "))
        elif kind != "toml":
            yield from lines
    yield from (span for span in code(text) if span not in FORMATS)


def wrong_commands(program, text):
    known = program.commands_of()
    for line in shell_lines(text):
        for part in re.split(r"&&|\|\s|;", line):
            found = words(part.replace("[", " ").replace("]", " "))
            while found and (found[0] == "sudo" or re.fullmatch(r"\w+=\S*", found[0])):
                found = found[1:]
            if not found:
                continue
            if found[0] == "msi2imds" and len(found) > 1 and not found[1].startswith("msi2imds"):
                found = found[1:]
            elif not (found[0] in known and any(word.startswith("--") for word in found)):
                continue
            command = []
            while found and re.fullmatch(r"[a-z-]+", found[0]) and found[0] in program.commands_of(*command):
                command.append(found.pop(0))
            if found and program.commands_of(*command) and re.fullmatch(r"[a-z][a-z-]+", found[0]) and not command:
                yield f"msi2imds has no command '{found[0]}': {line}"
                continue
            options = program.options_of(*command) | ({"--config"} if not command else set())
            for word in found:
                option = re.match(r"--[a-z0-9-]+", word)
                if option and command and option[0] not in options:
                    yield f"'{' '.join(command)}' has no option {option[0]}: {line}"


def wrong_presets_and_units(text):
    presets = json.loads((CHECKOUT / "CMakePresets.json").read_text())
    names = {preset["name"] for kind in ("configurePresets", "buildPresets", "testPresets") for preset in presets[kind]}
    units = {pathlib.Path(file).name for file in tracked("packaging/*.service", "packaging/*.socket", "packaging/*.timer")}
    for line in shell_lines(text):
        for preset in re.findall(r"(?:cmake|ctest)(?: --build)? --preset ([\w-]+)", line):
            if preset not in names and not STANDS_FOR_ANY.search(preset):
                yield f"no such preset: {preset}"
        for unit in re.findall(r"(?<![\w/.-])msi2imds[\w-]*\.(?:service|socket|timer)(?![\w.])", line):
            if unit not in units:
                yield f"no such unit: {unit}"
        if line.startswith(("systemctl ", "sudo systemctl ")):
            for name in re.findall(r"(?<=\s)(?:start-)?msi2imds[\w-]*(?=\s|$)", line.split("#")[0]):
                if f"{name}.service" not in units:
                    yield f"no such unit: {name}"


def examples(text):
    """Of the configuration: blocks, files that a block names, and single lines."""
    for kind, block in fenced(text):
        if kind == "toml":
            yield block
        for name, content in re.findall(r"^# (/etc/\S+)(?:, \S+)*\n((?:(?!# /etc/).*\n)*)", block, re.MULTILINE):
            if name.endswith(".toml"):
                yield content
    for span in code(text):
        if re.fullmatch(r"[a-z_]+\.[a-z_]+ = .+", span) and "…" not in span and "..." not in span and not re.search(r"= [A-Z_]+$", span):
            yield span


def refused_examples(program, text):
    for example in examples(text):
        yield from (f"check-config refuses an example: {line.split('example.toml', 1)[1]}\n    {example}" for line in program.refusal(example))


def unknown_keys(program, text):
    tables = program.tables()
    for span in code(text):
        found = re.fullmatch(r"([a-z_]+)\.([a-z_]+)", span)
        if not found or found[1] not in tables or found[2] in tables[found[1]] or span in members_and_files():
            continue
        if not program_names_key(program, *found.groups()):
            yield f"no such key: {span}"


@functools.cache
def members_and_files():
    return {*code((CHECKOUT / JSON).read_text()), *(pathlib.Path(file).name for file in tracked())}


@functools.cache
def program_names_key(program, table, key):
    return not any("unknown key" in line for line in program.refusal(f"{table}.{key} = 0"))


@functools.cache
def metrics():
    source = (CHECKOUT / "userspace/metrics/snapshot.hpp").read_text()
    families = re.findall(r'all_\.(counter|gauge|histogram)\(\s*"(msi2imds_\w+)"', source)
    suffixes = {"histogram": ("", "_bucket", "_sum", "_count")}
    names = {name + suffix for kind, name in families for suffix in suffixes.get(kind, ("",))}
    # Tables of nftables, settings of Ansible and types of SELinux are no metrics.
    elsewhere = ("userspace/redirect", "packaging/fleet/ansible", "packaging/selinux")
    others = (CHECKOUT / file for file in tracked(*elsewhere) if not file.endswith(".md"))
    return names | {name for file in others for name in re.findall(r"\bmsi2imds_[a-z0-9_]+", file.read_text())}


def faults_of_the_audit():
    """Whether the page has each member of a line, and no other."""
    page = (CHECKOUT / "docs/monitoring.md").read_text()
    section = page.split("\n## A line of the audit\n")[1].split("\n## ")[0]
    documented = {name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    told = {name for name in re.findall(r"`(\w+)`", section.split("one line stands for")[1].split("A token is")[0])}
    source = (CHECKOUT / "userspace/audit/line.cpp").read_text()
    written = {"time", *re.findall(r'line\.\w+\("(\w+)"', source)}
    yield from (f"docs/monitoring.md has no {name}, a member of a line of the audit" for name in written - documented - told)
    yield from (f"docs/monitoring.md: a line of the audit has no member {name}" for name in documented - written)


def unknown_metrics(text):
    for name in set(re.findall(r"(?<![\w/])msi2imds_[a-z0-9_]*[a-z0-9](?![\w/.*-])", text)):
        if name not in metrics():
            yield f"no such metric: {name}"


def changes_that_do_not_apply(text):
    for kind, block in fenced(text):
        if kind == "diff":
            ended = subprocess.run(["git", "apply", "--check"], cwd=CHECKOUT, input=block, capture_output=True, text=True)
            if ended.returncode != 0:
                yield f"a change that is shown does not apply: {ended.stderr.splitlines()[0]}"


def nobodys(page, text):
    """A page that does not say for whom it is, or that README leads no such reader to."""
    first = text.split("\n\n")[1].replace("\n", " ")
    named = [reader for reader in READERS if first.startswith("For ") and reader in first]
    if not named:
        yield f"does not begin with the line that says for whom it is: For {', '.join(READERS)}"
        return
    rows = re.findall(r"^\| (an? [a-z ]+|on call)[^|]*\| (.*) \|$", (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    if not any(f"({page})" in pages or f"({page}#" in pages for who, pages in rows for reader in named if who.startswith(READERS[reader])):
        yield f"README.md leads no reader of it here: {', '.join(named)}"


def unplayed(page, text):
    """A page with blocks of which no test is known, or whose test does not name it."""
    to_play = [block for kind, block in fenced(text) if kind != "toml" and not OWN_COMMANDS.fullmatch(block)]
    if to_play and page not in BLOCKS:
        yield "has a block that no test plays (BLOCKS in tests/checks/documents.py)"
    started = {line.removeprefix("sudo ").split()[0].rsplit("/", 1)[-1] for block in to_play for line in block.splitlines() if line.strip()}
    for test in BLOCKS.get(page, "").split():
        path = CHECKOUT / test
        if not path.exists():
            yield f"no such test: {test}"
        elif not any(name in path.read_text() for name in {pathlib.Path(page).name, *started}):
            yield f"{test}, which is to play its blocks, names neither it nor what they start"


@functools.cache
def literals_of_doctor():
    sources = "".join((CHECKOUT / file).read_text() for file in tracked("userspace/doctor/*.cpp"))
    texts = {text for text in re.findall(r'"((?:[^"\\\n]|\\.)*)"', sources)}
    return sorted({part.replace('\\"', '"') for text in texts for part in text.split("{}") if len(part) >= 7}, key=len, reverse=True)


def unknown_findings(text):
    """A finding of doctor that is shown, and of which the sources have hardly a word."""
    for _, block in fenced(text):
        for line in re.findall(r"^(?:(?:ok|warning|error) +\w+ +|  +-> )(.*)$", block, re.MULTILINE):
            rest = line
            for literal in literals_of_doctor():
                rest = rest.replace(literal, "")
            # Names and versions differ from machine to machine.
            if len(rest) > len(line) * 0.9:
                yield f"doctor says no such thing: {line}"


def faults(program, page, text):
    found = [*dead_links(page, text), *missing_files(page, text), *wrong_commands(program, text), *wrong_presets_and_units(text)]
    found += [*refused_examples(program, text), *unknown_keys(program, text), *unknown_metrics(text), *unplayed(page, text)]
    found += [*unknown_findings(text), *changes_that_do_not_apply(text)]
    if page.startswith("docs/") and page != MANUAL:
        found += nobodys(page, text)
    return found


# A line of a page, and what is wrong with it.
BAD = {
    "[x](nowhere.md)": "leads nowhere",
    "[x](INSTALL.md#nowhere)": "no heading",
    "`tests/e2e/test_nothing.py`": "no such file",
    "`msi2imds explode`": "no command 'explode'",
    "`msi2imds status --nonsense`": "no option --nonsense",
    "`doctor --nonsense`": "no option --nonsense",
    "`cmake --preset nothing`": "no such preset",
    "`systemctl start msi2imds-nothing`": "no such unit",
    "`msi2imds-nothing.timer`": "no such unit",
    "`metrics.port = 70000`": "refuses an example",
    "```toml\n[legacy]\nprots = 1\n```": "refuses an example",
    "`metrics.prot`": "no such key",
    "`msi2imds_nothing_total`": "no such metric",
    "```\nuname\n```": "no test plays",
    "```diff\n--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-Nothing\n+Something\n```": "does not apply",
    "```\n$ msi2imds doctor\nok       backend    The moon is made of cheese.\n```": "no such thing",
    "": "for whom",
}
GOOD = (
    "[x](INSTALL.md#publishing), `tests/e2e/test_json.py`, `sudo msi2imds policy test --uid 1`, `cmake --preset dev`, `metrics.port = 9000`,\n"
    "`systemctl enable msi2imds`, `msi2imds-observe.service`, `metrics.port`, `msi2imds_callers`"
)


def check_itself(program):
    for line, expected in BAD.items():
        start = "For nobody.\n\n" if line == "" else "For operators.\n\n"
        found = faults(program, "docs/nothing.md", f"# Title\n\n{start}{line}\n")
        assert any(expected in fault for fault in found), f"{line!r} is taken: {found}"
    found = faults(program, "docs/INSTALL.md", f"# Title\n\nFor operators.\n\n## Publishing\n\n{GOOD}\n")
    assert not found, found


def main():
    if len(sys.argv) != 2:
        print("usage: documents.py PROGRAM", file=sys.stderr)
        return 2
    program = Program(sys.argv[1])
    check_itself(program)
    pages = [page for page in tracked("*.md") if not page.startswith(".github/")]
    found = [f"{page}: {fault}" for page in pages for fault in faults(program, page, (CHECKOUT / page).read_text())]
    found += faults_of_the_audit()
    print("\n".join(found) or f"{len(pages)} documents say what is so")
    return 1 if found else 0


sys.exit(main())
