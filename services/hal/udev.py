"""The devices, by libudev. The only file that imports pyudev.

The netlink socket's buffer (8 MiB and more by libudev's wish, within net.core.rmem_max) is the queue
of events; nothing else holds any. When it overflows the kernel sets the socket's error to ENOBUFS,
once, and delivers nothing more until the queue has been read empty (net/netlink/af_netlink.c,
NETLINK_S_CONGESTED). Until somebody reads the error, poll reports it, and pyudev's `Monitor.poll`
raises for ever (pyudev issue 194). So the gap is after the last event that was in the queue, and
whatever is re-read because of it must be read after that.
"""

import errno
import os
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyudev

from .states import Device

_CONTROL = "/run/udev/control"
"""udevd's socket. Without a running udevd nobody sends on the netlink group `udev`."""


class Batch(NamedTuple):
    """What one reading gave.

    events: properties of uevents in their order. overflowed: the kernel dropped events. drained:
    the queue has been read empty.
    """

    events: list[dict[str, str]]
    overflowed: bool
    drained: bool


def default_source() -> str:
    """`udev` (events after udevd's rules, with its properties) where udevd runs, else `kernel`."""
    return "udev" if os.path.exists(_CONTROL) else "kernel"


class Monitor:
    """Uevents as they come, and a look at the present devices.

    source: `udev` or `kernel`. Listens from the start, so that a device that is not in `devices`
    yet has its event in the queue. Raises `OSError` if the kernel gives no socket, `ImportError` if
    there is no libudev.
    """

    def __init__(self, source: str) -> None:
        self._context = pyudev.Context()
        self._monitor = pyudev.Monitor.from_netlink(self._context, source=source)
        self._monitor.start()
        # Another descriptor of the same socket: closing it takes nothing from libudev.
        self._socket = socket.socket(fileno=os.dup(self._monitor.fileno()))

    def fileno(self) -> int:
        """The descriptor to watch: readable when there are events or there was an overflow."""
        descriptor: int = self._monitor.fileno()
        return descriptor

    def read(self, most: int) -> Batch:
        """Up to `most` events, without waiting. Raises `OSError` if the socket is beyond repair."""
        events: list[dict[str, str]] = []
        overflowed = False
        for _ in range(most):
            try:
                device = self._monitor.poll(timeout=0)
            except OSError as error:
                self._forgive_overflow(error)
                overflowed = True
                continue
            if device is None:
                return Batch(events, overflowed, drained=True)
            events.append(_properties(device))
        return Batch(events, overflowed, drained=False)

    def devices(self, subsystem: str, attributes: Sequence[str]) -> list[Device]:
        """The present devices of a subsystem, with those of the sysfs attributes that can be read now."""
        return [
            Device(device.sys_name, _attributes(device, attributes))
            for device in self._context.list_devices(subsystem=subsystem)
        ]

    def close(self) -> None:
        """Let go of the socket; libudev closes its own descriptor when the monitor is collected."""
        self._socket.close()

    def _forgive_overflow(self, error: OSError) -> None:
        """Reading SO_ERROR clears it. Anything but ENOBUFS is raised, lest reading it again spins."""
        pending = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or error.errno
        if pending != errno.ENOBUFS:
            raise OSError(pending or errno.EIO, f"the event socket failed: {error}") from error


def _properties(device: Any) -> dict[str, str]:
    """All properties of an event. Those that are not UTF-8, such as an odd interface name, are escaped (`\\xff`)."""
    properties: dict[str, str] = {}
    for name in device.properties:
        try:
            properties[name] = device.properties[name]
        except UnicodeDecodeError as error:
            properties[name] = error.object.decode(errors="backslashreplace")
    return properties


def _attributes(device: Any, names: Sequence[str]) -> dict[str, str]:
    values = {name: device.attributes.get(name) for name in names}
    return {
        name: value.decode(errors="backslashreplace").strip() for name, value in values.items() if value is not None
    }
