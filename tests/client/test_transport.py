"""What a client says where there is no bus."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import pybus


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session in which nobody has installed or started anything."""
    if os.path.exists("/usr/lib/systemd/user/pybus.socket") or os.path.exists("/etc/systemd/user/pybus.socket"):
        pytest.skip("this machine has the bus's units")
    monkeypatch.delenv("PYBUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def install(folder: Path) -> None:
    """Put the socket unit there."""
    (folder / "systemd/user").mkdir(parents=True)
    (folder / "systemd/user/pybus.socket").touch()


async def said(address: str | None = None) -> str:
    """What both faces say to someone who connects."""
    with pytest.raises(pybus.NoBus) as caught:
        pybus.connect(address)
    with pytest.raises(pybus.NoBus) as again:
        await pybus.aio.connect(address)
    assert str(again.value) == str(caught.value)
    return str(caught.value)


async def test_where_nothing_is_installed_a_bus_is_started_by_hand(tmp_path: Path) -> None:
    assert await said() == (
        f"no bus at unix:{tmp_path}/pybus/bus (No such file or directory);"
        " start one with: pybus daemon (or pybus setup, once)"
    )


async def test_where_systemd_has_the_unit_it_starts_the_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hint = "start it with: systemctl --user start pybus"
    install(tmp_path / "config")
    assert (await said()).endswith(f"; {hint}")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert not (await said()).endswith(f"; {hint}")
    install(tmp_path / "home/.config")
    assert (await said()).endswith(f"; {hint}")


async def test_systemd_does_not_start_a_bus_at_another_address(tmp_path: Path) -> None:
    install(tmp_path / "config")
    address = f"unix:{tmp_path}/other"
    assert await said(address) == f"no bus at {address} (No such file or directory); start one with: pybus daemon"
