"""Whether network interfaces have a link, by rtnetlink. The only file that imports pyroute2.

A carrier is no uevent. The kernel tells of it in RTM_NEWLINK messages, to sockets in the group
RTMGRP_LINK. They come into one queue with the answer to a request for all interfaces, so the last
message about an interface is the truth about it. Messages of other families than AF_UNSPEC are about
something else: with RTM_DELLINK of AF_BRIDGE a bridge tells that a port has left it, while the
interface is still there.

When the queue overflows the kernel says so, once (ENOBUFS), and messages are missing. Then all
interfaces are asked for again as soon as the queue is empty, for a full one has no room for an
answer. An answer during which interfaces came or went may lack others; it is marked NLM_F_DUMP_INTR
(net/core/rtnetlink.c), and they are asked for once more.

pyroute2's asynchronous classes are beyond repair after an overflow and keep unread messages without
a bound, so its plain socket is used. The import takes 90 ms and 13 MB, whatever part of it is named,
as the package loads all that it has; so it waits until `Links` are opened.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..messages import word

_BATCH = 16
"""Reads in one go, 16 KiB each at most; then the loop's other work gets its turn."""

_PATIENCE = 5.0
"""Seconds for the first answer. The kernel gives it without waiting; this is against one that doesn't."""

# linux/netlink.h, linux/rtnetlink.h and linux/if.h
_ERROR, _DONE = 2, 3
_NEW_LINK, _DELETED_LINK, _GET_LINK = 16, 17, 18
_REQUEST_OF_ALL = 0x301
_INTERRUPTED = 0x10
_LINK_GROUP = 1
_LOOPBACK = 0x8
_LOWER_UP = 0x10000
"""Has a carrier and is up: an interface that is set down doesn't have it, whatever its driver says (dev_get_flags)."""

_log = logging.getLogger("pybus.hal")


class Interfaces:
    """What the kernel said of the interfaces.

    stale: messages may be missing, so all interfaces have to be asked for. asking: an answer has
    begun, and has not ended.
    """

    def __init__(self) -> None:
        self.stale = True
        self.asking = False
        self._interrupted = False
        self._links: dict[int, tuple[str, bool]] = {}
        self._unheard: set[int] = set()

    def values(self) -> dict[str, object]:
        """`hal.net.NAME.link` of each: "up" with a carrier, else "down"; one that is set down has none."""
        return {f"hal.net.{word(name)}.link": "up" if up else "down" for name, up in self._links.values()}

    def ask(self) -> None:
        """A request for all goes out: those that its answer doesn't name are gone."""
        self.stale, self.asking, self._interrupted = False, True, False
        self._unheard = set(self._links)

    def take(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Messages in their order. Raises `OSError` if the kernel refuses to answer."""
        for message in messages:
            kind = message["header"]["type"]
            self._interrupted |= bool(message["header"]["flags"] & _INTERRUPTED)
            if kind in (_NEW_LINK, _DELETED_LINK) and message["family"] == socket.AF_UNSPEC:
                self._take_link(message, gone=kind == _DELETED_LINK)
            elif kind == _DONE:
                self._end_answer()
            elif kind == _ERROR:
                self._take_error(abs(message["error"]))

    def _take_link(self, message: Mapping[str, Any], *, gone: bool) -> None:
        index, name, flags = message["index"], message.get("ifname"), message["flags"]
        self._unheard.discard(index)
        if gone:
            self._links.pop(index, None)
        elif name and not flags & _LOOPBACK:
            self._links[index] = _text(name), bool(flags & _LOWER_UP)

    def _end_answer(self) -> None:
        self.asking = False
        self.stale |= self._interrupted
        if not self._interrupted:
            for index in self._unheard:
                self._links.pop(index, None)

    def _take_error(self, number: int) -> None:
        """Out of room for an answer, or still at the one before: that goes on, and can't be relied on."""
        if number not in (errno.ENOBUFS, errno.EBUSY):
            raise OSError(number, "rtnetlink doesn't list the interfaces")
        self._interrupted = True


def _text(name: str | bytes) -> str:
    """A name that is not UTF-8 comes from pyroute2 as it is; it is escaped as in uevents (`\\xff`)."""
    return name if isinstance(name, str) else name.decode(errors="backslashreplace")


class Links:
    """A `Source`: `hal.net.NAME.link` for each interface but the loopback. At rest while no link changes."""

    pattern = "hal.net.*.link"
    subsystem = ""

    def __init__(self) -> None:
        self._socket: Any = None
        self._interfaces = Interfaces()
        self._values: dict[str, object] = {}
        self._changed: Callable[[], None] = lambda: None

    async def open(self, changed: Callable[[], None]) -> None:
        """Listen, then read all interfaces. Raises `OSError` without rtnetlink or pyroute2.

        If it fails or is cancelled, `close` lets go of what it had.
        """
        try:
            from pyroute2 import IPRSocket
        except ModuleNotFoundError as error:
            remedy = "pyroute2 is not installed; install it with: pip install 'pybus[services]'"
            raise OSError(errno.ENOPKG, remedy) from error
        self._changed = changed
        self._socket = IPRSocket(groups=_LINK_GROUP)
        self._socket.socket.setblocking(False)
        try:
            self._socket.bind()
        except KeyError as error:  # its way to say that it was refused whatever address it tried
            raise OSError(errno.EADDRINUSE, "rtnetlink takes no listener") from error
        async with asyncio.timeout(_PATIENCE):
            while self._interfaces.stale or self._interfaces.asking:
                self._read()
                await asyncio.sleep(0)
        self._values = self._interfaces.values()
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._wake)

    def refresh(self) -> None:
        """Nothing: rtnetlink tells what comes and goes."""

    def values(self) -> dict[str, object]:
        """The links now."""
        return self._values

    def close(self) -> None:
        """Let go of the socket. To be called in the loop that `open` ran in."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _wake(self) -> None:
        try:
            self._read()
        except OSError as error:
            _log.warning("rtnetlink failed, so the links are unknown from now on: %s", error)
            self.close()
            self._interfaces = Interfaces()
        values = self._interfaces.values()
        if values != self._values:
            self._values = values
            self._changed()

    def _read(self) -> None:
        """Take what has come, and ask for all if the queue is empty and something is missing. Raises `OSError`."""
        for _ in range(_BATCH):
            try:
                self._interfaces.take(self._socket.get())
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._interfaces.stale = True
        else:
            return  # there may be more, so the loop calls again
        if self._interfaces.stale or self._interfaces.asking:  # of an answer the kernel had no memory for the rest
            self._interfaces.ask()
            self._socket.put(None, msg_type=_GET_LINK, msg_flags=_REQUEST_OF_ALL)
