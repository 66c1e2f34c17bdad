"""The asyncio face's connection: a socket in the event loop, reconnecting, and the program's work."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pybus.client.aio_answer import Answer, Turn, settle
from pybus.client.cause import OUTSIDE, cause
from pybus.client.face import TIMEOUT, Face
from pybus.client.inbox import Inbox
from pybus.client.pending import Gap, Lost, Pending, Restored
from pybus.client.service import IncomingCall, is_awaitable
from pybus.client.transport import BULK_SIZE, FIRST_PAUSE, GRACE, LONGEST_PAUSE, READ_SIZE, no_bus
from pybus.errors import ConnectionLost, NoBus, NotConnected, ProtocolError

if TYPE_CHECKING:
    from pybus.client.core import Steps

T = TypeVar("T")

HIGH = 256 * 1024
"""Bytes that may wait to be written before `publish` waits, too."""


class Connection(Face):
    """What waits, moves bytes and runs the program's handlers for the asyncio `Bus`."""

    def __init__(self, path: str, program: str | None, reconnect: bool) -> None:
        super().__init__(path, program, reconnect)
        self._loop = asyncio.get_running_loop()
        self._sock: socket.socket | None = None
        self._read_size = READ_SIZE
        self._tasks: set[asyncio.Task[None]] = set()
        self._up = asyncio.Event()
        self._ended = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._writing = False
        self._write_scheduled = False
        self._failure: Exception | None = None
        self._closing: asyncio.Task[Any] | None = None
        self._guard: asyncio.TimerHandle | None = None
        self._turn = Turn()

    # --- how it waits -----------------------------------------------------------------------------

    async def _call(
        self, name: str, method: str, args: tuple[object, ...], named: dict[str, object], timeout: float
    ) -> Any:
        if self._core.welcome is None or self._core.output.waiting > HIGH:
            await self._ready(timeout)
        self._owner.check()
        pending = self._core.call(name, method, args, named, timeout)
        try:
            return await self._answer(pending, timeout)
        finally:
            self._core.abandon(pending)

    async def _receivers(self, pending: Pending) -> int:
        reached = await self._wait(pending)
        assert isinstance(reached, int)
        return reached

    async def _drive(self, steps: Steps[T]) -> T:
        await self._ready()
        pending = next(steps)
        try:
            while True:
                try:
                    answer = await self._wait(pending)
                except Exception as error:
                    pending = steps.throw(error)
                else:
                    pending = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()
            self._schedule_write()

    async def _wait(self, pending: Pending, timeout: float = TIMEOUT) -> object:
        """The answer. The bus keeps the deadline; only a bus that hangs makes the client give up."""
        try:
            return await self._answer(pending, timeout)
        finally:
            self._core.abandon(pending)

    def _answer(self, pending: Pending, timeout: float) -> asyncio.Future[object]:
        """What a task is to await at once, and nobody else."""
        answer = Answer(self._loop, self._turn)
        pending.notify = answer.settle
        self._await(pending, timeout)
        return answer

    def _future(self, pending: Pending, timeout: float = TIMEOUT) -> asyncio.Future[object]:
        future: asyncio.Future[object] = self._loop.create_future()
        pending.notify = partial(settle, future)
        if pending.done:  # the reply to a message may come together with its confirm
            settle(future, pending.value, pending.error)
        else:
            self._await(pending, timeout)
        return future

    def _await(self, pending: Pending, timeout: float) -> None:
        """See that it is written, and given up in time."""
        pending.until = self._loop.time() + timeout + GRACE
        if self._guard is None or pending.until < self._guard.when():
            self._watch(pending.until)
        if self._core.awaits_one and not self._write_scheduled and not self._writing:
            self._write()  # at once, for somebody waits for this alone; many at a time go in one write
        else:
            self._schedule_write()

    def _watch(self, until: float) -> None:
        """Give up then what the bus has not answered. One timer serves all, and is left alone while answers come."""
        self._stop_watching()
        if until < float("inf"):
            self._guard = self._loop.call_at(until, self._expire)

    def _expire(self) -> None:
        self._watch(self._core.expire(self._loop.time()))

    def _stop_watching(self) -> None:
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None

    def _subscribe(self, inbox: Inbox) -> asyncio.Future[object]:
        """Let an inbox get signals; the future ends when the bus has agreed, or has refused."""
        self._owner.check()
        self._check_alive()
        confirmed = self._future(self._core.subscribe(inbox))
        confirmed.add_done_callback(lambda future: self._confirmed(inbox, future))
        return confirmed

    def _confirmed(self, inbox: Inbox, future: asyncio.Future[object]) -> None:
        """The bus has taken a subscription, or not: then it is none."""
        if future.cancelled() or future.exception() is None or self._core.welcome is None:
            return
        self._core.unsubscribe(inbox)
        if inbox.handler is not None:  # nobody may ever await what `on` returned
            self._loop.call_exception_handler(
                {"message": f"the bus refused a subscription to {inbox.patterns}", "exception": future.exception()}
            )

    async def _unsubscribe(self, inbox: Inbox) -> None:
        if self._owner.closed:
            inbox.close()
            return
        self._owner.check()
        pending = self._core.unsubscribe(inbox)
        if pending is not None:
            await self._wait(pending)

    async def _ready(self, patience: float = TIMEOUT) -> None:
        """See that there is a connection, waiting `patience` seconds for the bus to come back."""
        self._owner.check()
        self._check_alive()
        if self._core.welcome is not None and self._core.output.waiting <= HIGH:
            return
        try:
            async with asyncio.timeout(patience):
                while self._core.welcome is None:
                    await self._up.wait()
                    self._owner.check()
                    self._check_alive()
                if self._core.output.waiting > HIGH:
                    await self._wait_for_room()
        except TimeoutError:
            raise NoBus(f"the bus at unix:{self._path} has gone and did not come back in {patience:g} s") from None

    async def _wait_for_room(self) -> None:
        """Write, let the loop turn, and wait until the bus has taken what waits."""
        self._write()
        await asyncio.sleep(0)
        while self._core.output.waiting > HIGH:
            self._owner.check()
            self._check_alive()
            self._room.clear()
            await self._room.wait()

    async def _written(self) -> None:
        """See that what was just put gets written; wait only while too much waits."""
        self._schedule_write()
        if self._core.output.waiting > HIGH and self._core.welcome is not None:
            await self._wait_for_room()

    def _check_alive(self) -> None:
        if self._failure is not None:
            raise self._failure

    # --- the program's work -----------------------------------------------------------------------

    def _work(self) -> None:
        """Do what the core has for the program, and write its answers. What its code raises goes to the loop's handler.

        Each begins outside of any chain, whatever code it was that connected, or lets this run.
        """
        chain = cause.get()
        while self._core.work:
            work = self._core.work.popleft()
            cause.set(OUTSIDE)
            try:
                if isinstance(work, Inbox):
                    self._run_handler(work)
                elif isinstance(work, (Lost, Restored, Gap)):
                    self._tell(work)
                elif self._core.services.is_current(work):
                    self._carry_out(work)
            except Exception as error:
                self._loop.call_exception_handler({"message": "a pybus handler failed", "exception": error})
        cause.set(chain)
        if self._core.output.waiting:
            self._write()

    def _run_handler(self, inbox: Inbox) -> None:
        """Call an inbox's handler for what is in it. One that has to be awaited is, before the next signal."""
        try:
            while (result := inbox.handle()) is not None:
                if is_awaitable(result):
                    wake, inbox.wake = inbox.wake, None
                    self._start(self._await_handler(inbox, wake, result))  # the task continues the chain
                    return
        except Exception:
            self._core.work.append(inbox)  # the signals behind it are still to be handled
            raise

    async def _await_handler(self, inbox: Inbox, wake: Callable[[], None] | None, result: Awaitable[object]) -> None:
        try:
            await result
        finally:
            inbox.wake = wake
            if len(inbox) and wake is not None:
                wake()
                self._loop.call_soon(self._work)

    def _carry_out(self, call: IncomingCall) -> None:
        try:
            answer = call.start()
        except Exception as error:
            self._core.services.refuse(call, error)
        else:
            if is_awaitable(answer):
                task = self._start(self._await_answer(call, answer))
                if isinstance(answer, Coroutine):
                    task.add_done_callback(lambda _: answer.close())  # if the task was cancelled before it began
                return
            self._core.services.answer(call, answer)

    async def _await_answer(self, call: IncomingCall, answer: Awaitable[object]) -> None:
        call.enter()
        try:
            value = await answer
        except Exception as error:
            self._core.services.refuse(call, error)
        except asyncio.CancelledError as error:
            self._core.services.refuse(call, error)
            raise
        else:
            self._core.services.answer(call, value)
        finally:
            self._schedule_write()

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": "a pybus handler failed", "exception": task.exception()})

    # --- the socket -------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Open a connection. Raises `NoBus`, `ConnectionRefused`, `ProtocolError`; cancel-safe."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(GRACE):
                await self._loop.sock_connect(sock, self._path)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    # A bus that refuses us at once has closed; its reason is there to be read.
                    await self._loop.sock_sendall(sock, self._core.open())
                while self._core.welcome is None:
                    data = await self._loop.sock_recv(sock, READ_SIZE)
                    if not data:
                        raise NoBus(f"the bus at unix:{self._path} went away")
                    self._core.receive(data)
        except TimeoutError:
            sock.close()
            raise NoBus(f"what listens at unix:{self._path} does not answer") from None
        except OSError as error:
            sock.close()
            raise no_bus(self._path, error) from None
        except BaseException:
            sock.close()
            raise
        self._sock = sock
        self._loop.add_reader(sock.fileno(), self._read)
        self._up.set()
        self._work()

    def _read(self) -> None:
        """Take what has come, do the work that it makes, and let those go on who awaited it."""
        self._turn.at_once = True
        try:
            self._take()
            if self._core.work or self._core.output.waiting:
                self._work()
            if self._turn.answers:
                self._go_on()
        finally:
            self._turn.end()

    def _take(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(self._read_size)
            self._read_size = BULK_SIZE if len(data) >= READ_SIZE else READ_SIZE
            if not data:
                raise ConnectionLost("the bus closed the connection")
            self._core.receive(data)
        except BlockingIOError:
            return
        except (OSError, NotConnected, ProtocolError) as error:
            self._disconnected(error)

    def _go_on(self) -> None:
        """Let those go on whose answers have come. What they send is written then, and not in the next turn."""
        try:
            self._turn.go_on()
        finally:
            if self._core.output.waiting and not self._writing:
                self._write()

    def _schedule_write(self) -> None:
        """Write what waits at the end of this turn of the loop."""
        if not self._write_scheduled and not self._writing:
            self._write_scheduled = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._write_scheduled = False
        if self._sock is None or not self._core.output.waiting:
            return
        try:
            self._core.output.wrote(self._sock.send(self._core.output.unwritten()))
        except BlockingIOError:
            pass
        except OSError:
            return  # the reader sees the end of the connection, after the bus's last words
        self._watch_for_room(self._core.output.waiting > 0)
        if self._core.output.waiting <= HIGH:
            self._room.set()

    def _watch_for_room(self, wanted: bool) -> None:
        if wanted != self._writing and self._sock is not None:
            self._writing = wanted
            if wanted:
                self._loop.add_writer(self._sock.fileno(), self._write)
            else:
                self._loop.remove_writer(self._sock.fileno())

    def _disconnected(self, reason: Exception) -> None:
        self._drop_socket()
        self._core.disconnected(reason)
        if self._comes_back:
            self._start(self._come_back())
        else:
            self._finish(None if self._owner.closed else self._lost())

    async def _come_back(self) -> None:
        """Connect again, with growing pauses, until the bus is back."""
        pause = FIRST_PAUSE
        while self._comes_back and self._sock is None:
            try:
                await self._connect()
            except (NotConnected, ProtocolError) as error:
                if self._core.banned:
                    self._finish(error)
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _drop_socket(self) -> None:
        self._up.clear()
        if self._sock is not None:
            self._watch_for_room(False)
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _finish(self, failure: Exception | None) -> None:
        """Nothing will come any more: wake everybody who waits, with the reason if it was not planned."""
        self._failure = failure
        self._stop_watching()
        self._ended.set()
        self._up.set()
        self._room.set()
        self._core.finish(failure)
        for task in self._tasks:
            if task is not self._closing:
                task.cancel()
        for inbox in self._core.inboxes:
            if failure is None:
                inbox.close()
            elif inbox.handler is None and inbox.wake is not None:
                inbox.wake()
