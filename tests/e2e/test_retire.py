# SPDX-License-Identifier: MIT
"""retire says whether the extension can go, and what is in the way."""

import contextlib
import json
import os
import shutil

import pytest

from extension import Extension
from kernel_state import name_of
from programs import start_in, stop
from raw_http import RawConnection, request
from waiting import wait_until


@pytest.fixture
def extension(host, emulator, new_service):
    idle = new_service()
    with Extension(host, root=idle.waagent) as running:
        yield running


@pytest.fixture
def service(extension, new_service):
    return new_service({"waagent.root": str(extension.root)}).start()


def retire(service):
    ended = service.run("retire", "--json")
    return ended.returncode, json.loads(ended.stdout)


def wrong(report):
    return [check["text"] for check in report["checks"] if not check["good"]]


@pytest.mark.smoke
def test_prints_the_lines_that_remove_it(service):
    code, report = retire(service)
    assert code == 0 and report["can_be_removed"], report
    assert report["commands"].keys() == {"az", "PowerShell", "Ansible"}
    text = service.run("retire").stdout
    assert "The extension can be removed." in text
    assert "az vm extension delete --subscription" in text
    assert "point of no return" in text
    assert "not known yet" in text, "whether the endpoint is used is another question"


def test_a_kept_connection_is_in_the_way(service, extension, host):
    # It was there before the redirection: as through the address that is left alone.
    with contextlib.closing(host.socket()) as early:
        early.bind(("127.0.0.3", 342))
        early.connect(("127.0.0.1", 50342))
        early.sendall(request())
        assert early.recv(12) == b"HTTP/1.1 200"
        code, report = retire(service)
        assert code == 1 and not report["can_be_removed"]
        assert f"127.0.0.3:342 of process {os.getpid()}" in wrong(report)[0]
    wait_until(lambda: retire(service)[0] == 0, 10, "nothing is in the way")


def test_what_is_not_cut_over_cannot_be_removed(extension, new_service):
    idle = new_service({"waagent.root": str(extension.root)})
    code, report = retire(idle)
    assert code == 1, report
    assert "do not arrive at msi2imds" in wrong(report)[0]
    text = idle.run("retire").stdout
    assert "The extension cannot be removed yet." in text and "az vm" not in text


def test_a_missing_discovery_file_is_in_the_way(service, extension):
    extension.discovery_file.unlink()
    extension.discovery_file.mkdir()
    code, report = retire(service)
    assert code == 1 and "ManagedIdentity-Settings" in wrong(report)[0]
    extension.discovery_file.rmdir()


def test_after_the_removal_it_tells_whether_something_broke(service, extension, emulator, host):
    extension.uninstall()
    wait_until(lambda: retire(service)[0] == 0, 10, "the discovery file is back")
    assert "nothing broke" in retire(service)[1]["answer"]
    emulator.stop()
    code, report = retire(service)
    assert code == 1 and report["extension_removed"]
    assert "IMDS does not answer" in wrong(report)[0]
    assert "something is wrong" in service.run("retire").stdout
    emulator.restart()


def test_what_others_call_like_it_is_not_in_the_way(service, extension, host, other_host, tmp_path):
    extension.uninstall()
    named = tmp_path / "msi-extension"
    named.symlink_to(shutil.which("sleep"))
    of_a_user = start_in(host, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", named, 60)
    with Extension(other_host):
        wait_until(lambda: name_of(of_a_user.pid) == "msi-extension", 10, "a user's process is called like it")
        wait_until(lambda: retire(service)[1]["extension_removed"], 10, "it is removed")
    stop(of_a_user)


def test_disabled_it_is_still_to_be_removed(service, extension):
    extension.disable()
    code, report = retire(service)
    assert code == 1 and not report["extension_removed"]


@pytest.mark.emulator_arguments("--scale-set", "front")
def test_names_the_scale_set(service):
    code, report = retire(service)
    assert code == 0, report
    assert "az vmss extension delete" in report["commands"]["az"][0]
    assert "--vmss-name front" in report["commands"]["az"][0]


def test_used_as_a_client_would(service, host):
    with RawConnection(host.connect()) as connection:
        assert connection.ask(request()).status == 200
    service.wait_for_audit(1)
    _, report = retire(service)
    assert report["endpoint"]["kind"] == "in_use"
