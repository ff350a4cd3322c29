# SPDX-License-Identifier: MIT
"""What is in the built packages, and that old package managers can read it."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from cloud_machine import DNF, packages_of
from conftest import packages
from debian_root import debian_root
from programs import CHECKOUT

MIB = 1024 * 1024
# lib/rpmds.c of rpm 4.11: what CentOS 7 knows.
RPM_4_11 = {
    "VersionedDependencies", "CompressedFileNames", "PayloadIsBzip2", "PayloadFilesHavePrefix", "ExplicitPackageProvide",
    "HeaderLoadSortsTags", "ScriptletInterpreterArgs", "PartialHardlinkSets", "ConcurrentAccess", "BuiltinLuaScripts",
    "FileDigests", "FileCaps", "PayloadIsLzma", "PayloadIsXz", "ScriptletExpansion",
}  # fmt: skip
# Of one static file: no library; what the scriptlets call.
RPM_NEEDS = {"/bin/sh", "/usr/bin/getent", "/usr/sbin/useradd", "config(msi2imds)"}
CONFIGURATION = {"/etc/logrotate.d/msi2imds", "/etc/msi2imds/msi2imds.toml"}
APPARMOR_PROFILE = "/etc/apparmor.d/msi2imds"


def run(*command):
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def deb():
    return packages("msi2imds_*_amd64.deb")[0]


@pytest.fixture(scope="module")
def rpm():
    return packages("msi2imds-[0-9]*.x86_64.rpm")[0]


@pytest.fixture(scope="module")
def deb_tree(deb, tmp_path_factory):
    tree = tmp_path_factory.mktemp("deb")
    run("dpkg-deb", "--extract", deb, tree)
    return tree


def files_of(tree):
    return {f"/{path.relative_to(tree)}" for path in tree.rglob("*") if not path.is_dir()}


def test_the_program_is_one_small_static_file(deb_tree):
    program = deb_tree / "usr/sbin/msi2imds"
    assert program.stat().st_size <= 5 * MIB
    headers = run("readelf", "--program-headers", "--file-header", program)
    assert "INTERP" not in headers and "DYN (Position-Independent Executable" in headers
    assert ".symtab" not in run("readelf", "--sections", program)
    # Nor do the BPF objects in it have what only debuggers read.
    assert b".BTF.ext" in program.read_bytes() and b".debug_info" not in program.read_bytes()


def test_the_symbols_are_those_of_the_program(deb_tree, tmp_path):
    run("dpkg-deb", "--extract", packages("msi2imds-dbg_*_amd64.deb")[0], tmp_path)
    build_id = re.compile(r"Build ID: (\w+)")
    found = [build_id.search(run("readelf", "--notes", path))[1]
             for path in (deb_tree / "usr/sbin/msi2imds", tmp_path / "usr/lib/debug/usr/sbin/msi2imds.debug")]  # fmt: skip
    assert found[0] == found[1]
    shown = run("gdb", "--batch", "--nx", "-ex", f"set debug-file-directory {tmp_path}/usr/lib/debug",
                "-ex", f"symbol-file {tmp_path}/usr/lib/debug/usr/sbin/msi2imds.debug",
                "-ex", "info line main", deb_tree / "usr/sbin/msi2imds")  # fmt: skip
    assert "main.cpp" in shown


def test_deb_and_rpm_hold_the_same(deb_tree, rpm):
    only_deb = re.compile(
        r"/usr/share/(lintian/|zsh/|doc/msi2imds/(changelog\.Debian\.gz|apparmor\.md))"
        rf"|{APPARMOR_PROFILE}|/usr/lib/msi2imds/systemd/241/"
    )
    in_deb = {path for path in files_of(deb_tree) if not only_deb.match(path)}
    listed = run("rpm", "--query", "--package", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]", rpm).splitlines()
    in_rpm = {line.split()[1] for line in listed if line[0] != "d"}
    assert {path for path in in_rpm if not path.startswith("/usr/share/zsh/")} == in_deb
    assert any(path.startswith("/usr/share/zsh/") for path in in_rpm)


def test_configuration_is_never_overwritten(deb, rpm):
    assert set(run("dpkg-deb", "--info", deb, "conffiles").split()) == {*CONFIGURATION, APPARMOR_PROFILE}
    flags = run("rpm", "--query", "--package", "--queryformat", "[%{FILEFLAGS:fflags} %{FILENAMES}\n]", rpm)
    assert set(re.findall(r"^cn (\S+)$", flags, re.MULTILINE)) == CONFIGURATION


def test_apparmor_understands_the_profiles(deb_tree, tmp_path):
    """What they allow is seen in a virtual machine (test_apparmor.py)."""
    profile = shutil.copy(f"{deb_tree}{APPARMOR_PROFILE}", tmp_path)
    (tmp_path / "local").mkdir()
    for name in ("msi2imds", "msi2imds-responder"):  # setup makes them
        (tmp_path / "local" / name).touch()
    parser = ("apparmor_parser", "--skip-kernel-load", "--skip-cache", "--base", tmp_path, "--Include", "/etc/apparmor.d")
    assert run(*parser, "--names", profile).split() == ["msi2imds", "msi2imds//responder"]
    run(*parser, profile)
    flags = re.findall(r"^ *profile \w+ flags=\((\w+)", pathlib.Path(profile).read_text(), re.MULTILINE)
    assert flags == ["complain"] * 2
    for unit in ("msi2imds", "msi2imds-observe"):
        assert "\nAppArmorProfile=-msi2imds\n" in (deb_tree / f"usr/lib/msi2imds/systemd/241/{unit}.service.conf").read_text()


def test_old_package_managers_can_read_them(deb, rpm):
    members = run("ar", "t", deb).split()
    assert members == ["debian-binary", "control.tar.gz", "data.tar.xz"] or members == ["debian-binary", "control.tar.xz", "data.tar.xz"]
    requires = set(run("rpm", "--query", "--package", "--requires", rpm).splitlines())
    features = {match[1] for line in requires if (match := re.match(r"rpmlib\((\w+)\)", line))}
    assert features <= RPM_4_11
    assert {line.split()[0] for line in requires if not line.startswith("rpmlib(")} <= RPM_NEEDS
    assert run("rpm", "--query", "--package", "--queryformat", "%{PAYLOADCOMPRESSOR}", rpm) == "xz"
    assert not run("rpm", "--query", "--package", "--recommends", "--suggests", "--supplements", rpm)


def test_lintian_is_silent():
    run("lintian", "--fail-on", "error,warning", *packages("*.deb"))


def test_rpmlint_is_silent():
    configuration = CHECKOUT / "packaging/rpm/rpmlint.toml"
    said = run("rpmlint", "--strict", "--config", configuration, *packages("*.rpm"))
    assert "0 errors, 0 warnings" in said


def test_licences_of_all_that_is_linked_in_are_there():
    """Every library of the link line, and every header of another package that the objects were made of."""
    build = CHECKOUT / "build/release"
    link = run("ninja", "-C", build, "-t", "commands", "msi2imds").splitlines()[-1]
    used = {word for word in link.split() if word.startswith("/usr/lib/") and word.endswith(".a")}
    dependencies = run("ninja", "-C", build, "-t", "deps")
    objects = re.split(r"\n(?=\S)", dependencies)
    ours = [text for text in objects if text.startswith("userspace/") or text.startswith("bpf/")]
    used |= {line.strip() for text in ours for line in text.splitlines()[1:] if line.strip().startswith("/usr/")}
    owners = subprocess.run(["dpkg-query", "--search", *map(os.path.realpath, used)], capture_output=True, text=True).stdout
    packages_used = {line.split(":")[0] for line in owners.splitlines() if not line.startswith("diversion")}
    lines = (CHECKOUT / "packaging/licences/libraries").read_text().splitlines()
    named = {name for line in lines if not line.startswith("#") for name in line.split()[0].split("|")}
    # Boost's libraries come from its one source; clang's own headers leave no code.
    left_out = re.compile(r"libboost-\w+1\.\d+-dev|libclang-common-\d+-dev")
    assert {name for name in packages_used - named if not left_out.fullmatch(name)} == set()


@pytest.fixture
def copy(tmp_path):
    """The source in another place, with a blank in its name."""
    copy = tmp_path / "some where else"
    files = run("git", "-C", CHECKOUT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in files:
        if (CHECKOUT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, copy / name, follow_symlinks=False)
    return copy


def sum_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# A part of the program is enough to see where a compiler and its cache put names and directories.
@pytest.mark.parametrize("modules", [("base", "token", "legacy")])
def test_a_part_compiled_elsewhere_has_the_same_bytes(copy, modules):
    """Without a compiler cache that could hand over the first one's."""
    environment = {**os.environ, "CCACHE_DISABLE": "1"}
    for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release", "--target", *modules]):
        built = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
        assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    sums = [
        {module: sum_of(tree / f"build/release/userspace/{module}/lib{module}.a") for module in modules}
        for tree in (CHECKOUT, copy)
    ]
    assert sums[0] == sums[1]


def test_packing_a_second_time_gives_the_same_bytes(rpm, tmp_path):
    epoch = run("rpm", "--query", "--package", "--queryformat", "%{BUILDTIME}", rpm)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "LC_ALL": "C", "TZ": "UTC"}
    command = ["cpack", "-G", "DEB;RPM", "-B", tmp_path]
    packed = subprocess.run(command, cwd=CHECKOUT / "build/release", env=environment, capture_output=True, text=True)
    assert packed.returncode == 0, packed.stdout[-3000:] + packed.stderr[-3000:]
    found = [path for path in sorted(tmp_path.glob("msi2imds*")) if path.suffix in (".deb", ".rpm")]
    assert found and all(sum_of(path) == sum_of(CHECKOUT / "build/packages" / path.name) for path in found)


@pytest.mark.long
def test_a_second_build_gives_the_same_bytes(rpm, copy, signing_key):
    """All that is published, without a compiler cache, and signed."""
    epoch = run("rpm", "--query", "--package", "--queryformat", "%{BUILDTIME}", rpm)
    home, key = signing_key
    settings = {"GNUPGHOME": home, "SOURCE_DATE_EPOCH": epoch, "CCACHE_DISABLE": "1"}
    environment = {**os.environ, **settings}
    architectures = [word for path in packages("msi2imds_*.deb") for word in ("--arch", path.stem.rsplit("_", 1)[1])]
    built = subprocess.run([copy / "packaging/build", *architectures, "--key", key], env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    sums = {}
    for directory in (CHECKOUT / "build/packages", copy / "build/packages"):
        found = [path for path in sorted(directory.glob("msi2imds*")) if not path.name.endswith(".tar.xz")]
        sums[directory] = {path.name: sum_of(path) for path in found}
    first, second = sums.values()
    assert first and first == second
    published = copy / "build/packages"
    signed = ("SHA256SUMS.asc", "apt/dists/stable/InRelease", "yum/repodata/repomd.xml.asc")
    assert all((published / name).exists() for name in signed)


def test_the_repository_scripts_explain_their_use():
    for name in ("make-apt", "make-yum"):
        said = subprocess.run([CHECKOUT / "packaging/repository" / name], capture_output=True, text=True)
        assert (said.returncode, "usage: " in said.stderr) == (2, True)


def test_everything_built_has_its_sum():
    directory = pathlib.Path(CHECKOUT / "build/packages")
    listed = {line.split()[1] for line in (directory / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in directory.glob("msi2imds*")}
    run("sh", "-c", f"cd {directory} && sha256sum --check --quiet SHA256SUMS")


def add_reporter(tree, name):
    """In the place of a program: notes what it was told."""
    program = tree / "usr/sbin" / name
    program.write_text(f'#!/bin/sh\necho "$@" >>/calls.{name}\n')
    program.chmod(0o755)


def calls_of(tree, name):
    """Since it was asked last."""
    calls = tree / f"calls.{name}"
    told = calls.read_text().splitlines()
    calls.unlink()
    return told


def test_rpm_installs_into_a_tree(published, tmp_path):
    """As for an image: no systemd runs there. The scriptlets do all the same, and the erasure undoes what they did."""
    package = published.yum / f"Packages/msi2imds-{published.version}-1.x86_64.rpm"
    tree = tmp_path / "tree"
    tree.mkdir()
    archive = debian_root((*packages_of("bookworm"), *DNF))
    run("tar", "--extract", f"--file={archive}", f"--directory={tree}", "--exclude=./dev/*")
    # Scriptlets of other systems find it there, too.
    (tree / "dev/null").touch()
    add_reporter(tree, "restorecon")
    add_reporter(tree, "semodule")
    before = files_of(tree)
    run("rpm", "--root", tree, "--import", published.yum / "msi2imds.asc")
    assert "digests signatures OK" in run("rpm", "--root", tree, "--checksig", package)
    # What a Debian has is in no database of rpm's; test_old_package_managers_can_read_them looks at the requirements.
    run("rpm", "--root", tree, "--install", "--nodeps", package)
    assert re.search(r"^msi2imds:", (tree / "etc/passwd").read_text(), re.MULTILINE)
    assert (tree / "var/log/msi2imds").is_dir()
    units = tree / "usr/lib/systemd/system"
    labelled = calls_of(tree, "restorecon")
    assert {"-RF /usr/sbin/msi2imds", "-RF /etc/msi2imds", "-RF /var/lib/msi2imds", "-RF /var/log/msi2imds"} <= set(labelled)
    linked = {path.parent.name for path in units.glob("msi2imds*.d/*") if path.name == "239.conf"}
    assert linked == {"msi2imds.service.d", "msi2imds-observe.service.d"}
    assert not list((tree / "etc/systemd").rglob("msi2imds*"))
    run("rpm", "--root", tree, "--verify", "--nodeps", "msi2imds")
    policy = published.yum / f"Packages/msi2imds-selinux-{published.version}-1.noarch.rpm"
    run("rpm", "--root", tree, "--install", "--nodeps", policy)
    assert calls_of(tree, "semodule") == ["-i /usr/share/selinux/packages/msi2imds.pp"]
    assert "-RF /usr/sbin/msi2imds" in calls_of(tree, "restorecon")
    run("unshare", "--net", "--mount", "rpm", "--root", tree, "--erase", "--nodeps", "msi2imds-selinux")
    assert calls_of(tree, "semodule") == ["-r msi2imds"]
    assert "-RF /usr/sbin/msi2imds" in calls_of(tree, "restorecon")
    # Were it to touch a kernel, it would be that of an empty network.
    run("unshare", "--net", "--mount", "rpm", "--root", tree, "--erase", "--nodeps", "msi2imds")
    database = re.compile(r"/(var/lib/rpm|root/\.rpmdb)/")
    left = {path for path in files_of(tree) - before if not database.match(path) and not path.endswith("-")}
    assert left == set()


def test_shell_scripts_are_without_a_finding():
    scripts = ["as-root", "build", "demonstration", "install-packages", "make-sysroot", "quickstart", "setup"]
    scripts += ["licences/collect", "man/make-page", "repository/make-apt", "repository/make-yum", "selinux/make-module"]
    scripts += [f"deb/{name}" for name in ("postinst", "prerm", "postrm")]
    run("shellcheck", *[CHECKOUT / "packaging" / name for name in scripts])
    run("shellcheck", *[CHECKOUT / "tests" / name for name in ("packaging/guest/selinux_story", "support/previous-release")])
    for name in ("post", "posttrans", "preun", "postun", "selinux/post", "selinux/preun", "selinux/postun"):
        run("shellcheck", "--shell=sh", CHECKOUT / "packaging/rpm" / name)
