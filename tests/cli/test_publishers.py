"""What `pybus-listen` says of the services that should publish what it waits for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pybus
from tests.cli.programs import line_of, run, started
from tests.daemon import PATIENCE, BusDaemon
from tests.forking import Forked

NAME = "org.example.Lamp"
TELLS = f"pybus-listen: {NAME}, which publishes lamp.#,"
MORE = f"; more by: pybus service {NAME}\n"


def offer(daemon: BusDaemon, program: str, **keys: object) -> None:
    """Let the bus know a service that publishes lamp.#, and runs this Python program."""
    keys = {"exec": ["{python}", "-c", program], "topics": ["lamp.#"], **keys}
    daemon.offer(NAME, "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items()))
    daemon.reload()


def said(listening: Forked) -> str:
    """The next line on stderr, without what differs from run to run."""
    return re.sub(r"\d\.\d s", "0 s", line_of(listening.stderr))


def end(listening: Forked) -> tuple[str, str]:
    """Stop listening; what was written and not read yet."""
    listening.terminate()
    return listening.communicate(timeout=PATIENCE)


def test_a_service_that_crashes_again_and_again_is_told_of_once(daemon: BusDaemon, tmp_path: Path) -> None:
    offer(daemon, f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); raise SystemExit(3)")
    with started(daemon, "pybus-listen", "lamp.hall") as listening:
        assert said(listening) == f"{TELLS} exited with status 3 after 0 s; it starts again in 0 s{MORE}"
        while (tmp_path / "runs").read_text() != "xxx":
            pass
        assert end(listening) == ("", "")


def test_who_comes_in_the_middle_of_that_is_told_at_once(daemon: BusDaemon, bob: pybus.Bus) -> None:
    offer(daemon, "raise SystemExit(3)")
    news = bob.subscribe("bus.service.#")
    bob.subscribe("lamp.hall")
    while (one := news.receive(PATIENCE)) is not None and one.body.get("pause", 0) < 4:
        pass  # a pause that is long enough for the command to start on any machine
    with started(daemon, "pybus-listen", "lamp.*") as listening:
        shown = re.sub("again in .*?;", "again in 0 s;", said(listening))
        assert (
            shown
            == f"{TELLS} pausing: exited with status 3 after 0 s before it claimed its name; starts again in 0 s{MORE}"
        )
        end(listening)


def test_one_that_can_not_be_executed_is_told_once(daemon: BusDaemon) -> None:
    offer(daemon, "", exec=["/none/such"])
    line = f"{TELLS} failed: can't be started: /none/such: No such file or directory{MORE}"
    for _ in range(2):
        code, out, err = run(daemon, "pybus-listen", "lamp.hall", "--timeout", "0.3")
        assert (code, out, err) == (0, "", line)


def test_one_that_does_not_claim_its_name_is_told_once(daemon: BusDaemon) -> None:
    offer(daemon, "import time; time.sleep(60)", start_timeout=2, restart="no")
    with started(daemon, "pybus-listen", "lamp.hall") as listening:
        assert said(listening).startswith(f"{TELLS} failed: did not claim its name in ")
        with pybus.connect(daemon.address) as bob:
            while bob.call("org.pybus.Bus", "service", NAME)["state"] != "stopped":
                pass
        assert end(listening) == ("", "")


def test_one_that_is_not_restarted_is_told(daemon: BusDaemon) -> None:
    offer(daemon, "raise SystemExit(3)", restart="no")
    with started(daemon, "pybus-listen", "lamp.hall") as listening:
        assert said(listening) == f"{TELLS} exited with status 3 after 0 s{MORE}"


def test_an_end_as_planned_is_not_told_and_nothing_of_it_is_counted(daemon: BusDaemon, bob: pybus.Bus) -> None:
    offer(daemon, f"import pybus\nwith pybus.connect() as bus:\n    bus.register('{NAME}', {{}})\n    bus.run()\n")
    with started(daemon, "pybus-listen", "lamp.hall", "--count", "1") as listening:
        while bob.call("org.pybus.Bus", "service", NAME)["state"] != "running":
            pass
        bob.call("org.pybus.Bus", "stop_service", NAME)
        while bob.call("org.pybus.Bus", "service", NAME)["state"] != "stopped":
            pass
        bob.publish("lamp.hall", "on")
        assert listening.communicate(timeout=PATIENCE) == ("lamp.hall on\n", "")
        assert listening.returncode == 0


def test_others_and_those_who_listen_to_everything_hear_nothing_of_it(daemon: BusDaemon, bob: pybus.Bus) -> None:
    offer(daemon, "", exec=["/none/such"])
    assert run(daemon, "pybus", "service", NAME, "start")[0] == 1
    for pattern in ("#", "*.hall", "door.#", "bus.name.#"):
        assert run(daemon, "pybus-listen", pattern, "--timeout", "0.05") == (0, "", "")


def test_that_a_service_is_disabled_or_its_file_wrong_is_told_wherever_it_is_missed(daemon: BusDaemon) -> None:
    daemon.configure(f'[services]\ndisabled = ["{NAME}"]\n')
    daemon.offer("org.example.Door", 'exec = "true"\ntopics = 7\n')
    offer(daemon, "")
    off = f"{NAME}, which publishes lamp.#, is disabled in {daemon.configuration}:2"
    file = f"{daemon.services}/org.example.Door.toml"
    wrong = f"a service file has a mistake: {file}:3: topics: must be a list of texts, not 7"
    code, out, err = run(daemon, "pybus", "get", "lamp.hall")
    assert (code, out, err) == (3, "", f"pybus get: no value is retained under lamp.hall; {off}; {wrong}\n")
    code, out, err = run(daemon, "pybus", "get", "other")
    assert (code, out, err) == (3, "", f"pybus get: no value is retained under other; {wrong}\n")
    code, out, err = run(daemon, "pybus", "explain", "lamp.hall")
    assert (code, [line for line in out.splitlines() if line.startswith("service")], err) == (
        3,
        [f"service\tnone; {off}", f"service\tnone; {wrong}"],
        "",
    )
    with started(daemon, "pybus-listen", "lamp.hall") as listening:
        assert [line_of(listening.stderr) for _ in range(2)] == [f"pybus-listen: {off}\n", f"pybus-listen: {wrong}\n"]
        assert end(listening) == ("", "")


def test_a_disabled_service_is_not_told_to_have_no_file(daemon: BusDaemon) -> None:
    daemon.configure(f'[services]\ndisabled = ["{NAME}", "org.example.None"]\n')
    offer(daemon, "")
    place = f"disabled in {daemon.configuration}:2"
    assert run(daemon, "pybus", "service", NAME, "start") == (1, "", f"pybus service: {NAME} is {place}\n")
    code, out, err = run(daemon, "pybus", "call", NAME, "on")
    assert (code, out, err) == (1, "", f"pybus call: nobody owns the name {NAME}; it is {place} (NameHasNoOwner)\n")
    code, out, err = run(daemon, "pybus", "explain", "--call", NAME, "on")
    assert (code, out.splitlines()[:2]) == (
        3,
        [f"nobody\tnobody owns {NAME}", f"service\tnone: it is {place}, so a call starts nothing"],
    )
    code, out, err = run(daemon, "pybus", "service", "org.example.None")
    assert err.startswith("pybus service: no service file describes org.example.None;")
