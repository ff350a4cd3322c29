# SPDX-License-Identifier: MIT
"""The story of tests/packaging/guest in a virtual machine with a kernel and a layout of cgroups of its own, no network."""

import pathlib
import shutil
import subprocess
import tempfile

import cloud_machine
from debian_root import debian_root
from namespace import IMDS_ADDRESS

PACKAGES = (*cloud_machine.packages_of("bookworm"), "initramfs-tools", "kmod", "linux-image-cloud-amd64", "udev")
LAYOUTS = {
    "hybrid": "systemd.unified_cgroup_hierarchy=0",
    "legacy": "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1",
}
# Emulation works everywhere; without norandmaps qemu translates each program anew.
COMMAND_LINE = "root=/dev/vda rw console=ttyS0 quiet loglevel=3 systemd.show_status=0 panic=-1 norandmaps"
QEMU = ("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults",
        "-display", "none", "-no-reboot", "-nic", "none", "-device", "virtio-rng-pci")  # fmt: skip
DISK_SIZE = "2G"
# The machine goes with the story.
STORY_UNIT = """
[Unit]
After={after} imds-emulator.service
Wants=imds-emulator.service
[Service]
Type=oneshot
Environment=HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
ExecStart={command}
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/dev/ttyS1
StandardError=file:/dev/ttyS1
"""
ADDRESS_UNIT = f"""
[Unit]
DefaultDependencies=no
Before=imds-emulator.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/ip address add {IMDS_ADDRESS}/32 dev lo
"""


def extract(archive, root):
    """Everything but devices, which udev makes."""
    subprocess.run(["tar", "--extract", f"--file={archive}", f"--directory={root}", "--exclude=./dev/*"], check=True)


def add_wants(files, target, *units):
    directory = files / f"etc/systemd/system/{target}.wants"
    directory.mkdir(parents=True, exist_ok=True)
    for unit in units:
        (directory / unit).symlink_to(f"../{unit}")


def _kernel_of(root, work):
    """Copies of the root's kernel and its initramfs."""
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(next((root / "boot").glob(f"{name}-*")), work / name)


def boot(root, work, command_line, time_limit):
    """What the console of a machine with these files, which go, shows from boot to power-off, and then its second one."""
    _kernel_of(root, work)
    disk, console, story = work / "disk", work / "console", work / "story"
    subprocess.run(["truncate", f"--size={DISK_SIZE}", disk], check=True)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, disk], check=True)
    shutil.rmtree(root)
    command = [
        *QEMU, "-serial", f"file:{console}", "-serial", f"file:{story}", "-drive", f"file={disk},format=raw,if=virtio",
        "-kernel", work / "vmlinuz", "-initrd", work / "initrd.img", "-append", f"{COMMAND_LINE} {command_line}",
    ]  # fmt: skip
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, timeout=time_limit, check=True)
    except subprocess.TimeoutExpired:
        pass  # the console tells how far it came
    return "".join(output.read_text(errors="replace").replace("\r", "") for output in (console, story))


def tell_story(layout, repositories, user_data, arguments, time_limit):
    """What the machine's console shows from boot to power-off, and then what the story printed."""
    with tempfile.TemporaryDirectory(prefix="msi2imds-vm-") as directory:
        work = pathlib.Path(directory)
        root = work / "root"
        root.mkdir()
        extract(debian_root(PACKAGES), root)
        files = work / "files"
        files.mkdir()
        cloud_machine.cloud_files(files, repositories, user_data)
        units = files / "etc/systemd/system"
        command = " ".join(("/srv/story/story.py", *arguments))
        (units / "story.service").write_text(STORY_UNIT.format(after="cloud-final.service", command=command))
        (units / "imds-address.service").write_text(ADDRESS_UNIT)
        add_wants(files, "cloud-init.target", "story.service")
        add_wants(files, "imds-emulator.service", "imds-address.service")
        (files / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
        subprocess.run(["cp", "--recursive", "--no-dereference", f"{files}/.", root], check=True)
        return boot(root, work, LAYOUTS[layout], time_limit)
