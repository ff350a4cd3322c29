# SPDX-License-Identifier: MIT
"""The manual pages: complete, true, readable in any terminal, and always the same bytes."""

import gzip
import re
import shutil
import subprocess
import tomllib

import pytest

from command_help import options_of, options_of_commands
from programs import CHECKOUT, clean_environment, program

PAGES = ["msi2imds.8", "msi2imds.toml.5"]
COLUMNS = 80
PROJECT = f"""
cmake_minimum_required(VERSION 3.25)
project(msi2imds VERSION 0.1.0 LANGUAGES NONE)
list(APPEND CMAKE_MODULE_PATH {CHECKOUT}/cmake)
add_subdirectory({CHECKOUT}/packaging/man man)
"""


def run(*command, **options):
    return subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60, **options)


def configure(directory, *settings):
    """A project of its own with nothing but the pages; returns what CMake said."""
    (directory / "CMakeLists.txt").write_text(PROJECT)
    return run("cmake", "-G", "Ninja", "-S", directory, "-B", directory / "build", *settings, check=True).stdout


def build(directory, *arguments):
    return run("cmake", "--build", directory / "build", *arguments)


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    directory = tmp_path_factory.mktemp("manual")
    configure(directory)
    built = build(directory, "--target", "manual")
    assert built.returncode == 0, built.stdout + built.stderr
    return directory / "build" / "man"


@pytest.fixture(params=PAGES)
def page(request, pages):
    return pages / f"{request.param}.gz"


def plain(page):
    """The page's source without its fonts and escapes."""
    source = gzip.decompress(page.read_bytes()).decode("ascii")
    for escape, character in {r"\-": "-", r"\(aq": "'", r"\:": "", r"\&": ""}.items():
        source = source.replace(escape, character)
    return re.sub(r"\\f[A-Z]", "", source)


def parts(text, macro):
    """What stands below each heading of a kind: name -> text, with the rest of the heading as its first line."""
    found = re.findall(rf"^\.{macro} (.*?)(?=^\.S[HS] |\Z)", text, re.MULTILINE | re.DOTALL)
    return {re.match(r"[A-Z ]+|[a-z-]+(?: [a-z]+)?", part)[0].strip(): part for part in found}


def options_in(text):
    return set(re.findall(r"(?<![\w-])--[a-z0-9-]+", text))


def documented_options(text):
    return {command: options_in(part) for command, part in parts(text, "SS").items()}


def expected_options():
    """--help is the same for all and stands once."""
    return {command: options - {"--help"} for command, options in options_of_commands().items()}


def test_every_command_and_its_options_are_documented_and_no_others(pages):
    assert documented_options(plain(pages / "msi2imds.8.gz")) == expected_options()


def test_an_option_that_is_missing_or_invented_is_noticed(pages):
    text = plain(pages / "msi2imds.8.gz")
    assert documented_options(text.replace("--unless-held", "")) != expected_options()
    assert documented_options(text.replace("--unless-held", "--unless-held --more")) != expected_options()


def test_options_of_all_commands_are_documented_once(pages):
    options = parts(plain(pages / "msi2imds.8.gz"), "SH")["OPTIONS"]
    assert options_in(options) == options_of() | {"--config"}


def test_every_command_tells_its_exit_status(pages):
    commands = parts(plain(pages / "msi2imds.8.gz"), "SS")
    assert [name for name, text in commands.items() if "Exit status: 0 " not in text] == []


def defaults(tmp_path):
    """Every key with its default, from the program, which may miss its user here."""
    nothing = tmp_path / "empty.toml"
    nothing.touch()
    printed = run(program("msi2imds"), "check-config", "--config", nothing, check=False).stdout
    tables = tomllib.loads(printed)
    return {f"{table}.{key}": value for table, keys in tables.items() for key, value in keys.items()}


def test_every_key_is_documented_with_its_default(pages, tmp_path):
    rows = re.findall(r"^\.TP\n([a-z_.]+) \(default (.*)\)$", plain(pages / "msi2imds.toml.5.gz"), re.MULTILINE)
    assert {key: tomllib.loads(f"default = {text}")["default"] for key, text in rows} == defaults(tmp_path)


def test_files_are_those_of_the_defaults(pages, tmp_path):
    files = parts(plain(pages / "msi2imds.8.gz"), "SH")["FILES"]
    default = defaults(tmp_path)
    keys = ["admin.socket", "redirect.pin_directory", "callers.state_file", "audit.file"]
    directories = ["waagent.root", "waagent.state_directory"]
    assert [key for key in keys if f".TP\n{default[key]}\n" not in files] == []
    assert [key for key in directories if f".TP\n{default[key]}/" not in files] == []


def test_mandoc_finds_no_fault(page):
    """Save that there is no date, which would make each build another one."""
    source = gzip.decompress(page.read_bytes()).decode()
    faults = run("mandoc", "-T", "lint", "-W", "warning", input=source).stdout.splitlines()
    assert [fault for fault in faults if "missing date" not in fault] == []


def test_groff_warns_of_nothing(page):
    source = gzip.decompress(page.read_bytes()).decode()
    assert run("groff", "-ww", "-man", "-T", "utf8", input=source).stderr == ""


def test_fits_into_a_terminal(page):
    source = gzip.decompress(page.read_bytes()).decode()
    shown = run("mandoc", "-T", "ascii", "-O", f"width={COLUMNS - 2}", input=source).stdout
    lines = re.sub(".\b", "", shown).splitlines()
    assert len(lines) > 100
    assert [line for line in lines if len(line) > COLUMNS] == []


def test_whatis_finds_it(page):
    known = run("lexgrog", page, check=True).stdout
    assert f'"{page.name.rsplit(".", 2)[0]} - ' in known


def test_elsewhere_and_later_the_same_bytes_are_made(page, tmp_path):
    for source in ("docs", "packaging/man"):
        shutil.copytree(CHECKOUT / source, tmp_path / source, copy_function=shutil.copyfile)
    source = next(tmp_path.rglob(f"{page.stem}.md"))
    again = tmp_path / "again"
    run("bash", tmp_path / "packaging/man/make-page", "0.1.0", source, again, check=True)
    assert again.read_bytes() == page.read_bytes()
    assert again.read_bytes()[4:8] == bytes(4), "the time of compression stands in it"


def test_without_the_converter_everything_else_is_built(tmp_path):
    assert "No manual pages: go-md2man is not installed" in configure(tmp_path, "-DGO_MD2MAN=OFF")
    assert build(tmp_path).returncode == 0
    manual = build(tmp_path, "--target", "manual")
    assert manual.returncode != 0
    assert "need go-md2man: install it" in manual.stdout
