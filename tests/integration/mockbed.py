"""A bed of simulated devices: umockdev by ctypes, as a process driven over its standard streams.

A process of its own, as libumockdev sends uevents only from one that runs under
LD_PRELOAD=libumockdev-preload.so.0, which is nothing to put a test runner under. Programs that are
to see the bed run under it too, with UMOCKDEV_DIR naming the bed.

The first line out is the bed's folder. Then each line in is a JSON array, a method of `Bed` and its
arguments; its result is the line out. At the end of its input it removes the folder.
"""

import ctypes
import json
import sys
from collections.abc import Iterable
from pathlib import Path

PRELOAD = "libumockdev-preload.so.0"


def _strings(words: Iterable[str]) -> "ctypes.Array[ctypes.c_char_p]":
    """A char** that ends with NULL."""
    found = [word.encode() for word in words]
    return (ctypes.c_char_p * (len(found) + 1))(*found, None)


class Bed:
    """One bed; devices are named by the sysfs path that `add` returns."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libumockdev.so.0")
        self._library.umockdev_testbed_new.restype = ctypes.c_void_p
        self._bed = ctypes.c_void_p(self._library.umockdev_testbed_new())

    def folder(self) -> str:
        return self._text("get_root_dir")

    def add(self, subsystem: str, name: str, attributes: dict[str, str], properties: dict[str, str]) -> str:
        """A new device; monitors that are there already get its event.

        name: may have its parents before it, as in sysfs (`usb1/1-1`).
        """
        pairs = [[word for pair in given.items() for word in pair] for given in (attributes, properties)]
        return self._text("add_devicev", subsystem.encode(), name.encode(), None, *map(_strings, pairs))

    def set(self, device: str, attribute: str, value: str) -> None:
        self._do("set_attribute", device, attribute, value)

    def set_property(self, device: str, name: str, value: str) -> None:
        """All later events of the device, and looks at it, have this property."""
        self._do("set_property", device, name, value)

    def uevent(self, device: str, action: str) -> None:
        """Send an event about the device to all monitors; returns when they have it."""
        self._do("uevent", device, action)

    def remove(self, device: str) -> None:
        """Take the device away, without an event."""
        self._do("remove_device", device)

    def pull(self, device: str) -> None:
        """Take the device away with its event, in the kernel's order: no look finds it when the event comes."""
        sysfs = Path(self.folder(), "sys")
        place = sysfs / device.removeprefix("/sys/")
        subsystem = (place / "subsystem").readlink().name
        for list_of_devices in (f"class/{subsystem}", f"bus/{subsystem}/devices", "block"):
            (sysfs / list_of_devices / place.name).unlink(missing_ok=True)
        self.uevent(device, "remove")
        self.remove(device)

    def close(self) -> None:
        """Remove the folder."""
        ctypes.CDLL("libgobject-2.0.so.0").g_object_unref(self._bed)

    def _do(self, method: str, *words: str) -> None:
        function = getattr(self._library, "umockdev_testbed_" + method)
        function.restype = None
        function(self._bed, *(word.encode() for word in words))

    def _text(self, method: str, *arguments: object) -> str:
        function = getattr(self._library, "umockdev_testbed_" + method)
        function.restype = ctypes.c_char_p
        return bytes(function(self._bed, *arguments)).decode()


def serve(bed: Bed) -> None:
    """Carry out what comes on standard input, until it ends."""
    print(json.dumps(bed.folder()), flush=True)
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        print(json.dumps(getattr(bed, method)(*arguments)), flush=True)
    bed.close()


if __name__ == "__main__":
    serve(Bed())
