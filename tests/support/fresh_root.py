# SPDX-License-Identifier: MIT
"""A Debian in a folder with a checkout in it, on which nothing of the project's needs is installed."""

import pathlib
import shlex
import shutil
import subprocess
import tempfile

from debian_root import debian_root
from programs import CHECKOUT

USER = "builder"
SOURCE = f"/home/{USER}/msi2imds"
# Everything is mounted in a mount namespace of its own, which takes it away with the last process in it. The control
# groups and BPF objects are the machine's.
ENTER = """
set -e
mount --make-rprivate /
mount -t proc proc "$ROOT/proc"
mount --rbind /sys "$ROOT/sys"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/run"
exec chroot --userspec="$OWNER" "$ROOT" /usr/bin/env -i HOME="$HOME_OF_OWNER" USER="$OWNER" TERM=dumb \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd $SOURCE && $COMMAND"
"""


class FreshRoot:
    """Gone on exit. Its packages come from where this machine's do."""

    def __init__(self, *packages):
        self._packages = packages

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="msi2imds-root-"))
        self.path.chmod(0o755)
        archive = debian_root(("apt", "passwd", *self._packages))
        subprocess.run(["tar", "--extract", f"--file={archive}", f"--directory={self.path}"], check=True)
        shutil.rmtree(self.path / "etc/apt")
        shutil.copytree("/etc/apt", self.path / "etc/apt", symlinks=True)
        if pathlib.Path("/usr/share/keyrings").exists():
            shutil.copytree("/usr/share/keyrings", self.path / "usr/share/keyrings", dirs_exist_ok=True)
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")
        subprocess.run(["chroot", self.path, "useradd", "--create-home", USER], check=True)
        (self.path / "etc/sudoers.d").mkdir(exist_ok=True)
        (self.path / f"etc/sudoers.d/{USER}").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
        self._copy_checkout()
        return self

    def _copy_checkout(self):
        source = self.path / SOURCE.lstrip("/")
        command = ["git", "-C", CHECKOUT, "ls-files", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            if (CHECKOUT / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(CHECKOUT / name, source / name, follow_symlinks=False)
        subprocess.run(["chroot", self.path, "chown", "--recursive", f"{USER}:", SOURCE], check=True)

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def run(self, user, *command, timeout=60):
        """A command in the checkout, as this user, without anything of this shell's environment."""
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "ROOT": str(self.path),
            "OWNER": user,
            "HOME_OF_OWNER": "/root" if user == "root" else f"/home/{user}",
            "SOURCE": SOURCE,
            "COMMAND": shlex.join(command),
        }
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER]
        return subprocess.run(enter, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
