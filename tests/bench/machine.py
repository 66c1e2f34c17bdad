"""Where it is measured, and with what: the machine, and the versions of all that takes part."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from tests.bench.buses import Bus

_PACKAGES = (
    "msgpack",
    "dbus-next",
    "dbus-fast",
    "pyzmq",
    "nats-py",
    "redis",
    "paho-mqtt",
    "pika",
    "aio-pika",
)
"""The Python clients, and what pybus itself needs."""


def machine() -> dict[str, str]:
    """What the figures depend on, by name."""
    cpu = _processor()
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "cores": str(len(os.sched_getaffinity(0))),
        "virtual": "yes" if "hypervisor" in cpu.get("flags", "").split() else "no",
        "kernel": platform.release(),
        "system": _system(),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "udevd": "yes" if os.path.exists("/run/udev/control") else "no",
    }


def versions(kinds: Mapping[str, type[Bus]]) -> dict[str, str]:
    """What is measured with what, by name; what is not installed is absent. kinds: the buses, by name."""
    found = {"Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    variants = {kind for kind in kinds.values() for base in kind.__mro__[1:] if base in kinds.values()}
    told = {name: kind.version() for name, kind in kinds.items() if kind not in variants}
    return found | {name: version for name, version in told.items() if version is not None}


def _system() -> str:
    """The distribution and its version, as it calls itself."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def _processor() -> dict[str, str]:
    """What the kernel says of the first one."""
    lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
