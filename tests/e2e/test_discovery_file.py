# SPDX-License-Identifier: MIT
"""The file in which older clients look up the endpoint is there from the cut-over on, and is never somebody else's."""

import json
import stat

from kernel_state import descriptors_of
from waiting import wait_until

OURS = '{"url":"http://localhost:50342"}'


def file_of(service):
    return service.waagent / "ManagedIdentity-Settings"


def test_is_made_with_the_agents_directory(service):
    assert file_of(service).read_text() == OURS
    assert stat.S_IMODE(file_of(service).stat().st_mode) == 0o644
    assert stat.S_IMODE(service.waagent.stat().st_mode) == 0o755
    assert [path.name for path in service.waagent.iterdir()] == ["ManagedIdentity-Settings"]


def test_comes_back_when_it_is_taken(service):
    for _ in range(3):
        file_of(service).unlink()
        wait_until(lambda: file_of(service).exists(), 5, "the file is back")
        assert file_of(service).read_text() == OURS


def test_is_watched_from_the_start_in_a_directory_of_ours(service):
    watches = "".join(descriptors_of(service.pid))
    assert f"inotify wd:1 ino:{service.waagent.stat().st_ino:x} " in watches


def test_comes_back_with_its_directory(service, tmp_path):
    service.waagent.rename(tmp_path / "gone")
    wait_until(lambda: file_of(service).exists(), 5, "the file is back")


def test_another_ones_is_kept_until_that_one_takes_it(emulator, new_service):
    service = new_service()
    service.waagent.mkdir()
    file_of(service).write_text('{"url":"http://localhost:50343"}')
    service.start()
    assert service.status_json()["ports"] == [50343]
    assert file_of(service).read_text() == '{"url":"http://localhost:50343"}'
    service.detach("--purge")
    assert file_of(service).exists()
    service.start()
    file_of(service).unlink()
    wait_until(lambda: file_of(service).exists(), 5, "the file is back")
    assert json.loads(file_of(service).read_text())["url"] == "http://localhost:50343"
    service.detach("--purge")
    assert not file_of(service).exists()


def test_what_is_in_its_place_stays(emulator, new_service, tmp_path):
    service = new_service()
    service.waagent.mkdir()
    file_of(service).symlink_to(tmp_path / "elsewhere")
    service.start()
    service.wait_for_log("older clients may not find the endpoint")
    service.detach("--purge", expect=1)
    assert file_of(service).is_symlink() and not (tmp_path / "elsewhere").exists()


def test_follows_a_reload_and_stays_after_a_stop(service):
    service.configure({"legacy.ports": [50345, 50342]})
    service.process.send_signal(1)
    wait_until(lambda: "50345" in file_of(service).read_text(), 5, "the file follows")
    assert service.stop() == 0
    assert file_of(service).exists()
    assert "removed" in service.detach("--purge").stdout
    assert not file_of(service).exists()


def test_observing_makes_none(emulator, new_service):
    service = new_service()
    service.options = ["--observe"]
    service.start()
    assert not service.waagent.exists()


def test_ports_are_remembered_when_the_extension_is_gone(emulator, new_service):
    service = new_service({"legacy.ports": "auto"})
    service.waagent.mkdir()
    file_of(service).write_text('{"url":"http://localhost:50343"}')
    service.start()
    assert service.stop() == 0
    file_of(service).unlink()
    service.start()
    assert service.status_json()["ports"] == [50343]
    assert "50343: it was found earlier" in service.log_text()
