"""ZeroMQ, which is a library and no bus: publisher and subscriber meet in a Unix socket, or through its proxy.

With the proxy any number of publishers and subscribers meet in one place, as on a bus. The proxy is the library's own
loop in C, in a process that Python has started.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.bench.buses import Bus, NotAvailable


class Zmq(Bus):
    """No process at all. address: where publishers go, and where subscribers go."""

    name = protocol = "zmq"
    measures = frozenset({"python"})

    def __init__(self, folder: Path) -> None:
        _need_zmq()
        self.folder = folder
        self.path = str(folder / "bus")

    @property
    def address(self) -> str:
        return f"ipc://{self.path} ipc://{self.path}"

    def exit_code(self) -> int | None:
        return None

    def stop(self) -> None:
        pass


class ZmqProxy(Bus):
    """A forwarder between an XSUB and an XPUB socket."""

    name = "zmq-proxy"
    protocol = "zmq"
    measures = frozenset({"python"})

    @property
    def address(self) -> str:
        return " ".join(self._ends)

    @property
    def _ends(self) -> list[str]:
        return [f"ipc://{self.path}-{end}" for end in ("in", "out")]

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        _need_zmq()
        return self._launch([sys.executable, "-m", "tests.bench.clients.zmq_client", *self._ends])


def _need_zmq() -> None:
    if importlib.util.find_spec("zmq") is None:
        raise NotAvailable("pyzmq is not installed")
