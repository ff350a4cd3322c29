# SPDX-License-Identifier: MIT
"""The file system of the virtual machine: busybox, our programs, the firewall tools, the kernel's modules.

With Python and the suite of tests/no_gap, where guest_python.py has been packed, too.
"""

import lzma
import pathlib
import shutil
import subprocess

import libraries

HERE = pathlib.Path(__file__).resolve().parent
OUR_PROGRAMS = ("msi2imds", "imds-emulator", "kernel_tests")
# Found by their names in /usr/sbin; the links among them stay links.
TOOLS = ("ip", "nft")
IPTABLES = ("xtables-nft-multi", "xtables-legacy-multi")
# The plain names, where no package manager has chosen between the flavours.
PLAIN = tuple(f"{name}{action}" for name in ("iptables", "ip6tables") for action in ("", "-save", "-restore"))
TOOL_FOLDERS = ("usr/sbin", "sbin", "usr/bin", "bin")
# All of these folders, and what their modules need.
MODULES = ("kernel/net/ipv4/", "kernel/net/ipv6/", "kernel/net/netfilter/")
SKELETON = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/msi2imds/auto.toml": "",
}
DIRECTORIES = ("dev", "proc", "sys", "run", "tmp", "results", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64")


def _copy(source, root, name=None):
    target = root / (name or str(source).lstrip("/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    return target


def _without_links(path, tools):
    """A file of the root directory `tools`, whose links may begin at that root."""
    while path.is_symlink():
        target = path.readlink()
        path = tools / str(target).lstrip("/") if target.is_absolute() else path.parent / target
    return path


def _add_libraries(program, root, tools):
    for library in libraries.of(program, tools):
        _copy(tools / library.lstrip("/"), root, library.lstrip("/"))


def _add_tool(name, root, tools):
    program = next(tools / folder / name for folder in TOOL_FOLDERS if (tools / folder / name).is_symlink() or (tools / folder / name).exists())
    program = _without_links(program, tools)
    _copy(program, root, f"usr/sbin/{name}")
    _add_libraries(program, root, tools)


def _add_iptables(root, tools, plugins):
    """Both flavours, under each name that the package gives them; the plain ones as on this machine."""
    for program in IPTABLES:
        _add_tool(program, root, tools)
    links = {link.name: _without_links(link, tools).name for link in (tools / "usr/sbin").glob("ip*tables*")}
    for name, target in {**dict.fromkeys(PLAIN, IPTABLES[0]), **links}.items():
        if target in IPTABLES:
            (root / "usr/sbin" / name).symlink_to(target)
    shutil.copytree(tools / plugins, root / plugins, symlinks=True)


def build_base(root, programs, architecture):
    """The directory without the modules, the same for every kernel."""
    tools = architecture.tools()
    shutil.rmtree(root, ignore_errors=True)
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for name, content in SKELETON.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    _copy(tools / "bin/busybox", root, "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    (root / "sbin/modprobe").symlink_to("/bin/busybox")  # where the kernel looks for it
    for name in TOOLS:
        _add_tool(name, root, tools)
    _add_iptables(root, tools, f"{architecture.libraries}/xtables")
    for name in OUR_PROGRAMS:
        target = _copy(programs / name, root, f"bin/{name}")
        subprocess.run([architecture.strip, target], check=True)
        _add_libraries(target, root, tools)  # none but in builds for development
    for script in ("init", "serve"):
        _copy(HERE / "guest" / script, root, script if script == "init" else f"bin/{script}").chmod(0o755)


def _module_files(modules):
    """Paths below `modules` of what MODULES names, and of all that they need."""
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        module, needed = line.split(":")
        needs[module] = needed.split()
    wanted = {module for module in needs if module.startswith(MODULES)}
    return wanted.union(*(needs[module] for module in wanted))


def build_modules(root, kernel):
    """The kernel's network modules, plain files whatever the package compressed them with."""
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["depmod", "-b", kernel.root, kernel.version], check=True)
    source = kernel.modules
    target = root / "usr/lib/modules" / kernel.version
    target.mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    for name in sorted(_module_files(source)):
        content = (source / name).read_bytes()
        plain = target / name.removesuffix(".xz")
        plain.parent.mkdir(parents=True, exist_ok=True)
        plain.write_bytes(lzma.decompress(content) if name.endswith(".xz") else content)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        _copy(source / name, target, name)
    subprocess.run(["depmod", "-b", root, kernel.version], check=True)


def pack(directory, archive):
    """The kernel unpacks several archives in one file, each over the one before."""
    with archive.open("ab") as out:
        names = subprocess.run(["find", ".", "-print0"], cwd=directory, check=True, capture_output=True).stdout
        subprocess.run(
            ["cpio", "--null", "--create", "--format=newc", "--owner=+0:+0", "--quiet"],
            cwd=directory, input=names, stdout=out, check=True,
        )
