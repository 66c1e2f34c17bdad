"""A bed with a lid whose switch can be moved: umockdev's input node, as `mockbed` is driven.

Its ioctls are answered from a recording in umockdev's format: NAME RESULT BYTES, where the number of
bytes is the size that the caller asks for. Those are evdev's sizes, and for EVIOCGSW the service's.
"""

import ctypes
import os
import struct
import tempfile

from tests.integration.mockbed import Bed, serve

_DEVICES = """\
P: /devices/platform/PNP0C0D:00/input/input{number}
E: SUBSYSTEM=input
E: NAME="Lid Switch"
A: capabilities/sw=1
A: name=Lid Switch

P: /devices/platform/PNP0C0D:00/input/input{number}/event{number}
N: input/event{number}
E: SUBSYSTEM=input
E: DEVNAME=/dev/input/event{number}
A: dev=13:{minor}
L: device=../../input{number}

"""


class LidBed(Bed):
    """A bed that may have a lid. Each one that is plugged in has a new number, for umockdev forgets no node."""

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    def plug(self, state: str) -> None:
        """A lid appears, with its events: `open` or `closed`.

        It can be read from its first moment, as whoever hears of another device then may look at this one as well.
        """
        self._number += 1
        self._record(closed=state == "closed")
        self._call("add_from_string", _DEVICES.format(number=self._number, minor=64 + self._number).encode())
        for path in self._paths():
            self.uevent(path, "add")

    def switch(self, events: list[tuple[int, int, int]]) -> None:
        """The node gives these events: type, code and value of each."""
        data = b"".join(struct.pack("llHHi", 0, 0, *event) for event in events)
        assert os.write(self._far_end(), data) == len(data)

    def hang_up(self) -> None:
        """Nobody can read the node any more, as the kernel has it before the events."""
        with open(os.devnull, "r+b") as nobody:
            os.dup2(nobody.fileno(), self._far_end())

    def unplug(self) -> None:
        """The lid vanishes, with its events."""
        for path in reversed(self._paths()):
            self.pull(path)

    def _paths(self) -> list[str]:
        parent = f"/sys/devices/platform/PNP0C0D:00/input/input{self._number}"
        return [parent, f"{parent}/event{self._number}"]

    def _node(self) -> str:
        return f"/dev/input/event{self._number}"

    def _far_end(self) -> int:
        """The descriptor that what is written to can be read from the node."""
        return int(self._library.umockdev_testbed_get_dev_fd(self._bed, self._node().encode()))

    def _record(self, *, closed: bool) -> None:
        answers = {
            "EVIOCGVERSION 0": "01000100",
            "EVIOCGID 0": "1900000005000000",
            "EVIOCGNAME 11": b"Lid Switch".hex().ljust(512, "0"),
            "EVIOCGEFFECTS 0": "00000000",
            "EVIOCGBIT(0) 4": "21000000",
            "EVIOCGBIT(5) 96": "01".ljust(192, "0"),
            "EVIOCGSW 8": f"{int(closed):02}".ljust(16, "0"),
        }
        lines = [f"@DEV {self._node()}", *(f"{question} {answer}" for question, answer in answers.items())]
        with tempfile.NamedTemporaryFile("w") as recording:
            recording.write("\n".join(lines) + "\n")
            recording.flush()
            self._call("load_ioctl", None, recording.name.encode())

    def _call(self, method: str, *arguments: object) -> None:
        """A method that may fail."""
        error = ctypes.c_void_p()
        done = getattr(self._library, "umockdev_testbed_" + method)(self._bed, *arguments, ctypes.byref(error))
        assert done, method


if __name__ == "__main__":
    serve(LidBed())
