"""The headers exchange: a binding's arguments are compared with the message's headers (AMQP 0-9-1 section 3.1.3.4)."""

from __future__ import annotations

from collections.abc import Collection

from pybus.broker.exchanges.exchange import Binding, Destination, Exchange, Headers
from pybus.broker.queues import replies

_ABSENT = object()


class HeadersExchange(Exchange):
    """Routes by headers, whatever the key.

    `x-match` says whether all of a binding's arguments have to be there or any one of them suffices; those that
    begin with `x-` count only for `all-with-x` and `any-with-x` (RabbitMQ's). An argument that is None asks for the
    header's presence only.
    """

    type = "headers"
    reads_headers = True

    def match(self, key: str, headers: Headers) -> Collection[Destination]:
        return {one.destination: None for one in self.bindings.values() if _matches(one.arguments, headers)}

    def selects(self, binding: Binding, key: str, headers: Headers) -> bool:
        return _matches(binding.arguments, headers)

    def _added(self, binding: Binding) -> None:
        """The bindings are all there is; no key leads to them."""

    def _removed(self, binding: Binding) -> None:
        """As above."""


def check_arguments(arguments: Headers) -> None:
    """The arguments of a binding to a headers exchange. Raises `PreconditionFailed`."""
    how = arguments.get("x-match", "all")
    if not isinstance(how, str):
        value = str(how).lower() if isinstance(how, bool) else how
        kind = replies.type_name(how)
        raise replies.failed(f"Invalid x-match field type {kind} (value {value}); expected longstr")
    if how not in ("all", "any", "all-with-x", "any-with-x"):
        raise replies.failed(f'Invalid x-match field value <<"{how}">>; expected all, any, all-with-x, or any-with-x')


def _matches(arguments: Headers, headers: Headers) -> bool:
    how = arguments.get("x-match", "all")
    with_x = how in ("all-with-x", "any-with-x")
    wanted = [name for name in arguments if name != "x-match" and (with_x or not name.startswith("x-"))]
    found = (_agrees(arguments[name], headers.get(name, _ABSENT)) for name in wanted)
    return all(found) if how in ("all", "all-with-x") else any(found)


def _agrees(wanted: object, found: object) -> bool:
    if found is _ABSENT or wanted is None:
        return found is not _ABSENT
    return wanted == found and isinstance(wanted, bool) == isinstance(found, bool)
