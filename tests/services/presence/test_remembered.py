"""What was asked for last, from one run to the next."""

import logging
import stat
from pathlib import Path

import pytest

from pybus_services.presence.presence import Presence
from pybus_services.presence.remembered import load, save

DND = Presence("dnd", "in a meeting \N{HOT BEVERAGE}")


def test_it_is_there_in_the_next_run_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert load(environ) == Presence("offline")
    save(Presence("away"), environ)
    save(DND, environ)
    assert load(environ) == DND
    folder = tmp_path / ".local/state/pybus"
    assert [path.name for path in folder.iterdir()] == ["presence.json"]
    assert stat.S_IMODE((folder / "presence.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"status": "dnd"}', '{"status": "busy", "message": ""}', "\0"])
def test_what_cannot_be_read_is_offline_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str) -> None:
    file = tmp_path / "pybus/presence.json"
    file.parent.mkdir()
    file.write_text(text)
    assert load({"XDG_STATE_HOME": str(tmp_path)}) == Presence("offline")
    [told] = caplog.messages
    assert told.startswith(f"{file} can't be read, so the status is offline until one is set: ")


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "pybus").write_text("a file where the folder would be")
    save(DND, {"XDG_STATE_HOME": str(tmp_path)})
    [told] = caplog.messages
    path = f"{tmp_path}/pybus/presence.json"
    assert told.startswith(f"{path} can't be written, so a restart won't know the status: ")
