"""Where it is measured, and with what: the machine, and the versions of all that takes part."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from pybus import __version__

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

_PROGRAMS = {
    "dbus-broker": "--version",
    "dbus-daemon": "--version",
    "redis-server": "--version",
    "nats-server": "--version",
    "mosquitto": "-h",
}
"""The peers that say their version themselves, and how they are asked."""

_SBIN = "/usr/sbin"


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


def versions() -> dict[str, str]:
    """What is measured with what, by name; what is not installed is absent."""
    found = {"pybus": __version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    for program, option in _PROGRAMS.items():
        version = _version_of(program, option)
        if version is not None:
            found[program] = version
    for folder in Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"):
        found["rabbitmq-server"] = folder.name.partition("-")[2]
    return found


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


def _version_of(program: str, option: str) -> str | None:
    """The first number with dots, or alone, in what it says; None if it isn't there or says none."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"
    try:
        done = subprocess.run([program, option], capture_output=True, text=True, env={**os.environ, "PATH": path})
    except OSError:
        return None
    number = re.search(r"\d+(\.\d+)*", done.stdout.partition("\n")[0])
    return number.group() if number else None
