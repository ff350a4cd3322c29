# SPDX-License-Identifier: MIT
"""packaging/release refuses what is wrong before it builds anything; what it makes is whole, and says where it comes from."""

import json
import os
import re
import shutil
import subprocess

import pytest

from programs import CHECKOUT

VERSION = re.search(r"^project\(msi2imds VERSION (\S+)", (CHECKOUT / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
TAG = f"v{VERSION}"


class Tree:
    """A checkout of its own, ready for its release."""

    def __init__(self, directory, environment):
        self.path = directory
        self._environment = environment

    def git(self, *arguments):
        identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.com", "-c", "safe.directory=*"]
        subprocess.run(["git", *identity, *arguments], cwd=self.path, env=self._environment, check=True, capture_output=True)

    def rewrite(self, name, pattern, text):
        """Commits a change, which takes the tag along."""
        path = self.path / name
        changed, times = re.subn(pattern, text, path.read_text(), count=1, flags=re.MULTILINE | re.DOTALL)
        assert times == 1, f"{pattern} is not in {name}"
        path.write_text(changed)
        self.commit()

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")
        self.git("tag", "--annotate", "--force", "--message", "a release", TAG)

    def release(self, *arguments):
        command = [self.path / "packaging/release", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True)

    def check(self, *arguments, key="tests@example.com", out="published"):
        ended = self.release("--check", "--key", key, "--out", self.path.parent / out, *arguments)
        assert not (self.path / "build").exists(), "something was built"
        return ended


def tracked(*paths):
    command = ["git", "-c", f"safe.directory={CHECKOUT}", "ls-files", "-z", "--", *paths]
    listed = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (CHECKOUT / name).exists()]


def new_tree(directory, home, *paths):
    made = Tree(directory / "checkout", {**os.environ, "GNUPGHOME": home})
    for name in tracked(*paths):
        (made.path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, made.path / name)
    made.git("init", "--quiet")
    made.rewrite("CHANGELOG.md", r"^## Unreleased\n.*", f"## Unreleased\n\n## {VERSION} - 2026-01-02\n\n### Added\n\n- All of it.\n")
    return made


@pytest.fixture
def tree(tmp_path, signing_key):
    """What is looked at before anything is built."""
    return new_tree(tmp_path, signing_key[0], "CMakeLists.txt", "CHANGELOG.md", "docs", "packaging")


def assert_refused(ended, *parts):
    assert (ended.returncode, ended.stdout) == (1, ""), ended.stdout + ended.stderr
    assert ended.stderr.startswith("packaging/release: ") and "Traceback" not in ended.stderr
    for part in parts:
        assert part in ended.stderr


def test_what_is_right_is_not_refused(tree):
    ended = tree.check()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"{TAG} can be built; signed by " in ended.stdout


def test_wrong_arguments_are_refused(tree):
    assert tree.release().returncode == 2
    assert_refused(tree.check("--arch", "mips"), "'mips'", "expected one of amd64, arm64")
    assert_refused(tree.check(key="nobody@example.com"), "no secret key 'nobody@example.com'")
    assert_refused(tree.check(out="checkout"), "is there already")
    assert_refused(tree.check(out="nowhere/published"), "there is no directory")


def test_a_tree_that_is_not_its_tag_is_refused(tree):
    (tree.path / "packaging/new").touch()
    assert_refused(tree.check(), "packaging/new", "commit or remove")
    (tree.path / "packaging/new").unlink()
    tree.git("tag", "--delete", TAG)
    assert_refused(tree.check(), "HEAD has no tag", f"expected tag {TAG}")
    tree.git("tag", "v9.9.9")
    assert_refused(tree.check(), "the tags v9.9.9", f"expected tag {TAG}")
    tree.git("tag", TAG)
    assert_refused(tree.check(), "no author", "--annotate")
    shutil.rmtree(tree.path / ".git")
    assert_refused(tree.check(), "is no checkout of git")


@pytest.mark.parametrize(
    "file, pattern, text, said",
    [
        ("CHANGELOG.md", r"^## Unreleased\n", "## Unreleased\n\n- A line.\n", f"{VERSION} is out, and lines stand under Unreleased"),
        ("CHANGELOG.md", rf"^## Unreleased\n\n## {VERSION} - 2026-01-02", "## Unreleased", "move them to '## "),
        ("CHANGELOG.md", r" - 2026-01-02", "", f"expected '{VERSION} - YYYY-MM-DD'"),
        ("CHANGELOG.md", rf"^## {VERSION}", "## 9.9.9", f"newest section is '9.9.9 - 2026-01-02'; expected '{VERSION} - "),
        ("CHANGELOG.md", r"### Added\n\n- All of it.\n", "", "says nothing"),
        ("CMakeLists.txt", r"VERSION \d+\.\d+\.\d+ ", "", "cannot read the version"),
        ("docs/INSTALL.md", rf"msi2imds-{VERSION}/install.sh", "msi2imds-9.9.9/install.sh", "docs/INSTALL.md names version 9.9.9"),
        ("packaging/coreos/container-linux.ign", rf"msi2imds-{VERSION}", "msi2imds-9.9.9", "container-linux.ign names version 9.9.9"),
    ],
)
def test_texts_that_tell_of_another_version_are_refused(tree, file, pattern, text, said):
    tree.rewrite(file, pattern, text)
    assert_refused(tree.check(), said)


def test_another_architecture_wants_more_tools(tree, tmp_path):
    """Of what is not here, the lists that install it are named."""
    path = tmp_path / "bin"
    path.mkdir()
    for program in {*os.listdir("/usr/bin"), *os.listdir("/usr/sbin")} - {"llvm-strip"}:
        (path / program).symlink_to(shutil.which(program, path="/usr/bin:/usr/sbin") or f"/usr/bin/{program}")
    tree._environment["PATH"] = str(path)
    assert_refused(tree.check(), "cannot find llvm-strip: packaging/install-packages", "packaging/cross-packages")
    assert tree.check("--arch", "amd64").returncode == 0


# Builds all of it twice, without a cache: some ten minutes for each architecture.
@pytest.mark.long
def test_a_release(tmp_path, signing_key):
    tree = new_tree(tmp_path, signing_key[0])
    out = tmp_path / "published"
    ended = tree.release("--key", "tests@example.com", "--out", out)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for signed in ("SHA256SUMS", f"msi2imds-{VERSION}.intoto.json"):
        subprocess.run(["gpg", "--verify", f"{signed}.asc", signed], cwd=out, env=tree._environment, check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=out, check=True)
    listed = {line.split()[1] for line in (out / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in out.iterdir() if path.is_file() and path.suffix != ".asc"} - {"SHA256SUMS"}

    statement = json.loads((out / f"msi2imds-{VERSION}.intoto.json").read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    sums = dict(reversed(line.split()) for line in (out / "SHA256SUMS").read_text().splitlines())
    assert subjects and all(sums[name] == sha256 for name, sha256 in subjects.items())
    for architecture in ("amd64", "arm64"):
        assert {f"msi2imds_{VERSION}-1_{architecture}.deb", f"msi2imds-{VERSION}-{architecture}.spdx.json"} <= subjects.keys()
    source, *tools = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tree.path, capture_output=True, text=True, check=True).stdout.strip()
    assert source["digest"]["gitCommit"] == head
    assert any(tool["name"] == "libbpf-dev" for tool in tools)
    notes = (out / "RELEASE-NOTES.md").read_text()
    assert notes.startswith(f"# msi2imds {VERSION}\n") and "- All of it." in notes
    assert (out / "apt/dists/stable/InRelease").exists() and (out / "yum/repodata/repomd.xml.asc").exists()
