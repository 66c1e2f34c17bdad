"""A connection to a bus as bytes: authentication, then whole messages in and out.

Message boundaries are all that it knows of the protocol ("Message Format" in the specification).
"""

import asyncio
import os
import socket
from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

CHUNK = 4096
"""Bytes that are read in one turn of the event loop: some dozens of messages, which take milliseconds."""

LARGEST_CHUNK = 2**20
"""The same within a message that is larger."""

LARGEST = 2**27
"""Bytes of a message, in the specification."""

LONGEST_LINE = 16384
"""Bytes of a line of authentication, as in libdbus."""

_DESCRIPTORS = 253
"""What the kernel passes with one write: SCM_MAX_FD."""

_HEADER = 16


class Stream:
    """An open connection, for the event loop that made it. File descriptors that come are closed at once.

    ended: whether it has ended, by `close` or by itself. waiting: bytes that the socket has not taken yet.
    """

    def __init__(
        self, take: Callable[[bytes], None], end: Callable[[Exception | None], None], most_waiting: int
    ) -> None:
        """take: called with each message. end: once, with the reason, or None after `close`.

        most_waiting: bytes that may wait to be written, when more is read; for what is read gets answers.
        """
        self.ended = False
        self.waiting = 0
        self._take = take
        self._tell_end = end
        self._most_waiting = most_waiting
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._loop = asyncio.get_running_loop()
        self._input = bytearray()
        self._hearing = False
        self._output: OrderedDict[int, bytes] = OrderedDict()
        self._begun = 0  # bytes of the first in it that are written

    async def connect(self, path: str) -> None:
        """Connect to a socket and authenticate. Raises `OSError`; then, and cancelled, it is to be closed."""
        await self._loop.sock_connect(self._socket, path)
        # As the specification's "Authentication Protocol" has it, by the user id that the kernel vouches for.
        user = str(os.getuid()).encode().hex()
        answer = await self._ask(b"\0AUTH EXTERNAL " + user.encode())
        if not answer.startswith(b"OK"):
            raise ConnectionError(f"it refused this user: {answer.decode(errors='replace')}")
        # Else an answer that has descriptors would never come. A bus that can't pass them says no, and all is well.
        await self._ask(b"NEGOTIATE_UNIX_FD")
        await self._loop.sock_sendall(self._socket, b"BEGIN\r\n")
        self._hear(True)

    async def _ask(self, line: bytes) -> bytes:
        await self._loop.sock_sendall(self._socket, line + b"\r\n")
        answer = b""
        while not answer.endswith(b"\r\n"):  # nothing comes beyond the answer, before the next question
            data = await self._loop.sock_recv(self._socket, LONGEST_LINE)
            answer += data
            if not data:
                raise ConnectionResetError("it closed the connection during authentication")
            if len(answer) > LONGEST_LINE:
                raise ConnectionError("its answer during authentication is too long")
        return answer.removesuffix(b"\r\n")

    def send(self, serial: int, message: bytes) -> None:
        """Write a message, now or as soon as the socket takes it. After the end it does nothing."""
        if not self.ended:
            self._output[serial] = message
            self.waiting += len(message)
            self._write()

    def withdraw(self, serial: int) -> None:
        """Don't write a message, if it is not begun."""
        if serial in self._output and not (self._begun and serial == next(iter(self._output))):
            self.waiting -= len(self._output.pop(serial))

    def close(self) -> None:
        """End the connection. Once more does nothing."""
        self._end(None)

    def _write(self) -> None:
        if self.ended:
            return
        try:
            while self._output:
                self._write_first()
        except (BlockingIOError, InterruptedError):
            pass  # it is full: the loop says when it takes more
        except OSError as error:
            self._end(error)
            return
        if self._output:
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)
        self._hear(self.waiting <= self._most_waiting)

    def _hear(self, wanted: bool) -> None:
        """Read, or let what comes wait for the time being."""
        if wanted != self._hearing:
            self._hearing = wanted
            if wanted:
                self._loop.add_reader(self._socket, self._read)
            else:
                self._loop.remove_reader(self._socket)

    def _write_first(self) -> None:
        serial, message = next(iter(self._output.items()))
        written = self._socket.send(memoryview(message)[self._begun :])
        self.waiting -= written
        self._begun += written
        if self._begun == len(message):
            del self._output[serial]
            self._begun = 0

    def _read(self) -> None:
        """Take one chunk. The rest waits for another turn of the loop, so that other tasks have theirs."""
        missing = _size(self._input) - len(self._input)
        try:
            data, descriptors, _, _ = socket.recv_fds(
                self._socket, max(CHUNK, min(missing, LARGEST_CHUNK)), _DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        for one in descriptors:
            os.close(one)
        if not data:
            self._end(ConnectionResetError("the bus closed the connection"))
            return
        self._input += data
        self._pass_on()

    def _pass_on(self) -> None:
        """Hand out the messages that are complete."""
        while not self.ended:
            size = _size(self._input)
            if size > LARGEST:
                self._end(ConnectionError("the bus sent what is no message"))
            elif size > len(self._input):
                return
            else:
                message = bytes(self._input[:size])
                del self._input[:size]
                self._take(message)

    def _end(self, reason: Exception | None) -> None:
        if self.ended:
            return
        self.ended = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._output.clear()
        self.waiting = 0
        self._tell_end(reason)


def _size(buffer: bytearray) -> int:
    """The bytes of the message that begins in a buffer, or those of a header if that is not there yet.

    More than `LARGEST` if it is no message.
    """
    if len(buffer) < _HEADER:
        return _HEADER
    if buffer[0] not in b"lB" or buffer[3] != 1:
        return LARGEST + 1
    order: Literal["little", "big"] = "little" if buffer[0] == ord("l") else "big"
    body, fields = (int.from_bytes(buffer[at : at + 4], order) for at in (4, 12))
    return _HEADER + (fields + 7) // 8 * 8 + body
