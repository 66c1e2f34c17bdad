"""pybus: a message bus for the desktop. One daemon per user, on a Unix socket.

    import pybus

    with pybus.connect() as bus:                    # blocking; pybus.aio.connect() for asyncio
        bus.publish("hal.power.ac", "unplugged", retain=True)
        for signal in bus.subscribe("hal.power.#"):
            print(signal.topic, signal.body, signal.sender)

Everything public is here. Names are imported when first used, so that `import pybus` costs nothing.
"""

import os

from pybus import plain

if os.environ.get(plain.PURE):
    plain.insist()

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pybus import checks as checks
    from pybus import tables as tables
    from pybus import xdg as xdg
    from pybus.client import aio as aio
    from pybus.client.blocking import Bus as Bus
    from pybus.client.blocking import Subscription as Subscription
    from pybus.client.blocking import connect as connect
    from pybus.client.blocking_queues import Consumer as Consumer
    from pybus.client.blocking_queues import Exchange as Exchange
    from pybus.client.blocking_queues import Message as Message
    from pybus.client.blocking_queues import Queue as Queue
    from pybus.client.inbox import Signal as Signal
    from pybus.client.service import Caller as Caller
    from pybus.client.service import caller as caller
    from pybus.errors import AccessDenied as AccessDenied
    from pybus.errors import AccessRefused as AccessRefused
    from pybus.errors import AddressError as AddressError
    from pybus.errors import BodyError as BodyError
    from pybus.errors import BusError as BusError
    from pybus.errors import CallError as CallError
    from pybus.errors import ConnectionLost as ConnectionLost
    from pybus.errors import ConnectionRefused as ConnectionRefused
    from pybus.errors import ConsumerCancelled as ConsumerCancelled
    from pybus.errors import DeadlinePassed as DeadlinePassed
    from pybus.errors import Failed as Failed
    from pybus.errors import InvalidArguments as InvalidArguments
    from pybus.errors import InvalidName as InvalidName
    from pybus.errors import LimitExceeded as LimitExceeded
    from pybus.errors import LoopCut as LoopCut
    from pybus.errors import Nacked as Nacked
    from pybus.errors import NameHasNoOwner as NameHasNoOwner
    from pybus.errors import NameTaken as NameTaken
    from pybus.errors import NoBus as NoBus
    from pybus.errors import NoSuchService as NoSuchService
    from pybus.errors import NoSuchValue as NoSuchValue
    from pybus.errors import NotAllowed as NotAllowed
    from pybus.errors import NotConnected as NotConnected
    from pybus.errors import NotFound as NotFound
    from pybus.errors import PreconditionFailed as PreconditionFailed
    from pybus.errors import ProtocolError as ProtocolError
    from pybus.errors import PybusError as PybusError
    from pybus.errors import ReceiverFull as ReceiverFull
    from pybus.errors import ResourceLocked as ResourceLocked
    from pybus.errors import ServiceDied as ServiceDied
    from pybus.errors import ServiceError as ServiceError
    from pybus.errors import StartFailed as StartFailed
    from pybus.errors import StoreFailed as StoreFailed
    from pybus.errors import TooLarge as TooLarge
    from pybus.errors import UnknownMethod as UnknownMethod
    from pybus.errors import Unroutable as Unroutable
    from pybus.errors import UsageError as UsageError
    from pybus.names import check_pattern as check_pattern
    from pybus.names import check_topic as check_topic
    from pybus.names import matches as matches
    from pybus.plain import is_compiled as is_compiled
    from pybus.protocol.codec import Undecodable as Undecodable

_HOMES = {
    "pybus.client.blocking": ("Bus", "Subscription", "connect"),
    "pybus.client.blocking_queues": ("Consumer", "Exchange", "Message", "Queue"),
    "pybus.client.inbox": ("Signal",),
    "pybus.client.service": ("Caller", "caller"),
    "pybus.names": ("check_pattern", "check_topic", "matches"),
    "pybus.plain": ("is_compiled",),
    "pybus.protocol.codec": ("Undecodable",),
    "pybus.errors": (
        "AccessDenied",
        "AccessRefused",
        "AddressError",
        "BodyError",
        "BusError",
        "CallError",
        "ConnectionLost",
        "ConnectionRefused",
        "ConsumerCancelled",
        "DeadlinePassed",
        "Failed",
        "InvalidArguments",
        "InvalidName",
        "LimitExceeded",
        "LoopCut",
        "Nacked",
        "NameHasNoOwner",
        "NameTaken",
        "NoBus",
        "NoSuchService",
        "NoSuchValue",
        "NotAllowed",
        "NotConnected",
        "NotFound",
        "PreconditionFailed",
        "ProtocolError",
        "PybusError",
        "ReceiverFull",
        "ResourceLocked",
        "ServiceDied",
        "ServiceError",
        "StartFailed",
        "StoreFailed",
        "TooLarge",
        "UnknownMethod",
        "Unroutable",
        "UsageError",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

_MODULES = {
    "aio": "pybus.client.aio",
    "checks": "pybus.checks",
    "tables": "pybus.tables",
    "xdg": "pybus.xdg",
}

__all__ = [*_MODULES, *_HOME_OF]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pybus' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
