"""The monitor on a real netlink socket, as far as it goes without privileges."""

import errno
import os

import pytest

from pybus_services.hal.udev import Batch, Monitor


def test_a_quiet_monitor_is_drained_at_once() -> None:
    """Source `udev` where no udevd runs, or between its events, gives none."""
    batch = Monitor("udev").read(10_000, lambda _subsystem: ())
    assert batch == Batch(batch.events, overflowed=False, drained=True)


def test_a_monitor_beyond_repair_raises_in_place_of_spinning() -> None:
    monitor = Monitor("kernel")
    reader, writer = os.pipe()
    os.dup2(reader, monitor.fileno())  # from which no message can be received
    os.close(reader)
    os.close(writer)
    with pytest.raises(OSError, match="the event socket failed") as caught:
        monitor.read(10, lambda _subsystem: ())
    assert caught.value.errno == errno.ENOTSOCK


def test_a_machine_without_such_devices_has_none() -> None:
    assert Monitor("kernel").devices("no_such_subsystem", ("online",)) == []
