"""The devices, by libudev. The only file that imports pyudev.

The netlink socket's buffer (8 MiB and more by libudev's wish, within net.core.rmem_max) is the queue
of events; nothing else holds any. When it overflows the kernel sets the socket's error to ENOBUFS,
once, and delivers nothing more until the queue has been read empty (net/netlink/af_netlink.c,
NETLINK_S_CONGESTED). So the gap is after the last event that was in the queue, and whatever is
re-read because of it must be read after that.

Events are received by calling libudev itself. pyudev's `Monitor.poll` asks poll(2) first, which reports
the error until somebody has read it, and raises for ever instead of reading it (pyudev issue 194). And
for all properties of an event it calls libudev three times as often as walking its list does, which
is most of the time between an event and its signal. pyudev's objects can be given to libudev's functions.
"""

import asyncio
import ctypes
import errno
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pyudev

from .device import Device

_log = logging.getLogger("pybus.hal")

_CONTROL = "/run/udev/control"
"""udevd's socket. Without a running udevd nobody sends on the netlink group `udev`."""

_LONGEST_ATTRIBUTE = 4096
"""Bytes of an attribute that `find` shows, a page; what is longer is a binary file."""

try:
    _libudev = ctypes.CDLL("libudev.so.1", use_errno=True)
    _quick = ctypes.PyDLL("libudev.so.1")  # keeps the interpreter's lock: for what takes less time than to let it go
except OSError as error:
    raise ImportError(f"libudev is not installed: {error}") from error


def _function(name: str, result: Any, *arguments: Any, library: ctypes.CDLL = _libudev) -> Any:
    function = getattr(library, f"udev_{name}")
    function.restype = result
    function.argtypes = (ctypes.c_void_p, *arguments)
    return function


_receive = _function("monitor_receive_device", ctypes.c_void_p)
_unref = _function("device_unref", ctypes.c_void_p)
_first_property = _function("device_get_properties_list_entry", ctypes.c_void_p)
_next = _function("list_entry_get_next", ctypes.c_void_p, library=_quick)
_name = _function("list_entry_get_name", ctypes.c_char_p, library=_quick)
_value = _function("list_entry_get_value", ctypes.c_char_p, library=_quick)
_attribute = _function("device_get_sysattr_value", ctypes.c_char_p, ctypes.c_char_p)


class Batch(NamedTuple):
    """What one reading gave.

    events: in their order. overflowed: the kernel dropped events. drained: the queue has been read empty.
    """

    events: list[Device]
    overflowed: bool
    drained: bool


def default_source() -> str:
    """`udev` (events after udevd's rules, with its properties) where udevd runs, else `kernel`.

    A udevd that was killed leaves its socket, at which nobody listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as control:
        problem = control.connect_ex(_CONTROL)
    return "kernel" if problem in (errno.ENOENT, errno.ECONNREFUSED) else "udev"


class Monitor:
    """Uevents as they come, and a look at the present devices.

    source: `udev` or `kernel`. Listens from the start, so that a device that is not in `devices` yet has
    its event in the queue. Raises `OSError` if the kernel gives no socket, `ImportError` if there is no
    libudev.
    """

    def __init__(self, source: str) -> None:
        self._context = pyudev.Context()
        self._is_udevs = source == "udev"
        self._looks = ThreadPoolExecutor(1)
        self._context_of_looks = pyudev.Context()  # libudev's may not be shared between threads
        self._monitor = pyudev.Monitor.from_netlink(self._context, source=source)
        self._monitor.start()

    def fileno(self) -> int:
        """The descriptor to watch: readable when there are events or there was an overflow."""
        descriptor: int = self._monitor.fileno()
        return descriptor

    def read(self, most: int, attributes: Callable[[str], Iterable[str]]) -> Batch:
        """Up to `most` events, without waiting. Raises `OSError` if the socket is beyond repair.

        attributes: which sysfs attributes come with events about devices of a subsystem. A device that
        goes has none any more.
        """
        events: list[Device] = []
        overflowed = False
        for _ in range(most):
            device = _receive(self._monitor)
            if device is None:
                problem = ctypes.get_errno()
                if problem == errno.EAGAIN:
                    return Batch(events, overflowed, drained=True)
                if problem == errno.ENOBUFS:
                    overflowed = True
                elif problem in (errno.EINVAL, errno.EBADMSG):
                    _log.warning("an event can't be read: %s", os.strerror(problem))
                elif problem != errno.EINTR:
                    raise OSError(problem, f"the event socket failed: {os.strerror(problem)}")
                continue
            try:
                events.append(_look(device, attributes))
            finally:
                _unref(device)
        return Batch(events, overflowed, drained=False)

    def devices(self, subsystem: str, attributes: Iterable[str]) -> list[Device]:
        """The present devices of a subsystem, with those of the sysfs attributes that can be read now."""
        return _devices(self._context.list_devices(subsystem=subsystem), attributes)

    def complete_devices(self, subsystem: str, attributes: Iterable[str]) -> list[Device]:
        """Those of which events of our source have been sent: one that udevd is not done with has its event to come."""
        listed = self._context.list_devices(subsystem=subsystem)
        return _devices(listed.match_is_initialized() if self._is_udevs else listed, attributes)

    async def look(self, subsystem: str, attributes: Iterable[str]) -> list[Device]:
        """As `devices`, in a thread: what a battery or a wireless mouse says of itself may take seconds to read.

        Cancel-safe; a look that has begun goes on, and later ones wait for it.
        """
        return await asyncio.get_running_loop().run_in_executor(self._looks, self._look_there, subsystem, attributes)

    def _look_there(self, subsystem: str, attributes: Iterable[str]) -> list[Device]:
        return _devices(self._context_of_looks.list_devices(subsystem=subsystem), attributes)

    def find(self, path: str) -> Device | None:
        """One present device with all its attributes. path: in sysfs, with or without `/sys`, or a node in `/dev`."""
        try:
            if path.startswith("/dev/"):
                device = pyudev.Devices.from_device_file(self._context, path)
            else:
                device = pyudev.Devices.from_path(self._context, path)
        except (pyudev.DeviceNotFoundError, OSError, ValueError):
            return None
        found = _look(device, lambda _: device.attributes.available_attributes)
        if not found.path or not found.subsystem:
            return None  # a folder of sysfs
        short = {name: value for name, value in found.attributes.items() if len(value) <= _LONGEST_ATTRIBUTE}
        return found._replace(attributes=short)


def _devices(listed: Iterable[Any], attributes: Iterable[str]) -> list[Device]:
    return [_look(device, lambda _: attributes) for device in listed]


def _look(device: Any, attributes: Callable[[str], Iterable[str]]) -> Device:
    """device: pyudev's, or a pointer to libudev's."""
    properties = {_text(_name(entry)): _text(_value(entry)) for entry in _entries(_first_property(device))}
    path = properties.get("DEVPATH", "")
    subsystem = properties.get("SUBSYSTEM", "")
    action = properties.get("ACTION", "")
    return Device(
        path=path,
        name=path.rpartition("/")[2].replace("!", "/"),  # as libudev has it: a slash can't be in a file's name
        subsystem=subsystem,
        action=action,
        properties=properties,
        attributes=_attributes(device, attributes(subsystem)) if action != "remove" else {},
    )


def _entries(first: int | None) -> Iterator[int]:
    entry = first
    while entry is not None:
        yield entry
        entry = _next(entry)


def _attributes(device: Any, names: Iterable[str]) -> dict[str, str]:
    values = {name: _attribute(device, name.encode()) for name in names}
    return {name: _text(value).strip() for name, value in values.items() if value is not None}


def _text(value: bytes | None) -> str:
    """What is not UTF-8, such as an odd interface name, is escaped (`\\xff`)."""
    return (value or b"").decode(errors="backslashreplace")
