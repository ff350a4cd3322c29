# SPDX-License-Identifier: MIT
"""Image and tarball as packaging/coreos makes them; a pytest plugin."""

import json
import subprocess

import pytest

from programs import CHECKOUT, build_directory, clean_environment, run_in
from raw_http import RESOURCE, token_target
from tokens import audience

COREOS = CHECKOUT / "packaging" / "coreos"
IMAGE = "msi2imds-1.2.3-x86-64.raw"
TARBALL = "msi2imds-1.2.3-x86_64.tar.gz"
NEWER_TARBALL = "msi2imds-1.3.0-x86_64.tar.gz"
# One that each systemd is new enough for, and one that none is.
DROP_INS = (208, 999)
URL = "http://localhost:50342" + token_target()


def make(tool, staged, output):
    environment = clean_environment(SOURCE_DATE_EPOCH="1700000000")
    subprocess.run([COREOS / tool, staged, output], check=True, env=environment, stdout=subprocess.DEVNULL)
    return output


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory):
    return tmp_path_factory.mktemp("coreos")


@pytest.fixture(scope="session")
def staged_tree(artefacts):
    """As packaging/build makes it, and with drop-ins for versions of systemd that are in no table of ours."""
    tree = artefacts / "staged"
    install = ["cmake", "--install", build_directory(), "--component", "msi2imds", "--prefix", "/usr"]
    staged = subprocess.run(install, env=clean_environment(DESTDIR=str(tree)), capture_output=True, text=True)
    assert staged.returncode == 0, f"{staged.stderr}: run packaging/build"
    for since in DROP_INS:
        folder = tree / f"usr/lib/msi2imds/systemd/{since}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "msi2imds.socket.conf").write_text(f"[Unit]\n# {since}\n")
    return tree


@pytest.fixture(scope="session")
def sysext_image(artefacts, staged_tree):
    return make("make-sysext", staged_tree, artefacts / IMAGE)


@pytest.fixture(scope="session")
def tarball(artefacts, staged_tree):
    return make("make-tarball", staged_tree, artefacts / TARBALL)


@pytest.fixture(scope="session")
def newer_tree(artefacts, staged_tree):
    """A version with one unit more, and one document less."""
    newer = artefacts / "newer"
    subprocess.run(["cp", "-R", staged_tree, newer], check=True)
    unit = newer / "usr/lib/systemd/system/msi2imds-newer.service"
    unit.write_text("[Service]\nExecStart=/usr/sbin/msi2imds run\n")
    (newer / "usr/share/doc/msi2imds/copyright").unlink()
    return newer


@pytest.fixture(scope="session")
def newer_image(artefacts, newer_tree):
    return make("make-sysext", newer_tree, artefacts / f"newer-{IMAGE}")


@pytest.fixture(scope="session")
def newer_tarball(artefacts, newer_tree):
    return make("make-tarball", newer_tree, artefacts / NEWER_TARBALL)


def assert_curl_gets_a_token(network):
    curl = run_in(network, "curl", "-sS", "--fail", "--noproxy", "*", "-H", "Metadata:true", URL)
    assert curl.returncode == 0, curl.stderr
    granted = audience(json.loads(curl.stdout)["access_token"])
    assert granted == RESOURCE


def assert_serves(machine, msi2imds):
    status = machine.attempt(msi2imds, "status", "--wait", "10")
    assert status.returncode == 0, status.stdout + status.stderr
    assert_curl_gets_a_token(machine.network)
