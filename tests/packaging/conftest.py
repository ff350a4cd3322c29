# SPDX-License-Identifier: MIT
"""What packaging/build has made, published in signed repositories with a key of these tests' own."""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

import pytest

pytest.register_assert_rewrite("machine", "cloud_machine")

import session
from cloud_machine import DNF, CloudMachine, packages_of, user_data
from cloud_vm import tell_story
from debian_root import CannotMake, debian_root
from programs import CHECKOUT, build_directory
from story import STEPS

PACKAGES = CHECKOUT / "build" / "packages"
PUBLISH = CHECKOUT / "packaging" / "repository"
# Emulation makes everything ten times slower; what the package manager does is the same on every layout.
STEPS_OF_LAYOUT = {
    "hybrid": [step.__name__ for step in STEPS["apt"]],
    "legacy": ["comes_up", "restart_loses_nothing", "removal_detaches_everything", "purge_leaves_nothing"],
}
VM_SECONDS = 900
# Stands in every token of the emulator and of the extension.
TOKEN_MARK = "EMULATORSECRET"
YUM_REPO = """
[msi2imds]
name=msi2imds
baseurl=file:///srv/yum
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/msi2imds.asc
"""
# RSA: rpm 4.11 and apt 1.0 know nothing newer.
KEY = ("msi2imds tests <tests@example.com>", "rsa4096", "sign", "never")


def pytest_configure():
    session.begin("the packaging tests boot containers: run them as root")


@pytest.fixture(scope="session", autouse=True)
def begin_with_the_slowest(request):
    """Virtual machines take minutes, and one processor: they run beside the other tests."""
    if any("virtual_machines" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("virtual_machines")


@dataclasses.dataclass
class Published:
    """Repositories with the built version; the newer one is in yum and newer_apt, too."""

    version: str
    newer: str
    site: pathlib.Path  # all of it, as an operator publishes it
    apt: pathlib.Path
    newer_apt: pathlib.Path
    yum: pathlib.Path
    tampered_apt: pathlib.Path
    key: str  # armoured


class RpmMachine(CloudMachine):
    """Debian with dnf, to which the packages are those of another system."""

    more_packages = DNF


def use_apt(machine, key):
    """The machine takes packages from its /srv/apt, signed by that key."""
    machine.write("/etc/apt/trusted.gpg.d/msi2imds.asc", key)
    machine.write("/etc/apt/sources.list.d/msi2imds.list", "deb file:///srv/apt stable main\n")
    machine.run("apt-get", "-q", "update")


def use_dnf(machine, key):
    """The machine takes packages from its /srv/yum, signed by that key."""
    machine.write("/etc/yum.repos.d/msi2imds.repo", YUM_REPO)
    machine.write("/etc/pki/rpm-gpg/msi2imds.asc", key)


def outcomes(told):
    """The steps' results by their names; printed, so that a failed run shows the whole story."""
    assert TOKEN_MARK not in told, "a token was printed"
    print(told[-8000:])
    lines = re.findall(r"^(PASS|FAIL) (\w+)(.*)$", told, re.MULTILINE)
    return {name: f"{outcome}{detail}" for outcome, name, detail in lines}


def check(results, step):
    assert step in results, f"the story ended before this step: {results}"
    assert results[step].startswith("PASS"), results[step]


def skip_what_the_mirrors_no_longer_have(suite):
    try:
        debian_root(packages_of(suite), suite)
    except CannotMake as problem:
        if suite != "bullseye":
            raise
        pytest.skip(f"Debian 11: {problem}")


def packages(pattern, directory=PACKAGES):
    found = sorted(directory.glob(pattern))
    assert found, f"{directory}/{pattern} is missing: run packaging/build"
    return found


def version():
    return re.fullmatch(r"msi2imds_(.+)-1_amd64\.deb", packages("msi2imds_*_amd64.deb")[0].name)[1]


def newer_version():
    return f"{version()}.1"


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory):
    """GnuPG's home, and the name of the key in it."""
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)
    environment = {**os.environ, "GNUPGHOME": str(home)}
    command = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", *KEY]
    subprocess.run(command, env=environment, check=True)
    yield str(home), "tests@example.com"
    subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=True)


@pytest.fixture(scope="session")
def newer_packages(tmp_path_factory):
    """deb and rpm that differ from the built ones in their version."""
    directory = tmp_path_factory.mktemp("newer")
    command = ["cpack", "-G", "DEB;RPM", "-D", f"CPACK_PACKAGE_VERSION={newer_version()}", "-B", str(directory)]
    made = subprocess.run(command, cwd=build_directory(), capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    return directory


@pytest.fixture(scope="session")
def base_rpm(tmp_path_factory):
    """Provides what an rpm distribution has, to a machine that is none."""
    directory = tmp_path_factory.mktemp("base")
    spec = pathlib.Path(__file__).with_name("base.spec")
    command = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {directory}", spec]
    subprocess.run(command, check=True, capture_output=True)
    return directory / "RPMS/noarch/base-1-1.noarch.rpm"


@pytest.fixture(scope="session")
def publish(signing_key):
    """Adds packages to a repository, of the kind that its name begins with."""
    home, key = signing_key
    environment = {**os.environ, "GNUPGHOME": home}

    def add(repository, *files):
        command = [PUBLISH / f"make-{repository.name[:3]}", repository, key, *files]
        made = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert made.returncode == 0, made.stdout + made.stderr

    return add


@pytest.fixture(scope="session")
def published(tmp_path_factory, publish, newer_packages, base_rpm):
    directory = tmp_path_factory.mktemp("published")
    publish(directory / "apt", *packages("*.deb"))
    newer_apt = shutil.copytree(directory / "apt", directory / "apt-newer")
    publish(newer_apt, *packages("*.deb", newer_packages))
    publish(directory / "yum", *packages("*.rpm"), *packages("*.rpm", newer_packages), base_rpm)
    tampered = directory / "tampered"
    shutil.copytree(directory / "apt", tampered)
    for name in ("InRelease", "Release"):
        release = tampered / "dists/stable" / name
        release.write_text(release.read_text().replace("Label: msi2imds", "Label: msi2imdz"))
    key_text = (directory / "apt" / "msi2imds.asc").read_text()
    for file in packages("msi2imds*"):
        (directory / file.name).symlink_to(file)
    apt, yum = directory / "apt", directory / "yum"
    return Published(version(), newer_version(), directory, apt, newer_apt, yum, tampered, key_text)


@pytest.fixture(scope="session")
def repositories(published):
    """What a machine of the story has in /srv."""
    return {"apt": published.apt, "apt-newer": published.newer_apt, "tampered": published.tampered_apt}


@pytest.fixture(scope="session")
def virtual_machines(published, repositories):
    """By layout of cgroups, the story to come from there. One machine runs at a time, beside the other tests."""
    seed = user_data("deb", published.apt / "msi2imds.asc")
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as executor:

        def begin(layout, steps):
            arguments = ["apt", published.version, published.newer, *steps]
            return executor.submit(tell_story, layout, repositories, seed, arguments, VM_SECONDS)

        yield {layout: begin(layout, steps) for layout, steps in STEPS_OF_LAYOUT.items()}
