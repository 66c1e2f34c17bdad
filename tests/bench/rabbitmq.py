"""RabbitMQ: a node of the run's own, on loopback, with nothing in common with another.

It has its own name, cookie, folders and ports, and its own epmd (the name server without which no Erlang node
starts), which would otherwise stay behind. The server's script turns into the Erlang machine when it believes to run
under systemd, so that ending our process ends it.
"""

import os
import select
import shutil
import subprocess
from pathlib import Path
from time import monotonic

from tests.bench.buses import WITH_US, Bus, NotAvailable, free_port

_LIBRARY = "/usr/lib/rabbitmq/lib"
_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_READY = b"completed with"
_PATIENCE = 60


class RabbitMQ(Bus):
    """A node with its defaults. address: an amqp URL."""

    name = "rabbitmq"
    protocol = "amqp"
    measures = frozenset({"signals", "matching", "python", "queues"})

    @classmethod
    def version(cls) -> str | None:
        folders = list(Path(_LIBRARY).glob("rabbitmq_server-*"))
        return folders[0].name.partition("-")[2] if folders else None

    @property
    def address(self) -> str:
        return f"amqp://guest:guest@{self.endpoint}/%2F?heartbeat=0"

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._port}"

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        if not os.path.exists(_SERVER) or shutil.which("epmd") is None:
            raise NotAvailable("rabbitmq-server is not installed")
        self._port, names, nodes = (free_port() for _ in range(3))
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{self._port}\n")
        (folder / "plugins").write_text("[].\n")
        environment = {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(names),
            "RABBITMQ_DIST_PORT": str(nodes),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_NODENAME": f"pybus-bench-{os.getpid()}@localhost",
            "RABBITMQ_CONF_ENV_FILE": str(folder / "absent"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        self._spawn(["epmd", "-address", "127.0.0.1", "-port", str(names)], environment)
        node = self._spawn([_SERVER], environment)
        if not _says(node, _READY):
            raise NotAvailable(f"rabbitmq-server was not ready within {_PATIENCE} s, or ended")
        return node

    def _spawn(self, command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        """Start a process that ends with the bus, also when this is interrupted before the bus is ready."""
        process = subprocess.Popen(
            [*WITH_US, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            process_group=0,
        )
        self._stack.callback(_end, process)
        return process


def _says(process: "subprocess.Popen[bytes]", wanted: bytes) -> bool:
    """Whether it writes this in time. Later it writes to its log only."""
    assert process.stdout is not None
    said, until = b"", monotonic() + _PATIENCE
    while select.select([process.stdout], [], [], max(0, until - monotonic()))[0]:
        data = os.read(process.stdout.fileno(), 65536)
        said += data
        if not data or wanted in said:
            return bool(data)
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()
