"""A rule for a state, at work on whoever owns a name now.

The object is asked when it is first seen, and again when something says that the answer may be another
one: a property is invalidated; an object under another path, which can be the same one, as logind's
`session/auto` is, tells a change; the object comes or goes (the specification's ObjectManager).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..bus import PAUSES, Bus, DBusError, Signal
from ..watches import Watch
from .rule import Rule, Untold

ANSWER = 5.0
"""Seconds that an answer may take."""

_PROPERTIES = "org.freedesktop.DBus.Properties"
_OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"

_log = logging.getLogger("pybus.dbus")


class State:
    """One state of one owner. asked: set once it has been asked for, whether that was answered or not."""

    def __init__(self, rule: Rule, bus: Bus, owner: str, tell: Callable[[object], None]) -> None:
        """owner: a unique name, by which nobody can be started. tell: called with the value, None if it is unknown."""
        self.asked = asyncio.Event()
        self._rule = rule
        self._bus = bus
        self._owner = owner
        self._tell = tell
        self._watches: list[Watch] = []
        self._stirred = asyncio.Event()
        self._heard = False
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(self._note_end)

    def close(self) -> None:
        """End it: `tell` is not called any more."""
        self._task.cancel()
        for watch in self._watches:
            self._bus.unwatch(watch)
        self._tell = lambda _value: None

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self.asked.set()
        if not task.cancelled():
            self._tell(None)
            if (error := task.exception()) is not None:
                _log.error("rule %s has failed; please report this", self._rule.name, exc_info=error)

    async def _run(self) -> None:
        try:
            await self._watch()
            await self._keep_asking()
        except ConnectionError:
            pass  # whoever made the connection hears of its end
        except (DBusError, TimeoutError) as error:
            _log.warning("rule %s: %s can't be watched: %s", self._rule.name, self._owner, error)

    async def _watch(self) -> None:
        """Be told of whatever may change the answer."""
        rule = self._rule
        if rule.method:
            await self._add_watch(self._note_signal, interface=rule.interface, member=rule.signal)
            return
        changes = {"interface": _PROPERTIES, "member": "PropertiesChanged", "arg0": rule.interface}
        await self._add_watch(self._note_properties, **changes)
        await self._add_watch(self._note_objects, interface=_OBJECT_MANAGER)

    async def _add_watch(self, note: Callable[[Signal], None], **wanted: str) -> None:
        self._watches.append(await self._bus.watch(note, sender=self._owner, **wanted))

    # --- asking -----------------------------------------------------------------------------------

    async def _keep_asking(self) -> None:
        pauses = iter(PAUSES)
        while True:
            self._stirred.clear()
            self._heard = False
            known = await self._ask() or self._heard
            self.asked.set()
            pauses = iter(PAUSES) if known else pauses
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if known else next(pauses, None)):
                    await self._stirred.wait()

    async def _ask(self) -> bool:
        """Whether there was an answer. What was heard meanwhile is not older than that, and stays."""
        rule = self._rule
        try:
            if rule.property:
                answer = await self._call(_PROPERTIES, "Get", "ss", (rule.interface, rule.property))
            else:
                answer = await self._call(rule.interface, rule.method)
        except (DBusError, TimeoutError) as error:
            _log.debug("rule %s: no answer: %s", rule.name, error)
            if not self._heard:
                self._tell(None)
            return False
        if not self._heard:
            self._take(answer)
        return True

    async def _call(self, interface: str, member: str, signature: str = "", body: Sequence[str] = ()) -> list[Any]:
        return await self._bus.call(
            self._owner, self._rule.path, interface, member, signature, body, timeout=ANSWER, autostart=False
        )

    # --- news -------------------------------------------------------------------------------------

    def _note_properties(self, signal: Signal) -> None:
        if signal.signature != "sa{sv}as":
            return
        _, changed, invalidated = signal.body
        if self._rule.property in changed and signal.path == self._rule.path:
            self._hear([changed[self._rule.property]])
        elif self._rule.property in changed or self._rule.property in invalidated:
            self._stirred.set()

    def _note_objects(self, signal: Signal) -> None:
        if signal.signature.startswith("o") and signal.body[0] == self._rule.path:
            self._stirred.set()

    def _note_signal(self, signal: Signal) -> None:
        if signal.path == self._rule.path and signal.body:
            self._hear(signal.body)
        else:
            self._stirred.set()

    def _hear(self, values: Sequence[Any]) -> None:
        self._heard = True
        self._take(values)

    def _take(self, values: Sequence[Any]) -> None:
        try:
            body = self._rule.body(values)
        except Untold as reason:
            _log.debug("rule %s: no value: %s", self._rule.name, reason)
            body = None
        self._tell(body)
