"""pyzmq: PUB and SUB sockets, with each other or through a proxy of XSUB and XPUB sockets, which is a bus then.

ZeroMQ has no callbacks; the subscriber's loop calls one for each message. A message is one part, which begins with the
topic, as that is several times quicker than a part for each. A socket drops what does not fit into its queues, so these
are unbounded here.

    python -m tests.bench.clients.zmq_client FRONT BACK     # the proxy: from publishers at FRONT to subscribers at BACK
"""

import sys

import zmq

from tests.bench.client import BODY, Countdown

_TOPIC = b"bench.python"


class Signals:
    """address: where publishers go, a space, and where subscribers go; one place if they meet without a proxy."""

    async def open(self, address: str) -> None:
        self._context = zmq.Context()
        self._publishing, self._subscribing = address.split(" ")
        self._publisher: zmq.Socket[bytes] | None = None

    async def publish(self, times: int) -> None:
        """The library's own thread writes what was sent, many at once."""
        if self._publisher is None:
            self._publisher = self._socket(zmq.SocketType.XPUB)
            self._publisher.connect(self._publishing)
            self._publisher.recv()  # a PUB socket that can tell when somebody has subscribed
        send = self._publisher.send
        for _ in range(times):
            send(_TOPIC + BODY)

    async def subscribe(self, countdown: Countdown) -> None:
        self._countdown = countdown
        countdown.ended = self._end
        self._subscriber = self._socket(zmq.SocketType.SUB)
        self._subscriber.subscribe(_TOPIC)
        if self._publishing == self._subscribing:
            self._subscriber.bind(self._subscribing)
        else:
            self._subscriber.connect(self._subscribing)

    async def receive(self) -> None:
        self._ended = False
        receive, count, start = self._subscriber.recv, self._countdown.count, len(_TOPIC)
        while not self._ended:
            count(receive()[start:])

    def _socket(self, kind: zmq.SocketType) -> zmq.Socket[bytes]:
        return _unbounded(self._context.socket(kind))

    def _end(self) -> None:
        self._ended = True


def proxy(front: str, back: str) -> None:
    """Serve as the proxy until ended; says so when it can be used."""
    context = zmq.Context()
    sockets = [_unbounded(context.socket(kind)) for kind in (zmq.SocketType.XSUB, zmq.SocketType.XPUB)]
    for socket, address in zip(sockets, (front, back), strict=True):
        socket.bind(address)
    print("serving", flush=True)
    zmq.proxy(*sockets)


def _unbounded(socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    for option in (zmq.SocketOption.SNDHWM, zmq.SocketOption.RCVHWM):
        socket.setsockopt(option, 0)
    return socket


if __name__ == "__main__":
    proxy(*sys.argv[1:])
