# SPDX-License-Identifier: MIT
"""The managed identity VM extension on a machine: its process, and what the Azure agent keeps of it on disk."""

import json
import pathlib
import select
import shutil
import subprocess
import tempfile

from programs import start_in, stop

PROGRAM = pathlib.Path(__file__).with_name("msi-extension")
NAME = "Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux"
DEFAULT_PORT = 50342
START_SECONDS = 10


class Extension:
    """Installed and running from start() to stop(), disable() or uninstall().

    `port` is what the settings say, a number, a string or None for nothing. With protected settings the extension
    does not follow it: it listens on `listen_port`, 50342 unless told. Further arguments are those of the program.
    """

    def __init__(
        self, namespace, *arguments, port=DEFAULT_PORT, listen_port=None, protected=False, root=None, version="1.0.0.10"
    ):
        self._namespace = namespace
        self._arguments = arguments
        self._port_setting = port
        self._protected = protected
        follows_settings = port is not None and not protected
        self.port = listen_port or (int(port) if follows_settings else DEFAULT_PORT)
        self._own_root = None if root else tempfile.mkdtemp(prefix="msi2imds-waagent-", dir="/tmp")
        self.root = pathlib.Path(root or self._own_root)
        self.handler = self.root / f"{NAME}-{version}"
        self.handler_state = self.handler / "config" / "HandlerState"
        self.discovery_file = self.root / "ManagedIdentity-Settings"
        self.process = None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Installs what is missing, enables, and waits until the process listens."""
        assert self.process is None, "the extension runs already"
        self.write_files()
        command = [PROGRAM, "--port", self.port, *self._arguments]
        self.process = start_in(self._namespace, *command, stdout=subprocess.PIPE, text=True)
        readable, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if readable else ""
        assert line == f"listening on 127.0.0.1:{self.port}\n", f"msi-extension did not start: {line!r}"
        return self

    def write_files(self):
        """All that the agent and the extension write when it is enabled, without the process."""
        (self.handler / "config").mkdir(parents=True, exist_ok=True)
        for directory in (self.root, self.handler, self.handler / "config"):
            directory.chmod(0o700)
        self._write("HandlerManifest.json", json.dumps(self._manifest()))
        self._write("HandlerEnvironment.json", json.dumps(self._environment()))
        self._write("msi-extension-handler", "#!/bin/sh\n").chmod(0o700)
        self._write("config/0.settings", json.dumps(self._settings()))
        self._write("config/HandlerState", "Enabled")
        self.discovery_file.write_text(f'{{"url":"http://localhost:{self.port}"}}')

    def stop(self):
        """Ends the process alone; returns its exit status, None when there was no process."""
        if self.process is None:
            return None
        status = stop(self.process)
        self.process.stdout.close()
        self.process = None
        return status

    def disable(self):
        """The files stay."""
        self.stop()
        self.handler_state.write_text("Installed")

    def uninstall(self):
        """As `az vm extension delete`; of the agent's directory the rest stays."""
        self.stop()
        shutil.rmtree(self.handler)
        self.discovery_file.unlink()

    def close(self):
        """Nothing is left, unless the directory was given: then its files are."""
        self.stop()
        if self._own_root:
            shutil.rmtree(self._own_root, ignore_errors=True)

    def _write(self, name, text):
        path = self.handler / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def _manifest(self):
        verbs = ("install", "uninstall", "update", "enable", "disable")
        commands = {f"{verb}Command": f"msi-extension-handler {verb}" for verb in verbs}
        manifest = {**commands, "rebootAfterInstall": False, "reportHeartbeat": False}
        return [{"version": 1.0, "handlerManifest": manifest}]

    def _environment(self):
        folders = {
            "configFolder": str(self.handler / "config"),
            "statusFolder": str(self.handler / "status"),
            "heartbeatFile": str(self.handler / "heartbeat.log"),
            "logFolder": f"/var/log/azure/{NAME}",
        }
        return [{"name": NAME, "version": 1.0, "handlerEnvironment": folders}]

    def _settings(self):
        settings = {"publicSettings": {} if self._port_setting is None else {"port": self._port_setting}}
        if self._protected:
            # Encrypted by the agent; only the extension can read them.
            settings["protectedSettingsCertThumbprint"] = "0" * 40
            settings["protectedSettings"] = "TUlJQg=="
        return {"runtimeSettings": [{"handlerSettings": settings}]}
