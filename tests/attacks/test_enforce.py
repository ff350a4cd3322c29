# SPDX-License-Identifier: MIT
"""A user whom the rules refuse asks IMDS itself, past msi2imds, in every way that a connection can be made."""

import json
import os
import re
import signal
import subprocess

import pytest

import cgroup
from direct_imds import WAYS
from firewall import our_rules
from kernel_state import bpf_objects, bpf_objects_of, name_of
from programs import run_in
from waiting import wait_until

ALLOWED, REFUSED = 20001, 20002
REFUSALS = ("EPERM", "ECONNREFUSED")
RULE = f'[[allow]]\nname = "backup"\nuid = {ALLOWED}\n'
NO_BPF = ["setpriv", "--bounding-set=-bpf,-sys_admin,-perfmon", "--"]
# Shows no nft: iptables is what is left.
HIDE_NFT = 'mount --bind /dev/null "$(readlink -f /usr/sbin/nft)"; exec "$@"'
NO_NFT = ["unshare", "--mount", "sh", "-ec", HIDE_NFT, "sh", *NO_BPF]
MECHANISMS = {"bpf": [], "nftables": NO_BPF, "iptables": NO_NFT}


@pytest.fixture
def ask_imds(host, scripts):
    """What a user gets from IMDS itself: "token", or the name of an error."""

    def ask(uid, way="tcp", address="169.254.169.254", port=80):
        ids = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        script = scripts.directory / "direct_imds.py"
        ended = run_in(host, *ids, "/usr/bin/python3", script, way, address, port)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    return ask


@pytest.fixture
def start(emulator, new_service):
    """Starts msi2imds with a rule for ALLOWED, enforced."""

    def started(mechanism=None, close=True, rules=RULE, **settings):
        if mechanism == "bpf":
            settings = {"redirect.cgroups": [cgroup.own_scratch()], **settings}
        service = new_service({"policy.mode": "enforce", "policy.close_imds": close, **settings})
        service.config.write_text(service.config.read_text() + rules)
        return service.start(wrapper=MECHANISMS.get(mechanism, []))

    return started


def direct(service):
    return wait_until(lambda: service.status_json().get("imds"), 20, "the service answers")["direct"]


def test_without_the_closure_a_refused_user_gets_the_token_and_all_say_so(start, ask_imds, row):
    service = start(close=False)
    row("refused user asks IMDS itself, policy.close_imds off", "it is said", ask_imds(REFUSED), None)
    way = "whoever is refused can still ask http://169.254.169.254 itself"
    assert way in service.run("check-config").stderr
    assert way in service.log_text()
    assert direct(service) == {"state": "open", "closed_by": "", "failure": ""}
    assert "open to refused callers" in service.status().stdout
    findings = json.loads(service.run("doctor", "--json").stdout)["findings"]
    assert [finding["level"] for finding in findings if finding["check"] == "direct"] == ["warning"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_refused_user_is_kept_from_imds_itself(start, ask_imds, row, mechanism):
    service = start(mechanism)
    assert direct(service) == {"state": "closed", "closed_by": mechanism, "failure": ""}
    answers = {way: ask_imds(REFUSED, way) for way in WAYS}
    answers = {way: answer for way, answer in answers.items() if answer not in ("EPROTONOSUPPORT", "ENOPROTOOPT")}
    holds = all(answer in REFUSALS for answer in answers.values())
    row(f"refused user asks IMDS itself, {mechanism}", "refused at once", json.dumps(answers), holds)
    assert ask_imds(ALLOWED) == "token"
    assert ask_imds(0) == "token"
    if mechanism != "bpf":  # doctor is in no cgroup of redirect.cgroups
        findings = json.loads(service.run("doctor", "--json").stdout)["findings"]
        assert [finding["level"] for finding in findings if finding["check"] == "direct"] == ["ok"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("ending", ["stop", "kill", "detach"])
def test_all_of_it_is_undone(start, ask_imds, host, mechanism, ending):
    service = start(mechanism)
    objects = bpf_objects_of(service.pid)
    assert ask_imds(REFUSED) in REFUSALS
    if ending == "kill":
        service.process.kill()
        service.wait_exit()
    else:
        service.detach() if ending == "detach" else service.stop()
    wait_until(lambda: ask_imds(REFUSED) == "token", 15, "IMDS is open to all users")
    wait_until(lambda: our_rules(host) == [], 15, "no rule of ours is left")
    wait_until(lambda: not objects & bpf_objects(), 5, "no BPF object of ours is left")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_reload_turns_it_on_and_off_and_changes_whom_it_lets_through(start, ask_imds, mechanism):
    service = start(mechanism, close=False)
    open_to_all = service.config.read_text()
    closed = open_to_all.replace("close_imds = false", "close_imds = true")

    def reload(text):
        count = service.log_text().count("reload: done")
        service.config.write_text(text)
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: service.log_text().count("reload: done") > count, 15, "it has reloaded")

    assert ask_imds(REFUSED) == "token"
    reload(closed)
    assert (ask_imds(REFUSED) in REFUSALS, ask_imds(ALLOWED)) == (True, "token")
    reload(closed.replace(f"uid = {ALLOWED}", f"uid = {REFUSED}"))
    assert (ask_imds(ALLOWED) in REFUSALS, ask_imds(REFUSED)) == (True, "token")
    reload(open_to_all)
    assert ask_imds(ALLOWED) == "token"
    assert direct(service)["state"] == "open"


def test_only_the_canary_is_kept_away(start, ask_imds, host, scripts):
    canary = f"{cgroup.own_scratch()}/canary.service"
    cgroup.make(canary)
    try:
        start("bpf", **{"redirect.cgroups": [canary]})
        assert ask_imds(REFUSED) == "token", "not one of its processes"
        enter = f'echo 0 > {cgroup.directory_of(canary)}/cgroup.procs; exec setpriv --reuid={REFUSED} --clear-groups "$@"'
        script = scripts.directory / "direct_imds.py"
        ended = run_in(host, "sh", "-ec", enter, "sh", "/usr/bin/python3", script, "tcp")
        assert ended.stdout.strip() == "EPERM"
    finally:
        cgroup.remove(canary)


@pytest.mark.parametrize("mechanism", ["bpf", "nftables"])
def test_the_guest_proxy_agents_port_is_no_way_around(start, ask_imds, host, tmp_path, mechanism):
    """Its program may have led a refused user to its port before ours looks at the address."""
    agent = tmp_path / "azure-proxy-agent"
    agent.write_text(
        "import socket\n"
        "listener = socket.create_server(('127.0.0.1', 3080))\n"
        "open('/proc/self/comm', 'w').write('azure-proxy-age')\n"
        "print('ready', flush=True)\n"
        "input()\n"
    )
    service = start(mechanism)
    assert direct(service)["state"] == "closed"
    process = host.popen("/usr/bin/python3", agent, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "ready\n"
        wait_until(lambda: ask_imds(REFUSED, "reach", "127.0.0.1", 3080) in REFUSALS, 10, "its port is closed, too")
        assert ask_imds(ALLOWED, "reach", "127.0.0.1", 3080) == "connected"
        assert ask_imds(0, "reach", "127.0.0.1", 3080) == "connected"
    finally:
        process.communicate("\n")
    wait_until(lambda: direct(service)["state"] == "closed", 5, "it stays closed")


def test_what_a_killed_one_has_left_is_found_and_removed(start, ask_imds, host):
    """Both the service and its guard are killed, as by systemd."""
    service = start("nftables")
    guards = [pid for pid in host.pids() if name_of(pid) == "msi2imds-guard"]
    assert guards
    for pid in guards:
        os.kill(pid, signal.SIGKILL)
    service.process.kill()
    service.wait_exit()
    assert ask_imds(REFUSED) in REFUSALS
    findings = json.loads(service.run("doctor", "--json").stdout)["findings"]
    assert any("has left keeps users from IMDS" in finding["text"] for finding in findings)
    assert "msi2imds_barrier" in service.detach().stdout
    assert ask_imds(REFUSED) == "token"


def test_a_restart_leaves_it_closed(emulator, new_service, held, pins, ask_imds):
    """While the service manager holds the sockets, the next process takes over the redirection, and this with it."""
    settings = {"redirect.backend": "sk_lookup", "redirect.pin_directory": str(pins)}
    service = new_service({"policy.mode": "enforce", "policy.close_imds": True, **settings})
    service.config.write_text(service.config.read_text() + RULE)
    held.start(service)
    assert direct(service) == {"state": "closed", "closed_by": "bpf", "failure": ""}
    service.process.terminate()
    assert service.wait_exit() == 0
    assert (ask_imds(REFUSED), ask_imds(ALLOWED)) == ("EPERM", "token")
    held.start(service)
    assert (ask_imds(REFUSED), ask_imds(ALLOWED)) == ("EPERM", "token")
    left = {re.sub("_program_[0-9]+$", "", pin.name) for pin in pins.iterdir()}
    assert left == {"sk_lookup"}, "the pins of the closure are taken over"
    service.process.terminate()
    assert service.wait_exit() == 0
    assert "bpf: the link pinned at" in service.detach().stdout
    assert ask_imds(REFUSED) == "token"
