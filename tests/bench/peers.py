"""The brokers that pybus is compared with besides those of D-Bus, and the list of all.

Each has its defaults, but for these: nothing is written to disk, as signals are transient, but where the name says that
persistent messages are measured; no client is thrown out or loses messages because it is slower than the publisher for
a moment, as what is measured is what arrives; everybody may connect. NATS has no Unix sockets, so it listens on
loopback, as RabbitMQ does; the others listen on a Unix socket.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.bench.buses import Bus, DBusBroker, DBusDaemon, Pybus, PybusCompiled, free_port, need, told_version
from tests.bench.rabbitmq import RabbitMQ
from tests.bench.zmq_buses import Zmq, ZmqProxy


class Redis(Bus):
    """Its publish and subscribe, and its streams in memory. more: options for its command line."""

    name = protocol = "redis"
    measures = frozenset({"signals", "python", "queues"})
    more: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def version(cls) -> str | None:
        return told_version("redis-server", "--version")

    @property
    def address(self) -> str:
        return f"unix://{self.path}"

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        need("redis-server")
        options = {
            "port": "0",
            "unixsocket": self.path,
            "dir": str(folder),
            "save": "",
            "client-output-buffer-limit": "pubsub 0 0 0",
            **self.more,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return self._launch(["redis-server", *words], b"eady to accept connections")


class RedisEverysec(Redis):
    """Streams that are written to its log, which is synced to the disk each second."""

    name = "redis-everysec"
    measures = frozenset({"queues"})
    more = MappingProxyType({"appendonly": "yes", "appendfsync": "everysec"})


class RedisAlways(Redis):
    """Streams that are written to its log and synced before they are confirmed."""

    name = "redis-always"
    measures = frozenset({"queues"})
    more = MappingProxyType({"appendonly": "yes", "appendfsync": "always"})


class Nats(Bus):
    """Its core, without JetStream."""

    name = protocol = "nats"
    measures = frozenset({"signals", "matching", "calls", "python"})

    @classmethod
    def version(cls) -> str | None:
        return told_version("nats-server", "--version")

    @property
    def address(self) -> str:
        return f"nats://{self.endpoint}"

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._port}"

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        need("nats-server")
        self._port = free_port()
        lines = [f'listen: "{self.endpoint}"', *self._options(folder)]
        (folder / "nats.conf").write_text("\n".join(lines) + "\n")
        return self._launch(["nats-server", "--config", str(folder / "nats.conf")], b"Server is ready")

    def _options(self, folder: Path) -> list[str]:
        return ["max_pending: 256MB", 'write_deadline: "60s"', 'ping_interval: "1h"']


class JetStream(Nats):
    """NATS with its streams. A message is confirmed when the system has it, which syncs it within two minutes."""

    name = "nats-jetstream"
    measures = frozenset({"queues"})

    def _options(self, folder: Path) -> list[str]:
        return [*super()._options(folder), f'jetstream: {{ store_dir: "{folder}" }}']


class Mosquitto(Bus):
    """At QoS 0."""

    name = "mosquitto"
    protocol = "mqtt"
    measures = frozenset({"signals", "matching", "python"})

    @classmethod
    def version(cls) -> str | None:
        return told_version("mosquitto", "-h")

    @property
    def address(self) -> str:
        return self.path

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        need("mosquitto")
        lines = [f"listener 0 {self.path}", "allow_anonymous true", "user root", "max_queued_messages 0"]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        return self._launch(["mosquitto", "--config-file", str(folder / "mosquitto.conf")], b" running\n")


_ALL = (
    Pybus,
    PybusCompiled,
    Nats,
    JetStream,
    Redis,
    RedisEverysec,
    RedisAlways,
    DBusBroker,
    DBusDaemon,
    Mosquitto,
    RabbitMQ,
    Zmq,
    ZmqProxy,
)
KINDS: dict[str, type[Bus]] = {kind.name: kind for kind in _ALL}
