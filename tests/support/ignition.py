# SPDX-License-Identifier: MIT
"""What Ignition makes of a configuration before a machine boots for the first time; spec 2.3 and 3."""

import hashlib
import pathlib
import re
import urllib.parse

DATA = "data:,"
# systemd's own units, on whose [Install] section an enabled unit without contents depends.
SYSTEM_UNITS = pathlib.Path("/usr/lib/systemd/system")


def contents_of(contents, downloads):
    """`downloads` has the file behind each URL."""
    source = contents["source"]
    if source.startswith(DATA):
        return urllib.parse.unquote_to_bytes(source[len(DATA) :])
    fetched = downloads[source].read_bytes()
    assert contents["verification"]["hash"] == f"sha512-{hashlib.sha512(fetched).hexdigest()}", source
    return fetched


def write_files(config, root, downloads):
    for file in config["storage"]["files"]:
        path = root / file["path"].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents_of(file["contents"], downloads))
        path.chmod(file["mode"])


def write_units(config, root):
    units = root / "etc/systemd/system"
    for unit in config["systemd"]["units"]:
        if "contents" in unit:
            (units / unit["name"]).write_text(unit["contents"])
        text = unit.get("contents") or (SYSTEM_UNITS / unit["name"]).read_text()
        for target in re.findall(r"^WantedBy=(.*)$", text, re.MULTILINE) if unit["enabled"] else []:
            wants = units / f"{target}.wants"
            wants.mkdir(exist_ok=True)
            folder = "/etc/systemd/system" if "contents" in unit else SYSTEM_UNITS
            (wants / unit["name"]).symlink_to(f"{folder}/{unit['name']}")


def write_users(config, root):
    """As systemd makes users, since the root file system is not there yet."""
    lines = [
        f'u {user["name"]} - "" {user["homeDir"]} {user["shell"]}\n' for user in config.get("passwd", {}).get("users", [])
    ]
    (root / "etc/sysusers.d").mkdir(parents=True)
    (root / "etc/sysusers.d/ignition.conf").write_text("".join(lines))


def apply(config, root, downloads):
    write_files(config, root, downloads)
    write_units(config, root)
    write_users(config, root)
