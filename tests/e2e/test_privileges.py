# SPDX-License-Identifier: MIT
"""What the supervisor may still do once it has started, and that it suffices for all that may come."""

import os
import pathlib
import re
import resource
import signal
import subprocess

import pytest

import backends
from firewall import our_rules
from kernel_state import bpf_objects_of, descendants_of, name_of, status_of
from legacy_port import a_token_is_served
from programs import program, run_in
from waiting import wait_until

# The kernel's numbers.
NUMBERS = {
    "CAP_DAC_READ_SEARCH": 2, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8,
    "CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_CHROOT": 18, "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39,
}
CAP_SYS_RESOURCE = 24
KEPT = set(NUMBERS) - {"CAP_SYS_ADMIN"}
WITH_OLD_BPF = KEPT - {"CAP_PERFMON", "CAP_BPF"} | {"CAP_SYS_ADMIN"}
every_backend = pytest.mark.parametrize("backend", backends.ALL)


def bits(names):
    return sum(1 << NUMBERS[name] for name in names)


def limited_to(names):
    """As root of a unit that grants these alone."""
    words = ",".join(name.removeprefix("CAP_").lower() for name in sorted(names))
    return ["setpriv", f"--bounding-set=-all,+{words.replace(',', ',+')}", "--inh-caps=-all"]


GRANTED_BY_THE_UNIT = limited_to(KEPT - {"CAP_SYS_CHROOT"})


def sets_of(pid):
    """Empty when the process is gone."""
    status = status_of(pid)
    return {name: int(status[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb") if status}


def assert_holds(service, names):
    held = bits(names)
    assert sets_of(service.pid) == {"Inh": 0, "Prm": held, "Eff": held, "Bnd": held, "Amb": 0}
    assert status_of(service.pid)["NoNewPrivs"] == "1"
    shown = service.status_json()["supervisor"]
    assert (shown["pid"], set(shown["capabilities"])) == (service.pid, set(names))
    assert f"supervisor             pid {service.pid}, CAP_" in service.status().stdout
    for child in descendants_of(service.pid):
        assert all(held & value == value for value in sets_of(child).values()), name_of(child)


@every_backend
def test_holds_no_more_than_it_needs(service, backend):
    assert_holds(service, KEPT)
    assert sets_of(service.responder()) == dict.fromkeys(("Inh", "Prm", "Eff", "Bnd", "Amb"), 0)


def test_an_observer_holds_no_more_either(emulator, new_service):
    observer = new_service()
    observer.options = ["--observe"]
    observer.start()
    assert_holds(observer, KEPT)


def test_keeps_sys_admin_where_nothing_less_is_granted_for_bpf(emulator, new_service, host):
    service = new_service(backends.settings("sk_lookup")).start(wrapper=limited_to(WITH_OLD_BPF))
    assert_holds(service, WITH_OLD_BPF)
    assert a_token_is_served(host)


def test_the_next_responder_starts_with_what_is_left(service, host):
    first = service.responder()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: service.find_responder() not in (None, first), 10, "the next responder runs")
    wait_until(lambda: a_token_is_served(host), 10, "it serves")
    assert_holds(service, KEPT)
    assert set(sets_of(service.responder()).values()) == {0}


@pytest.fixture
def foreign(new_service):
    """A directory in which root may not write without CAP_DAC_OVERRIDE."""
    directory = new_service().directory / "foreign"
    directory.mkdir()
    directory.chmod(0o755)
    os.chown(directory, 4321, 4321)
    return directory


def blame(directory):
    return f"the directory '{directory}' belongs to uid 4321, mode 0755: it has to belong to uid 0, who may write it"


def test_the_start_tells_what_it_could_not_write_later(emulator, new_service, host, foreign):
    settings = {"audit.file": str(foreign / "audit"), "callers.state_file": str(foreign / "callers.json")}
    service = new_service(settings).start()
    lines = service.log_text().splitlines()
    for failure in (
        f"cannot open '{foreign}/audit'",
        f"who called is not kept across a restart: cannot make '{foreign}/callers.json.new'",
    ):
        assert any(failure in line and blame(foreign) in line for line in lines), failure
    assert a_token_is_served(host)
    assert not list(foreign.iterdir())


def test_does_not_start_where_a_new_admin_socket_could_not_be_made_later(new_service, foreign):
    service = new_service({"admin.socket": str(foreign / "admin.sock")}).launch()
    assert service.wait_exit() != 0
    assert "cannot bind admin socket" in service.log_text()
    assert blame(foreign) in service.log_text()


def is_observing(service):
    status = service.status_json()  # without remarks where nothing has answered in time
    return "remarks" in status and not any("callers are looked for" in remark for remark in status["remarks"])


def take_away(service, host):
    """What an administrator may do to a redirection, and to the observer."""
    is_detachable = service.status_json()["backend"] != "sk_lookup"
    links = [number for kind, number in bpf_objects_of(service.pid) if kind == "link" and is_detachable]
    for number in links:
        detached = subprocess.run(["bpftool", "link", "detach", "id", str(number)], capture_output=True, text=True)
        # Once one is missing, all are made anew. What watches a tracepoint nobody can detach but who attached it.
        is_none_left = number != links[0] and "No such file" in detached.stderr
        assert detached.returncode == 0 or is_none_left or "not supported" in detached.stderr, detached.stderr
    run_in(host, "nft", "flush", "ruleset")
    for tool in ("iptables-legacy", "ip6tables-legacy"):
        run_in(host, tool, "-t", "nat", "-F")


@every_backend
def test_what_the_unit_grants_suffices_for_a_repair(emulator, new_service, host, backend):
    service = new_service(backends.settings(backend)).start(wrapper=GRANTED_BY_THE_UNIT)
    assert a_token_is_served(host) and is_observing(service)
    take_away(service, host)
    wait_until(lambda: a_token_is_served(host) and a_token_is_served(host, "::1"), 10, "it redirects again")
    wait_until(lambda: is_observing(service), 10, "it observes again")
    wait_until(lambda: service.status().returncode == 0, 10, "status finds nothing amiss")


@every_backend
def test_what_the_unit_grants_suffices_for_a_reload(emulator, new_service, host, backend):
    """Other ports, another backend, and back."""
    settings = backends.settings(backend)
    other = backends.settings("nftables" if backend != "nftables" else "sk_lookup")
    service = new_service(settings).start(wrapper=GRANTED_BY_THE_UNIT)
    for changed in ({**settings, "legacy.ports": [50343], "redirect.listen_port": 344}, other, settings):
        reload(service, changed)
        assert service.status_json()["backend"] == changed["redirect.backend"]
        assert service.status().returncode == 0
        assert is_observing(service)
    assert a_token_is_served(host)


def reload(service, settings):
    done = service.log_text().count("reload: done")
    service.configure(settings)
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: service.log_text().count("reload: done") > done, 15, "the reload is done")


def test_a_reload_may_raise_the_limit_of_connections(emulator, new_service):
    """Up to the hard limit, which only the start could raise."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    may_raise = sets_of(os.getpid())["Eff"] >> CAP_SYS_RESOURCE & 1
    most = 900000 if may_raise else min(900000, hard - 4096)  # spare ones, and what else is open
    service = new_service({"responder.max_connections": 100}).start()
    responder = service.responder()
    reload(service, {"responder.max_connections": most})
    assert "cannot be raised" not in service.log_text()
    assert service.responder() == responder
    assert soft_limit_of(responder) >= most and soft_limit_of(service.pid) >= most


def soft_limit_of(pid):
    return int(re.search(r"Max open files +(\d+)", pathlib.Path(f"/proc/{pid}/limits").read_text())[1])


def link_of(pins):
    shown = subprocess.run(["bpftool", "link", "show", "pinned", pins / "sk_lookup"], capture_output=True, text=True)
    return re.match(r"\d+", shown.stdout)[0]


def program_of(pins):
    shown = subprocess.run(["bpftool", "link", "show", "pinned", pins / "sk_lookup"], capture_output=True, text=True)
    return re.search(r"prog (\d+)", shown.stdout)[1]


def start_held(held, service):
    options = held.launch_options()
    return service.start(**{**options, "wrapper": [*GRANTED_BY_THE_UNIT, *options["wrapper"]]})


# The link and its program; four of them, and what clients dialled.
PINNED = {"sk_lookup": 2, "cgroup_connect": 9}


@every_backend
def test_what_the_unit_grants_suffices_for_planned_restarts(emulator, new_service, held, host, pins, backend):
    service = start_held(held, new_service({**backends.settings(backend), "redirect.pin_directory": str(pins)}))
    link = link_of(pins) if backend == "sk_lookup" else None
    for _ in range(3):
        service.process.terminate()
        assert service.wait_exit() == 0
        start_held(held, service)
        assert a_token_is_served(host)
        assert not any("pin" in remark for remark in service.status_json()["remarks"])
        assert backend != "sk_lookup" or link_of(pins) == link, "the next process knows the link as ours"
        assert len(list(pins.glob("*"))) == PINNED.get(backend, 0), "links and their programs, and no earlier ones"
    detached = run_in(host, *GRANTED_BY_THE_UNIT, program("msi2imds"), "detach", "--config", service.config)
    assert detached.returncode == 0, detached.stderr
    assert not pins.exists() and not our_rules(host)


@pytest.mark.parametrize("left", ["sk_lookup", "sk_lookup_program"])
def test_a_killed_supervisor_s_pin_is_known_without_sys_admin(emulator, new_service, held, host, pins, left):
    """Whatever it was in the middle of: a replacement pins the new program before it takes the old pin away."""
    settings = {"redirect.backend": "sk_lookup", "redirect.pin_directory": str(pins)}
    service = start_held(held, new_service(settings))
    link = link_of(pins)
    os.kill(service.pid, signal.SIGKILL)
    service.process.wait()
    if left == "sk_lookup_program":  # one of a replacement that did not come to its end
        next(pins.glob("sk_lookup_program_*")).rename(pins / "pinned")
        os.link(pins / "pinned", pins / "sk_lookup_program_1")
        (pins / "pinned").rename(pins / f"sk_lookup_program_{program_of(pins)}")
    start_held(held, service)
    assert link_of(pins) == link
    assert len(list(pins.iterdir())) == 2
    service.detach()
    assert not pins.exists()


def test_says_so_where_a_pin_cannot_be_known(emulator, new_service, held, host, pins):
    """An earlier version has pinned no program."""
    settings = {"redirect.backend": "sk_lookup", "redirect.pin_directory": str(pins)}
    service = start_held(held, new_service(settings))
    service.process.terminate()
    assert service.wait_exit() == 0
    for pinned in pins.glob("sk_lookup_program_*"):
        pinned.unlink()
    start_held(held, service)
    assert any("which may be another's" in remark for remark in service.status_json()["remarks"])
    assert a_token_is_served(host)
    service.stop()
    assert "removed sk_lookup" in service.detach().stdout, "whoever has CAP_SYS_ADMIN can look"
