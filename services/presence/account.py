"""The chat account: `$XDG_CONFIG_HOME/pybus/chat.toml`.

    jid = "alice@example.org"
    password_command = "secret-tool lookup service xmpp"   # words as in a shell, but no shell runs them
    # password = "..."           in its place; then nobody else may read the file (chmod 600)
    away_when_locked = false     # away by itself while the screen is locked
    host = "xmpp.example.org"    # left out: the DNS says which
    port = 5222                  # left out: the DNS says which
    tls = "starttls"             # "direct": from the first byte; "off": none, for a server on this machine
    ca = "~/ca.pem"              # certificates to trust in place of the system's
    resource = "pybus-1f2e3d4c"  # the name of this login among others of the same account
    priority = -1                # below 0: the server sends no messages here

jid and one of the passwords have to be there.
"""

import hashlib
import os
import re
import shlex
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

import pybus

STARTTLS, DIRECT, OFF = "starttls", "direct", "off"
"""How TLS begins: asked for on a connection without it (RFC 6120, section 5), at once (XEP-0368), or not at all."""

_JID = re.compile(r"[^@/\s]+@[^@/\s]+")


class NoAccount(Exception):
    """There is no account that can be used: says why, and what to do."""


@dataclass(frozen=True)
class Account:
    """An account as its file has it. host, ca, tls: empty, and port: 0, if left out. file: the path of the file."""

    file: str
    jid: str
    password: str = field(default="", repr=False)
    password_command: tuple[str, ...] = ()
    away_when_locked: bool = False
    host: str = ""
    port: int = 0
    tls: str = ""
    ca: str = ""
    resource: str = ""
    priority: int = -1
    """Messages to the account go to another login, or wait: one that shows none must not swallow them."""


def load(environ: Mapping[str, str] = os.environ) -> Account:
    """Read the account's file. Raises `NoAccount`, whose text names every mistake with line and key."""
    file = f"{pybus.xdg.config_home(environ)}/pybus/chat.toml"
    try:
        found = pybus.tables.read_tables(file, _allowed(environ), {"jid": 'write jid = "NAME@SERVER"'})
        problems = [*found.problems, *_password_problems(file, found.places)]
    except FileNotFoundError:
        text = f"there is no chat account: write jid and password_command into {file}, then set a status"
        raise NoAccount(text) from None
    if problems:
        raise NoAccount(f"{'; '.join(problems)}; then set a status again")
    return Account(file=file, **{"resource": default_resource(), **found.values})


def default_resource(machine: str | None = None) -> str:
    """A resource that stays the same on this machine, and differs from that of the account's other machines.

    So a login takes the place of its own predecessor that the server has not missed yet, and of no other
    (RFC 6120, section 7.7.2.2). Contacts see it, and need not know the machine's name. machine: its name.
    """
    name = socket.gethostname() if machine is None else machine
    return f"pybus-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _allowed(environ: Mapping[str, str]) -> dict[str, pybus.tables.Check]:
    text, flag = pybus.checks.text, pybus.checks.flag
    return {
        "jid": _jid,
        "password": text,
        "password_command": _words,
        "away_when_locked": flag,
        "host": _filled,
        "port": pybus.checks.count(1, 65535),
        "tls": pybus.checks.one_of(STARTTLS, DIRECT, OFF),
        "ca": lambda value: _path(value, environ),
        "resource": _filled,
        "priority": pybus.checks.count(-128, 127),
    }


def _password_problems(file: str, places: Mapping[str, str]) -> list[str]:
    """What is wrong with where the password is, and who can read it. Raises `FileNotFoundError`."""
    if "password" not in places:
        if "password_command" in places:
            return []
        return [f"{file}: password_command: is missing; write the command that prints the password, or password"]
    if "password_command" in places:
        return [f"{places['password_command']}: password_command: there is a password, too; remove one of them"]
    mode = stat.S_IMODE(os.stat(file).st_mode)
    if mode & 0o077:
        text = f"others can read this file (its mode is {mode:04o}), and it holds a password"
        return [f"{places['password']}: password: {text}: chmod 600 {shlex.quote(file)}"]
    return []


# --- the keys -----------------------------------------------------------------------------------------


def _jid(value: object) -> str:
    text = _filled(value)
    if not _JID.fullmatch(text):
        raise pybus.tables.Wrong(f"must be like alice@example.org, not {pybus.tables.shown(value)}")
    return text


def _filled(value: object) -> str:
    text = pybus.checks.text(value)
    if not text.strip():
        raise pybus.tables.Wrong("is empty; leave the key out, or write something")
    return text


def _path(value: object, environ: Mapping[str, str]) -> str:
    path = pybus.xdg.expand_home(_filled(value), environ)
    if not os.path.isabs(path):
        raise pybus.tables.Wrong(f"must be an absolute path, or begin with ~/, not {pybus.tables.shown(value)}")
    return path


def _words(value: object) -> tuple[str, ...]:
    """The words of a command, given as text or as a list."""
    try:
        listed = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise pybus.tables.Wrong(f"can't be split into words as a shell does: {error}") from None
    words = pybus.checks.texts(pybus.checks.text)(listed)
    if not words or not words[0]:
        raise pybus.tables.Wrong('is empty; it must be a command, such as "secret-tool lookup service xmpp"')
    return words
