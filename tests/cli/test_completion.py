"""`pybus complete`, and what bash, zsh and fish make of it when a person presses Tab."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import pybus
from tests.cli.programs import BIN, run
from tests.cli.terminal import SHELLS, Terminal, write_completions
from tests.daemon import PATIENCE, SHIPPED, BusDaemon

ODD_TOPICS = (
    "a1.$(touch${IFS}x)",
    "a2.`touch<x`",
    "a3.;touch&x|y",
    'a4.say"hi"',
    "a5.it's'",
    "a6.back\\slash",
    "a7.b=c:d@e",
    "a8.{1,2}[a-z]?",
    "a9.~ü…",
    "b1.>x",
    "b2.$HOME",
    "b3.!x!",
    "~b4.x",
)
"""What a stranger may publish to."""


class Player:
    """Plays films."""

    def play(self, uri: str) -> None:
        """Start playing."""

    def pause(self) -> None:
        """Stop for a while."""


def retain(bus: pybus.Bus, *topics: str) -> None:
    for topic in topics:
        bus.publish(topic, "kept", retain=True)
    bus.flush()


def needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")


# --- pybus complete -------------------------------------------------------------------------------


def test_topics_are_those_that_are_kept_and_those_that_somebody_awaits(daemon: BusDaemon, bob: pybus.Bus) -> None:
    retain(bob, "demo.door", "demo.window", "other.door")
    bob.subscribe("demo.bell", "demo.#")
    bob.flush()
    assert run(daemon, "pybus", "complete", "topics", "demo.") == (0, "demo.bell\ndemo.door\ndemo.window\n", "")
    assert run(daemon, "pybus", "complete", "patterns", "demo") == (
        0,
        "demo.#\ndemo.bell\ndemo.door\ndemo.window\n",
        "",
    )


def test_names_are_the_owned_ones_and_unique_names_only_if_asked_for(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.register("org.example.Player", Player())
    assert run(daemon, "pybus", "complete", "names", "org.example") == (0, "org.example.Player\n", "")
    assert "org.pybus.Bus\n" in run(daemon, "pybus", "complete", "names", "")[1]
    assert run(daemon, "pybus", "complete", "names", ":") == (0, ":1\n", "")


async def test_methods_are_those_of_the_owner(daemon: BusDaemon) -> None:
    async with pybus.aio.connect(daemon.address) as alice:
        await alice.register("org.example.Player", Player())
        command = [str(BIN / "pybus"), "complete", "methods"]
        for name in ("org.example.Player", alice.name):
            done = await _finish([*command, name, "p"], daemon)
            assert done == (0, "pause\nplay\n", "")
    assert run(daemon, "pybus", "complete", "methods", "org.pybus.Bus", "pin") == (0, "ping\n", "")
    assert run(daemon, "pybus", "complete", "methods", "org.example.Player", "") == (0, "", "")


async def _finish(command: list[str], daemon: BusDaemon) -> tuple[int | None, str, str]:
    import asyncio

    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=daemon.environ, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    return process.returncode, out.decode(), err.decode()


def test_a_topic_that_looks_like_an_option_is_not_offered(daemon: BusDaemon, bob: pybus.Bus) -> None:
    retain(bob, "--file=x", "-h", "demo.door")
    assert run(daemon, "pybus", "complete", "topics", "") == (0, "demo.door\n", "")


def test_without_a_bus_it_says_nothing(daemon: BusDaemon) -> None:
    daemon.stop()
    assert run(daemon, "pybus", "complete", "topics", "") == (0, "", "")


def test_it_says_nothing_after_a_crash_that_left_socket_and_lock(daemon: BusDaemon) -> None:
    daemon.kill()
    assert run(daemon, "pybus", "complete", "topics", "") == (0, "", "")


def test_it_does_not_connect_to_a_socket_on_which_no_bus_runs_yet(daemon: BusDaemon) -> None:
    """Such as systemd's, which would start one."""
    daemon.stop()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(daemon.path)
        listening.listen()
        listening.setblocking(False)
        assert run(daemon, "pybus", "complete", "names", "") == (0, "", "")
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_bus_that_hangs_does_not_hang_the_shell(daemon: BusDaemon) -> None:
    daemon.process.send_signal(signal.SIGSTOP)
    assert run(daemon, "pybus", "complete", "names", "") == (0, "", "")
    daemon.process.send_signal(signal.SIGCONT)


def test_services_are_named_and_not_started(daemon: BusDaemon, bob: pybus.Bus) -> None:
    daemon.offer("org.example.Lamp", 'exec = ["false"]\ntopics = ["demo.lamp.#", "demo.light"]\n')
    daemon.reload()
    assert run(daemon, "pybus", "complete", "services", "org.example") == (0, "org.example.Lamp\n", "")
    assert run(daemon, "pybus", "complete", "names", "org.example") == (0, "org.example.Lamp\n", "")
    assert run(daemon, "pybus", "complete", "topics", "demo") == (0, "demo.light\n", "")
    assert run(daemon, "pybus", "complete", "patterns", "demo") == (0, "demo.lamp.#\ndemo.light\n", "")
    assert run(daemon, "pybus", "complete", "methods", "org.example.Lamp", "") == (0, "", "")
    lamp = bob.call("org.pybus.Bus", "service", "org.example.Lamp")
    assert (lamp["state"], lamp["starts"]) == ("stopped", 0)


def test_queues_and_exchanges_are_named(daemon: BusDaemon, bob: pybus.Bus) -> None:
    bob.queue("jobs")
    bob.queue("joy ride")  # no word that could be completed
    bob.exchange("logs")
    assert run(daemon, "pybus", "complete", "queues", "jo") == (0, "jobs\n", "")
    assert run(daemon, "pybus", "complete", "exchanges", "l") == (0, "logs\n", "")
    standard = "".join(f"amq.{name}\n" for name in ("direct", "fanout", "headers", "match", "rabbitmq.trace", "topic"))
    assert run(daemon, "pybus", "complete", "exchanges", "") == (0, f"{standard}logs\n", "")


def test_an_unknown_kind_is_named(daemon: BusDaemon) -> None:
    code, out, err = run(daemon, "pybus", "complete", "nonsense", "")
    assert (code, out) == (2, "")
    assert "argument KIND: invalid choice: 'nonsense'" in err


# --- the shells -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_writes_what_the_commands_take(shell: str, daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    needs(shell)
    retain(bob, "demo.door")
    bob.queue("jobs")
    with Terminal(shell, tmp_path, daemon.environ) as terminal:
        assert terminal.arguments("pybus introsp\t") == ["introspect"]
        assert terminal.arguments("pybus get --js\tdem\t") == ["get", "--json", "demo.door"]
        assert terminal.arguments("pybus call --timeout 3 org.pybus.B\tpin\t") == [
            "call",
            "--timeout",
            "3",
            "org.pybus.Bus",
            "ping",
        ]
        assert terminal.arguments("pybus explain --call org.pybus.B\tpin\t") == [
            "explain",
            "--call",
            "org.pybus.Bus",
            "ping",
        ]
        assert terminal.arguments("pybus-send --ret\tdem\t") == ["--retain", "demo.door"]
        assert terminal.arguments("pybus-listen demo.x dem\t") == ["demo.x", "demo.door"]
        assert terminal.arguments("pybus service rest\t") == ["service", "restart"]
        assert terminal.arguments("pybus service org.x.Y rest\t") == ["service", "org.x.Y", "restart"]
        assert terminal.arguments("pybus queue bin\tjob\tamq.to\t") == ["queue", "bind", "jobs", "amq.topic"]
        assert terminal.arguments("pybus queue move x --to jo\t") == ["queue", "move", "x", "--to", "jobs"]
        assert terminal.arguments("pybus get a b dem\t") == ["get", "a", "b", "dem"]  # it takes no more


@pytest.mark.parametrize("shell", SHELLS)
def test_a_strangers_topic_neither_runs_nor_breaks_anything(
    shell: str, daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path
) -> None:
    needs(shell)
    retain(bob, *ODD_TOPICS)
    with Terminal(shell, tmp_path, daemon.environ) as terminal:
        for topic in ODD_TOPICS[:-1]:
            assert terminal.arguments(f"pybus get {topic[:3]}\t") == ["get", topic]
            if shell != "bash":  # which leaves the quoting to the script
                continue
            assert terminal.arguments(f"pybus get '{topic[:3]}\t") == ["get", topic]
            if "!" not in topic:  # a shell with history takes it for an event between double quotes
                assert terminal.arguments(f'pybus get "{topic[:3]}\t') == ["get", topic]
        assert terminal.arguments("pybus get \\~\t") == ["get", ODD_TOPICS[-1]]
    assert os.listdir(tmp_path / "work") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_files_are_completed_where_a_file_is_wanted(shell: str, daemon: BusDaemon, tmp_path: Path) -> None:
    needs(shell)
    with Terminal(shell, tmp_path, daemon.environ) as terminal:
        (tmp_path / "work" / "my film.json").touch()
        assert terminal.arguments("pybus-send --file my\t") == ["--file", "my film.json"]
        assert terminal.arguments("pybus record my\t") == ["record", "my film.json"]
        assert terminal.arguments("pybus get my\t") == ["get", "my"]


@pytest.mark.parametrize("shell", SHELLS)
def test_without_a_bus_tab_is_quiet(shell: str, daemon: BusDaemon, tmp_path: Path) -> None:
    needs(shell)
    daemon.stop()
    with Terminal(shell, tmp_path, daemon.environ) as terminal:
        assert terminal.arguments("pybus get dem\t") == ["get", "dem"]


def bash_offers(folder: Path, environ: dict[str, str], line: str) -> list[str]:
    """What bash would offer at the end of the line, whose words have single blanks between them."""
    write_completions(folder)
    words = line.split(" ")
    script = f"""
        source {shlex.quote(str(folder / "pybus.bash"))}
        COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
        COMP_LINE={shlex.quote(line)} COMP_POINT=${{#COMP_LINE}}
        _pybus pybus {shlex.quote(words[-1])}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-uc", script], env=environ, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_bash_offers_all_that_fits(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    retain(bob, "demo.door", "demo.window", "other.door")
    environ = daemon.environ
    assert bash_offers(tmp_path, environ, "pybus s") == ["send", "stats", "service", "setup"]
    assert bash_offers(tmp_path, environ, "pybus get d") == ["demo.door", "demo.window"]
    assert bash_offers(tmp_path, environ, "pybus list -") == ["-h", "--help", "--debug"]
    assert bash_offers(tmp_path, environ, "pybus setup --") == ["--help", "--remove", "--system", "--debug"]
    assert bash_offers(tmp_path, environ, "pybus nonsense ") == [""]


def test_after_a_service_come_the_actions_and_after_an_action_the_services(daemon: BusDaemon, tmp_path: Path) -> None:
    daemon.configure("")
    daemon.offer("org.example.Lamp", 'exec = ["false"]\n')
    daemon.reload()
    actions = ["logs", "restart", "start", "status", "stop"]
    names = ["org.example.Lamp", *SHIPPED]
    environ = daemon.environ
    assert sorted(bash_offers(tmp_path, environ, "pybus service ")) == sorted([*names, *actions])
    assert bash_offers(tmp_path, environ, "pybus service org.example.Lamp ") == actions
    assert bash_offers(tmp_path, environ, "pybus service start ") == names
    assert run(daemon, "pybus", "complete", "actions", "start", "org.e") == (0, "org.example.Lamp\n", "")
    daemon.stop()
    assert run(daemon, "pybus", "complete", "actions", "org.example.Lamp", "st") == (0, "start\nstatus\nstop\n", "")


def test_bash_does_not_break_a_word_where_readline_does(daemon: BusDaemon, bob: pybus.Bus, tmp_path: Path) -> None:
    needs("bash")
    retain(bob, "demo.a=b:c")
    with Terminal("bash", tmp_path, daemon.environ) as terminal:
        assert terminal.arguments("pybus get demo.a=b:\t") == ["get", "demo.a=b:c"]
        assert terminal.arguments("pybus call :\tx") == ["call", ":1", "x"]


def test_fish_tells_what_each_is(daemon: BusDaemon, tmp_path: Path) -> None:
    needs("fish")
    write_completions(tmp_path)
    script = f"source {shlex.quote(str(tmp_path / 'pybus.fish'))}; complete -C 'pybus get --js'"
    environ = {**daemon.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(
        ["fish", "--private", "-c", script], env=environ, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.stdout, done.stderr) == ("--json\tprint JSON\n", "")
