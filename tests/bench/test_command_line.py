"""The command line: what it takes, and what it says of what is wrong, before anything is measured."""

import json
from pathlib import Path

import pytest

from tests.bench.buses import DBusDaemon, Pybus
from tests.bench.command_line import Options, listing, parse
from tests.bench.record import as_data
from tests.bench.test_record import record

_NAMES = {"signals": "signals a second", "queues": "messages through queues"}
_KINDS = {"pybus": Pybus, "dbus-daemon": DBusDaemon}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A run that was kept."""
    path = tmp_path / "kept.json"
    path.write_text(json.dumps(as_data(record({"signals_1_1": {"pybus": [1.0]}}))))
    return path


def options(*words: object) -> Options:
    return parse(_NAMES, _KINDS, [str(word) for word in words])


def test_what_to_measure_is_chosen_by_name() -> None:
    found = options("--only", "queues", "--only", "signals", "--bus", "pybus", "--quick")
    assert (found.only, found.bus, found.quick, found.tiny) == (["queues", "signals"], ["pybus"], True, False)


def test_a_run_that_was_kept_is_shown_again(kept: Path, tmp_path: Path) -> None:
    found = options("--from", kept, "--charts", tmp_path / "new" / "charts", "--markdown")
    assert found.source is not None
    assert found.source.figures.values == {"signals_1_1": {"pybus": [1.0]}}
    assert found.markdown
    assert (tmp_path / "new" / "charts").is_dir()


def test_the_list_tells_what_each_name_means() -> None:
    assert listing(_NAMES, _KINDS) == (
        "measured, chosen with --only:\n"
        "  signals         signals a second\n"
        "  queues          messages through queues\n"
        "\n"
        "on these buses, chosen with --bus:\n"
        "  pybus           `pybus daemon` and its clients in plain Python.\n"
        "  dbus-daemon     The reference implementation of D-Bus."
    )


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--only", "pigeons"], "argument --only: invalid choice: 'pigeons' (choose from 'signals', 'queues')"),
        (["--bus", "0mq"], "argument --bus: invalid choice: '0mq' (choose from 'pybus', 'dbus-daemon')"),
        (["--quick", "--tiny"], "argument --tiny: not allowed with argument --quick"),
        (["--json", "/absent/x.json"], "argument --json: /absent is no folder that can be written to"),
        (["--charts", "/dev/null/x"], "argument --charts: /dev/null/x can't be made: Not a directory"),
        (["--from", "/absent"], "argument --from: /absent can't be read: No such file or directory"),
    ],
)
def test_what_is_wrong_is_told(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options(*words)
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert _unquoted(told) == _unquoted(f"python -m tests.bench: error: {reason}")


def test_what_is_about_a_new_run_is_refused_beside_one_that_was_kept(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options("--from", kept, "--bus", "pybus")
    told = "argument --bus: not allowed with argument --from, which shows a run that was kept"
    assert capsys.readouterr().err.splitlines()[-1] == f"python -m tests.bench: error: {told}"


def _unquoted(text: str) -> str:
    """Python 3.12 lists the choices without quotes."""
    return text.replace("'", "")
