"""The monitor on a real netlink socket, as far as it goes without privileges."""

import contextlib
import errno
import os

import pytest

from pybus_services.hal.udev import Batch, Monitor


def test_a_quiet_monitor_is_drained_at_once() -> None:
    """Source `udev` where no udevd runs, or between its events, gives none."""
    with contextlib.closing(Monitor("udev")) as monitor:
        batch = monitor.read(10_000)
    assert batch == Batch(batch.events, overflowed=False, drained=True)


def test_a_monitor_beyond_repair_raises_in_place_of_spinning() -> None:
    with contextlib.closing(Monitor("kernel")) as monitor:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, monitor.fileno())  # polls as an error that SO_ERROR knows nothing of
        os.close(writer)
        with pytest.raises(OSError, match="the event socket failed") as caught:
            monitor.read(10)
    assert caught.value.errno == errno.EIO


def test_a_machine_without_such_devices_has_none() -> None:
    with contextlib.closing(Monitor("kernel")) as monitor:
        assert monitor.devices("no_such_subsystem", ("online",)) == []
