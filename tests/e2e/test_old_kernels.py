# SPDX-License-Identifier: MIT
"""Kernels of the age of CentOS 7 and Ubuntu 16.04, as far as system calls go; the iptables of this machine."""

import errno
import json
import shutil

import pytest

from legacy_port import ask
from programs import program, run_in
from raw_http import RESOURCE, token_target
from tokens import assert_legacy_success, audience

KERNELS = ["3.10", "4.4"]
URL = "http://localhost:50342" + token_target()
# Its own mounts only; the process stays the same.
WITHOUT_NFT = ["unshare", "--mount", "sh", "-ec", 'mount --bind /dev/null "$0"; exec "$@"']

# Linux 3.17, 3.17, 3.18, 4.5 and 4.11.
CALLS = {"getrandom": 318, "memfd_create": 319, "bpf": 321, "copy_file_range": 326, "statx": 332}
MISSING = {"3.10": set(CALLS), "4.4": {"bpf", "copy_file_range", "statx"}}
TRY_CALLS = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for name, number in {CALLS}.items():
    if libc.syscall(number, 0, 0, 0, 0, 0, 0) < 0 and ctypes.get_errno() == {errno.ENOSYS}:
        print(name)
"""


def on_old_kernel(kernel, *command):
    return [program("old_syscalls"), kernel, *command]


def without_nft():
    nft = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin")
    return [*WITHOUT_NFT, nft] if nft else []


@pytest.mark.parametrize("kernel", KERNELS)
def test_newer_system_calls_are_missing(host, kernel):
    ended = run_in(host, *on_old_kernel(kernel, "/usr/bin/python3", "-c", TRY_CALLS))
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) == MISSING[kernel]


@pytest.fixture(params=KERNELS)
def old_service(request, emulator, new_service):
    service = new_service({"redirect.backend": "auto"})
    service.kernel = request.param
    return service.start(wrapper=[*without_nft(), *on_old_kernel(request.param)])


def test_iptables_serves_where_nothing_newer_works(old_service, host):
    status = run_in(
        host, *on_old_kernel(old_service.kernel, program("msi2imds"), "status", "--config", old_service.config)
    )
    assert status.returncode == 0, status.stdout + status.stderr
    assert old_service.status_json()["backend"] == "iptables"
    for backend in ("sk_lookup", "cgroup_connect", "nftables"):
        assert f"cannot use {backend}: " in old_service.log_text()
    for address in ("127.0.0.1", "::1"):
        assert_legacy_success(ask(host, address), RESOURCE)
    curl = run_in(host, "curl", "-sS", "--fail", "-H", "Metadata:true", URL)
    assert curl.returncode == 0, curl.stderr
    granted = audience(json.loads(curl.stdout)["access_token"])
    assert granted == RESOURCE
    assert old_service.stop() == 0


def test_no_error_is_logged_on_an_old_kernel(old_service, host):
    assert_legacy_success(ask(host), RESOURCE)
    assert old_service.stop() == 0
    assert " error " not in old_service.log_text()
