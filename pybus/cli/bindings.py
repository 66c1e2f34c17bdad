"""Exchanges, queues and bindings in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pybus.cli.text import to_json


def declared(one: dict[str, Any]) -> str:
    """How a queue or an exchange was declared: such as `durable auto-delete`, or a dash."""
    words = [word for word in ("durable", "exclusive", "auto_delete", "internal") if one.get(word)]
    return " ".join(words).replace("_", "-") or "-"


def named(exchange: str) -> str:
    """An exchange's name; the default one has none."""
    return exchange or "(default)"


def binding_facts(bindings: list[dict[str, Any]], *, away: bool) -> Iterator[tuple[str, str]]:
    """Each binding as a line of facts. away: tell where it leads, else where it comes from."""
    for one in bindings:
        arguments = [to_json(one["arguments"])] if one["arguments"] else []
        by = " and ".join([*([one["key"]] if one["key"] else []), *arguments])
        end = f"{one['to']} {one['destination']}" if away else f"exchange {named(one['source'])}"
        yield "leads to" if away else "bound to", end + (f", by {by}" if by else "")
