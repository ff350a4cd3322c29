# SPDX-License-Identifier: MIT
"""What is linked into the program, as SPDX and CycloneDX have it: whole, valid, and the same from the same build."""

import datetime
import hashlib
import json
import os
import re
import subprocess

import pytest

from conftest import packages
from programs import CHECKOUT

BUILD = CHECKOUT / "build/release"
DOCUMENTS = "usr/share/doc/msi2imds"
# SPDX's list has more than 600; these are what we use.
LICENCES = {
    "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-or-later", "LGPL-2.1-only",
    "LGPL-2.1-or-later", "LGPL-3.0-or-later", "MIT", "Zlib",
}  # fmt: skip
EXCEPTIONS = {"GCC-exception-3.1", "Linux-syscall-note"}
PURL = re.compile(r"pkg:(deb|generic)/(\w+/)?[\w.%+-]+@[\w.%+~-]+(\?[a-z]+=[\w.%+~-]+(&[a-z]+=[\w.%+~-]+)*)?")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def extracted(directory):
    """The deb's files."""
    subprocess.run(["dpkg-deb", "--extract", packages("msi2imds_*_amd64.deb")[0], directory], check=True)
    return directory


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return extracted(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def spdx(tree):
    return json.loads((tree / DOCUMENTS / "msi2imds.spdx.json").read_text())


@pytest.fixture(scope="module")
def cyclonedx(tree):
    return json.loads((tree / DOCUMENTS / "msi2imds.cdx.json").read_text())


def is_expression(text):
    """Of SPDX's grammar, annex D: what we use of it."""
    words = re.findall(r"[()]|[^\s()]+", text)
    names = [word for word in words if word not in ("(", ")", "AND", "OR", "WITH")]
    simple = re.sub(r"[^\s()]+ WITH [^\s()]+|[^\s()]+", lambda word: word[0] if word[0] in ("AND", "OR") else "x", text)
    while "(" in simple and re.search(r"\(x( (AND|OR) x)*\)", simple):
        simple = re.sub(r"\(x( (AND|OR) x)*\)", "x", simple)
    return set(names) <= LICENCES | EXCEPTIONS and re.fullmatch(r"x( (AND|OR) x)*", simple) is not None


@pytest.mark.parametrize("text", ["MIT AND (MIT OR GPL-2.0-only)", "GPL-3.0-or-later WITH GCC-exception-3.1", "Zlib"])
def test_good_expressions_are_taken(text):
    assert is_expression(text)


@pytest.mark.parametrize("text", ["MIT OR", "(MIT", "GPL-2", "MIT MIT", "", "MIT and Zlib"])
def test_bad_expressions_are_not(text):
    assert not is_expression(text)


def test_spdx_has_what_version_2_3_requires(spdx):
    assert (spdx["spdxVersion"], spdx["dataLicense"], spdx["SPDXID"]) == ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
    assert spdx["name"] and re.fullmatch(r"https://[^#\s]+", spdx["documentNamespace"])
    assert TIME.fullmatch(spdx["creationInfo"]["created"])
    assert all(re.match(r"(Tool|Person|Organization): \S", creator) for creator in spdx["creationInfo"]["creators"])
    identifiers = [spdx["SPDXID"]]
    for package in spdx["packages"]:
        identifiers.append(package["SPDXID"])
        assert package["name"] and package["versionInfo"] and package["filesAnalyzed"] is False
        assert re.fullmatch(r"https://\S+|NOASSERTION", package["downloadLocation"])
        assert is_expression(package["licenseConcluded"]) and is_expression(package["licenseDeclared"]), package["name"]
        assert package["copyrightText"] and re.fullmatch(r"NOASSERTION|(Organization|Person): .+", package["supplier"])
        for reference in package.get("externalRefs", []):
            assert (reference["referenceCategory"], reference["referenceType"]) == ("PACKAGE-MANAGER", "purl")
            assert PURL.fullmatch(reference["referenceLocator"])
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", identifier) for identifier in identifiers)
    assert len(set(identifiers)) == len(identifiers)
    kinds = {(one["spdxElementId"], one["relationshipType"]) for one in spdx["relationships"]}
    assert ("SPDXRef-DOCUMENT", "DESCRIBES") in kinds and ("SPDXRef-msi2imds", "STATIC_LINK") in kinds
    ends = {one[end] for one in spdx["relationships"] for end in ("spdxElementId", "relatedSpdxElement")}
    assert ends == set(identifiers), "everything is in a relationship, and nothing else"


def test_cyclonedx_has_what_version_1_5_requires(cyclonedx):
    assert (cyclonedx["bomFormat"], cyclonedx["specVersion"], cyclonedx["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", cyclonedx["serialNumber"])
    assert TIME.fullmatch(cyclonedx["metadata"]["timestamp"])
    ours = cyclonedx["metadata"]["component"]
    references = []
    for component in (ours, *cyclonedx["components"]):
        references.append(component["bom-ref"])
        assert component["type"] == ("application" if component is ours else "library")
        assert component["name"] and component["version"] and PURL.fullmatch(component["purl"])
        assert all(list(one) == ["expression"] and is_expression(one["expression"]) for one in component["licenses"])
        assert all(one["name"] and one["value"] for one in component.get("properties", []))
    assert len(set(references)) == len(references)
    assert {one["ref"] for one in cyclonedx["dependencies"]} == set(references)
    assert cyclonedx["dependencies"][0] == {"ref": ours["bom-ref"], "dependsOn": references[1:]}


def test_both_say_the_same_of_the_program_that_ships(tree, spdx, cyclonedx):
    digest = hashlib.sha256((tree / "usr/sbin/msi2imds").read_bytes()).hexdigest()
    assert spdx["packages"][0]["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]
    assert cyclonedx["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    in_spdx = {(one["name"], one["versionInfo"], one["licenseDeclared"]) for one in spdx["packages"][1:]}
    in_cyclonedx = {(one["name"], one["version"], one["licenses"][0]["expression"]) for one in cyclonedx["components"]}
    assert in_spdx == in_cyclonedx


def test_every_static_library_of_the_link_is_in_it(cyclonedx):
    """As the linker was told; of a library that nothing was taken of, nothing is in the program."""
    command = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "msi2imds"], check=True, capture_output=True, text=True)
    link = next(line for line in reversed(command.stdout.splitlines()) if " -o msi2imds " in line)
    told = {os.path.basename(word) for word in link.split() if word.startswith("/usr/lib/") and word.endswith(".a")}
    linked = {name for one in cyclonedx["components"] for property in one["properties"]
              if property["name"] == "msi2imds:in-the-program" for name in property["value"].split(", ")}  # fmt: skip
    empty = {"libboost_container.a", "libpthread.a"}  # the memory of Boost.JSON's own is not used; since glibc 2.34
    assert told - empty <= linked
    assert {"libc.a", "libstdc++.a", "libgcc_eh.a"} <= linked, "what the compiler adds"


def test_headers_that_leave_code_are_in_it(cyclonedx):
    names = {one["name"] for one in cyclonedx["components"]}
    assert {"libfmt-dev", "libspdlog-dev", "libtomlplusplus-dev", "libcli11-dev"} <= names
    assert any(re.fullmatch(r"libboost1\.\d+-dev", name) for name in names)


def test_is_in_every_kind_of_package(spdx):
    names = ("msi2imds.spdx.json", "msi2imds.cdx.json")
    rpm = subprocess.run(["rpm", "--query", "--list", "--package", packages("msi2imds-[0-9]*.x86_64.rpm")[0]],
                         check=True, capture_output=True, text=True).stdout
    tarball = subprocess.run(["tar", "--list", "--file", packages("*-x86_64.tar.gz")[0]], check=True, capture_output=True, text=True).stdout
    image = subprocess.run(["unsquashfs", "-ls", packages("*-x86-64.raw")[0]], check=True, capture_output=True, text=True).stdout
    for name in names:
        assert f"/{DOCUMENTS}/{name}\n" in rpm
        assert f"/share/doc/msi2imds/{name}\n" in tarball
        assert f"/{DOCUMENTS}/{name}\n" in image


def test_a_second_run_gives_the_same_bytes(tree, spdx, tmp_path):
    """Another day, with the time of the commit."""
    created = datetime.datetime.strptime(spdx["creationInfo"]["created"], "%Y-%m-%dT%H:%M:%S%z")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(int(created.timestamp()))}
    command = [CHECKOUT / "packaging/licences/sbom", BUILD / "msi2imds", BUILD / "msi2imds.map", tree / "usr/sbin/msi2imds",
               spdx["packages"][0]["versionInfo"], tmp_path]
    subprocess.run(command, check=True, env=environment)
    for name in ("msi2imds.spdx.json", "msi2imds.cdx.json"):
        assert (tmp_path / name).read_bytes() == (tree / DOCUMENTS / name).read_bytes()


def test_a_library_without_a_licence_is_refused(tmp_path):
    """A licence is named before anything of a new library ships."""
    for name in ("sbom", "libraries"):
        text = (CHECKOUT / "packaging/licences" / name).read_text()
        (tmp_path / name).write_text("\n".join(line for line in text.splitlines() if not line.startswith("libfmt-dev ")) + "\n")
    command = ["/usr/bin/python3", tmp_path / "sbom", BUILD / "msi2imds", BUILD / "msi2imds.map", BUILD / "msi2imds", "0", tmp_path]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "name libfmt-dev and its licence in" in refused.stderr
