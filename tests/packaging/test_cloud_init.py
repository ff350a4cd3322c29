# SPDX-License-Identifier: MIT
"""The user-data with a repository and its key filled in: valid, small, and nothing that old versions do not know."""

import base64
import subprocess

import pytest
import yaml

from programs import CHECKOUT, clean_environment

DIRECTORY = CHECKOUT / "packaging" / "cloud-init"
USER_DATA = sorted(DIRECTORY.glob("*.yaml"))
INSTALL = CHECKOUT / "packaging" / "fleet" / "custom-script" / "install.sh"
URL = "file:///srv"
CUSTOM_DATA_BYTES = 65536 * 3 // 4  # Azure's limit, as if it were on the base64 of it
# Of cloud-init 0.7.5.
OLD_KEYS = {"write_files", "runcmd"}
OLD_FILE_KEYS = {"path", "content", "encoding", "permissions", "owner"}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, **options)


@pytest.fixture(scope="module")
def key(signing_key, tmp_path_factory):
    """The public key: armored in a file, and binary."""
    home, name = signing_key
    environment = clean_environment(GNUPGHOME=home)
    path = tmp_path_factory.mktemp("key") / "key.asc"
    path.write_bytes(run("gpg", "--armor", "--export", name, env=environment).stdout)
    return path, run("gpg", "--export", name, env=environment).stdout


@pytest.fixture(scope="module")
def fill_in(key):
    def fill(path):
        filled = run(DIRECTORY / "fill-in", URL, key[0], path)
        assert filled.returncode == 0, filled.stderr
        return filled.stdout.decode()

    return fill


def written(user_data, path):
    """The content of a file that it writes."""
    (entry,) = [entry for entry in yaml.safe_load(user_data)["write_files"] if entry["path"] == path]
    content = entry["content"]
    return base64.b64decode(content) if entry.get("encoding") == "b64" else content.encode()


@pytest.mark.parametrize("path", USER_DATA, ids=lambda path: path.name)
@pytest.mark.parametrize("filled", [True, False], ids=["filled", "as_shipped"])
def test_is_valid(path, filled, fill_in, tmp_path):
    text = fill_in(path) if filled else path.read_text()
    assert text.startswith("#cloud-config\n")
    assert len(text.encode()) < CUSTOM_DATA_BYTES
    file = tmp_path / "user-data"
    file.write_text(text)
    checked = run("cloud-init", "schema", "--config-file", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert b"Valid" in checked.stdout


@pytest.mark.parametrize("path", [*USER_DATA, INSTALL], ids=lambda path: path.name)
def test_nothing_is_left_to_fill_in(path, fill_in):
    text = fill_in(path)
    for placeholder in ("@KEY", "@INSTALL", "example.com"):
        assert placeholder not in text


@pytest.mark.parametrize("name", ["deb.yaml", "rpm.yaml"])
def test_starts_last_and_proves_it(name, fill_in):
    commands = yaml.safe_load(fill_in(DIRECTORY / name))["runcmd"]
    steps = (("disable", "msi2imds-observe"), ("enable", "msi2imds"), ("start", "msi2imds"))
    assert commands[:3] == [["systemctl", *step] for step in steps]
    assert commands[3][:2] == ["msi2imds", "status"]


def test_deb_trusts_the_key_for_our_repository_alone(fill_in, key):
    text = fill_in(DIRECTORY / "deb.yaml")
    assert written(text, "/etc/apt/keyrings/msi2imds.gpg") == key[1]
    source = yaml.safe_load(text)["apt"]["sources"]["msi2imds.list"]["source"]
    assert source == f"deb [signed-by=/etc/apt/keyrings/msi2imds.gpg] {URL}/apt stable main"


def test_rpm_has_the_repository_checked(fill_in, key):
    text = fill_in(DIRECTORY / "rpm.yaml")
    assert written(text, "/etc/pki/rpm-gpg/RPM-GPG-KEY-msi2imds") == key[0].read_bytes()
    repository = written(text, "/etc/yum.repos.d/msi2imds.repo").decode()
    assert {"gpgcheck=1", "repo_gpgcheck=1", f"baseurl={URL}/yum"} <= set(repository.splitlines())


def test_any_needs_what_old_versions_know_and_brings_the_script(fill_in):
    text = fill_in(DIRECTORY / "any.yaml")
    document = yaml.safe_load(text)
    assert document.keys() == OLD_KEYS
    assert all(entry.keys() <= OLD_FILE_KEYS for entry in document["write_files"])
    assert document["runcmd"] == [["sh", "/run/install-msi2imds", "--cut-over"]]
    assert written(text, "/run/install-msi2imds").decode() == fill_in(INSTALL)


def test_what_is_no_key_is_refused(tmp_path):
    wrong = tmp_path / "key"
    wrong.write_text("none\n")
    refused = run(DIRECTORY / "fill-in", URL, wrong, USER_DATA[0])
    assert refused.returncode == 1 and b"no armored public key" in refused.stderr
    assert run(DIRECTORY / "fill-in", URL).returncode == 2
