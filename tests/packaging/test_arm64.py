# SPDX-License-Identifier: MIT
"""arm64 is built on any machine, from libraries that packaging/make-sysroot gets; each kind of package says what it is for."""

import json
import os
import re
import subprocess

import pytest

from conftest import packages
from programs import CHECKOUT

MAKE_SYSROOT = CHECKOUT / "packaging/make-sysroot"
COREOS = CHECKOUT / "packaging/coreos"
CONTROL = """Package: sample
Version: 1
Architecture: {architecture}
Maintainer: somebody <somebody@example.com>
Description: a sample
"""


def run(*command, **variables):
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    return subprocess.run([str(word) for word in command], cwd=CHECKOUT, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def sysroot():
    made = run(MAKE_SYSROOT, "arm64")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_the_preset_configures(sysroot, tmp_path):
    configured = run("cmake", "--preset", "release-arm64", "-B", tmp_path / "build", MSI2IMDS_SYSROOT=sysroot)
    assert configured.returncode == 0, configured.stdout + configured.stderr


def test_the_preset_says_what_is_missing(tmp_path):
    refused = run("cmake", "--preset", "release-arm64", "-B", tmp_path / "build", MSI2IMDS_SYSROOT=tmp_path / "none")
    assert refused.returncode == 1
    said = " ".join(refused.stderr.split())
    assert f"No libraries of arm64 in {tmp_path}/none: packaging/make-sysroot arm64 makes them" in said
    assert "packaging/install-packages packaging/cross-packages" in said


def test_libraries_are_those_of_the_architecture_and_dpkg_knows_them(sysroot):
    shown = run("dpkg-query", f"--admindir={sysroot}/var/lib/dpkg", "--show", "--showformat", "${Architecture} ${Status}", "libc6-dev")
    assert shown.stdout == "arm64 install ok installed"
    owner = run("dpkg-query", f"--admindir={sysroot}/var/lib/dpkg", "--search", "/usr/lib/aarch64-linux-gnu/libz.a")
    assert owner.stdout.startswith("zlib1g-dev:arm64: ")


@pytest.mark.parametrize("arguments", [(), ("amd64",), ("arm64", "armhf"), ("--new", "arm64")])
def test_wrong_arguments_are_refused(arguments):
    refused = run(MAKE_SYSROOT, *arguments)
    assert (refused.returncode, "usage: packaging/make-sysroot [--anew] arm64" in refused.stderr) == (2, True)


def test_a_sysroot_of_ones_own_is_only_looked_at(sysroot, tmp_path):
    assert run(MAKE_SYSROOT, "arm64", MSI2IMDS_SYSROOT=sysroot).stdout == f"{sysroot}\n"
    refused = run(MAKE_SYSROOT, "arm64", MSI2IMDS_SYSROOT=tmp_path)
    assert (refused.returncode, f"no sysroot in {tmp_path}" in refused.stderr) == (1, True)
    assert not list(tmp_path.iterdir())


def test_an_apt_repository_has_the_architectures_of_its_packages(signing_key, tmp_path):
    home, key = signing_key
    repository = tmp_path / "apt"
    for architecture in ("amd64", "arm64"):
        tree = tmp_path / architecture
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(CONTROL.format(architecture=architecture))
        deb = tmp_path / f"sample_1_{architecture}.deb"
        assert run("dpkg-deb", "--root-owner-group", "--build", tree, deb).returncode == 0
        made = run(CHECKOUT / "packaging/repository/make-apt", repository, key, deb, GNUPGHOME=home)
        assert made.returncode == 0, made.stderr
    release = (repository / "dists/stable/Release").read_text()
    assert re.search(r"^Architectures: (.*)$", release, re.MULTILINE)[1].split() == ["amd64", "arm64"]
    for architecture in ("amd64", "arm64"):
        index = (repository / f"dists/stable/main/binary-{architecture}/Packages").read_text()
        assert re.findall(r"^Architecture: (.*)$", index, re.MULTILINE) == [architecture]
        assert f"main/binary-{architecture}/Packages.xz" in release


@pytest.fixture
def staged(tmp_path):
    """A tree with the least that image and tarball are made of."""
    staged = tmp_path / "staged"
    for file in ("usr/sbin/msi2imds", "usr/lib/msi2imds/setup", "usr/lib/systemd/system/a.service", "usr/lib/systemd/system-preset/a",
                 "usr/lib/tmpfiles.d/a", "usr/share/a", "etc/logrotate.d/a", "etc/msi2imds/msi2imds.toml"):  # fmt: skip
        (staged / file).parent.mkdir(parents=True, exist_ok=True)
        (staged / file).write_text("/usr/sbin/msi2imds\n")
    return staged


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_tarball_knows_its_machine(staged, tmp_path, machine):
    made = run(COREOS / "make-tarball", staged, tmp_path / f"sample-1-{machine}.tar.gz")
    assert made.returncode == 0, made.stderr
    script = run("tar", "-xzOf", tmp_path / f"sample-1-{machine}.tar.gz", "sample-1/install.sh").stdout
    assert f"\nmachine={machine} " in script and "@MACHINE@" not in script


@pytest.mark.parametrize("architecture", ["x86-64", "arm64"])
def test_an_image_knows_its_architecture(staged, tmp_path, architecture):
    image = tmp_path / f"sample-1-{architecture}.raw"
    made = run(COREOS / "make-sysext", staged, image)
    assert made.returncode == 0, made.stderr
    release = run("unsquashfs", "-cat", image, "usr/lib/extension-release.d/extension-release.msi2imds").stdout
    assert f"\nARCHITECTURE={architecture}\n" in release


@pytest.mark.parametrize("tool, name, said", [
    ("make-tarball", "sample-1-mips.tar.gz", "MACHINE is x86_64 or aarch64"),
    ("make-sysext", "sample-1-aarch64.raw", "ends in -x86-64.raw or -arm64.raw"),
])  # fmt: skip
def test_an_unknown_architecture_is_refused(staged, tmp_path, tool, name, said):
    refused = run(COREOS / tool, staged, tmp_path / name)
    assert refused.returncode != 0 and said in refused.stderr
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("arguments", [("--arch",), ("--arch", "mips"), ("--arch", "aarch64")])
def test_packages_of_an_unknown_architecture_are_refused(arguments):
    refused = run(CHECKOUT / "packaging/build", *arguments)
    assert (refused.returncode, "expected amd64 or arm64" in refused.stderr) == (2, True)


# The packages themselves, which `packaging/build --arch amd64 --arch arm64` makes: minutes where nothing is cached.


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The deb's."""
    tree = tmp_path_factory.mktemp("deb")
    assert run("dpkg-deb", "--extract", packages("msi2imds_*_arm64.deb")[0], tree).returncode == 0
    return tree / "usr/sbin/msi2imds"


@pytest.mark.long
def test_the_program_is_one_small_static_file_for_arm64(program):
    headers = run("readelf", "--program-headers", "--file-header", "--wide", program).stdout
    assert re.search(r"Machine: +AArch64", headers) and "DYN (Position-Independent Executable" in headers and "INTERP" not in headers
    assert program.stat().st_size <= 5 * 1024 * 1024


@pytest.mark.long
def test_every_kind_of_package_has_it_and_says_so(program, tmp_path):
    content = program.read_bytes()
    deb, rpm = packages("msi2imds_*_arm64.deb")[0], packages("msi2imds-[0-9]*.aarch64.rpm")[0]
    assert run("dpkg-deb", "--field", deb, "Architecture").stdout == "arm64\n"
    assert run("rpm", "--query", "--package", "--queryformat", "%{ARCH}", rpm).stdout == "aarch64"
    readers = (
        ("rpm2cpio {} | cpio -i --quiet --to-stdout ./usr/sbin/msi2imds", rpm),
        ("tar -xzOf {} --wildcards '*/opt/bin/msi2imds'", packages("*-aarch64.tar.gz")[0]),
        ("unsquashfs -cat {} usr/bin/msi2imds", packages("*-arm64.raw")[0]),
    )
    for reader, package in readers:
        read = subprocess.run(reader.format(package), shell=True, capture_output=True)
        assert read.stdout == content, package.name


@pytest.mark.long
def test_symbols_are_those_of_the_program(program, tmp_path):
    run("dpkg-deb", "--extract", packages("msi2imds-dbg_*_arm64.deb")[0], tmp_path)
    ids = [re.search(r"Build ID: (\w+)", run("readelf", "--notes", path).stdout)[1]
           for path in (program, tmp_path / "usr/lib/debug/usr/sbin/msi2imds.debug")]  # fmt: skip
    assert ids[0] == ids[1]


@pytest.mark.long
def test_licences_and_bill_of_materials_are_of_the_targets_libraries(program, sysroot):
    documents = program.parents[1] / "share/doc/msi2imds"
    libraries = json.loads((documents / "msi2imds.spdx.json").read_text())["packages"][1:]
    installed = run("dpkg-query", f"--admindir={sysroot}/var/lib/dpkg", "--show", "--showformat", "${Package} ${Version}\n").stdout.splitlines()
    licences = subprocess.run(["gzip", "-dc", documents / "third-party.gz"], capture_output=True, text=True).stdout
    assert len(libraries) > 10
    for one in libraries:
        assert re.search(r"arch=(arm64|all)&", one["externalRefs"][0]["referenceLocator"])
        assert f"{one['name']} {one['versionInfo']}" in installed
        assert f"{one['name']} {one['versionInfo']} (source: " in licences


@pytest.mark.long
def test_stripping_and_packing_a_second_time_gives_the_same_bytes(tmp_path):
    build = CHECKOUT / "build/release-arm64"
    epoch = run("rpm", "--query", "--package", "--queryformat", "%{BUILDTIME}", packages("msi2imds-[0-9]*.aarch64.rpm")[0]).stdout
    for file in (build / "packaging/stripped").iterdir():
        file.unlink()
    stripped = run("cmake", "--build", build, "--target", "package_files", SOURCE_DATE_EPOCH=epoch)
    assert stripped.returncode == 0, stripped.stdout + stripped.stderr
    packed = run("cpack", "--config", build / "CPackConfig.cmake", "-G", "DEB;RPM", "-B", tmp_path,
                 SOURCE_DATE_EPOCH=epoch, LC_ALL="C", TZ="UTC")  # fmt: skip
    assert packed.returncode == 0, packed.stdout[-3000:] + packed.stderr[-3000:]
    found = [path for path in tmp_path.glob("msi2imds*") if path.suffix in (".deb", ".rpm")]
    assert len(found) == 5  # two debs, two rpms, and the policy, which is for all architectures
    assert all(path.read_bytes() == (CHECKOUT / "build/packages" / path.name).read_bytes() for path in found)
