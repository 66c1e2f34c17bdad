"""paho-mqtt, with messages of QoS 0; the library's own thread reads and writes."""

import threading

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.bench.client import BODY, Countdown
from tests.bench.crew import PATIENCE, Failure

_TOPIC = "bench/python"


class Signals:
    """The callback for messages, called in that thread. address: the path of the broker's Unix socket."""

    async def open(self, address: str) -> None:
        self._happened = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, transport="unix")
        self._client.on_connect = lambda *_: self._happened.set()
        self._client.connect(address)
        self._client.loop_start()
        self._wait("connected")

    async def publish(self, times: int) -> None:
        for _ in range(times):
            last = self._client.publish(_TOPIC, BODY)
        last.wait_for_publish()

    async def subscribe(self, countdown: Countdown) -> None:
        def handle(client: Client, userdata: object, message: MQTTMessage) -> None:
            countdown.count(message.payload)

        self._client.on_message = handle
        self._client.on_subscribe = lambda *_: self._happened.set()
        self._client.subscribe(_TOPIC)
        self._wait("subscribed")
        countdown.ended = self._happened.set

    async def receive(self) -> None:
        self._wait("given all messages")

    def _wait(self, what: str) -> None:
        if not self._happened.wait(PATIENCE):
            raise Failure(f"paho-mqtt was not {what} within {PATIENCE} s")
        self._happened.clear()
