"""A chat server of the test's own, the real prosody, and a contact of alice's, each a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from .hal_scene import PATIENCE, Program, Scene, needs

needs_chat = needs("prosody", "openssl")

_CONFIGURATION = """\
data_path = "{folder}/data"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ {tls_port} }}
s2s_ports = {{}}
modules_enabled = {{ "roster", "saslauth", "presence", "ping", "tls" }}
modules_disabled = {{ "s2s", "offline" }}
c2s_require_encryption = false
authentication = "internal_plain"
log = {{ debug = "*console" }}
ssl = {{ certificate = "{folder}/server.pem"; key = "{folder}/server.key" }}
VirtualHost "localhost"
VirtualHost "other.localhost"
VirtualHost "bare.localhost"
  modules_disabled = {{ "tls" }}
VirtualHost "open.localhost"
  allow_unencrypted_plain_auth = true
  disable_sasl_mechanisms = {{ "SCRAM-SHA-1", "SCRAM-SHA-256" }}
"""
"""Beside alice's and bob's host:

other.localhost has the certificate of another, bare.localhost offers no encryption, and open.localhost
wants to be sent the password as it is.
"""

_ROSTER = """\
return {{
  [false] = {{ version = 1; pending = {{ {pending} }} }};
  ["{friend}@localhost"] = {{ subscription = "both"; groups = {{}} }};
}};
"""

_CERTIFICATE = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
    *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:open.localhost"),
    *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
)

_NOBODY = 65534
"""The user that prosody runs as where the tests are root's, as it wants to be nobody important."""


class Prosody:
    """A server that knows alice and bob, who are friends. Carol has asked to be alice's, too.

    port: takes connections without TLS, and offers STARTTLS. tls_port: with TLS from the first byte.
    certificate: its own, made by itself. lines: what it has logged since its start.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pb-chat-"))
        self.port, self.tls_port = _free_ports(2)
        self.certificate = self._folder / "server.pem"
        self.lines: list[str] = []
        self._heard = threading.Condition()
        self._furnish()
        self._process: subprocess.Popen[str] | None = None

    def _furnish(self) -> None:
        """Its files: prosody keeps each account and each roster in one, named as here."""
        making = (*_CERTIFICATE, "-keyout", f"{self._folder}/server.key", "-out", f"{self.certificate}")
        subprocess.run(making, check=True, capture_output=True)
        configuration = _CONFIGURATION.format(folder=self._folder, port=self.port, tls_port=self.tls_port)
        (self._folder / "prosody.cfg.lua").write_text(configuration)
        for host in ("localhost", "open%2elocalhost"):
            accounts, rosters = (self._folder / "data" / host / kind for kind in ("accounts", "roster"))
            accounts.mkdir(parents=True)
            rosters.mkdir()
            for name, friend, pending in (("alice", "bob", '["carol@localhost"] = true'), ("bob", "alice", "")):
                (accounts / f"{name}.dat").write_text(f'return {{ ["password"] = "{name}s secret" }};\n')
                (rosters / f"{name}.dat").write_text(_ROSTER.format(friend=friend, pending=pending))
        if os.geteuid() == 0:
            for path in (self._folder, *self._folder.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY)

    def start(self) -> None:
        """Returns when it takes connections."""
        user: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        command = ("prosody", "-F", "--config", f"{self._folder}/prosody.cfg.lua")
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.lines.clear()
        self._process = subprocess.Popen(command, cwd=self._folder, text=True, **pipes, **user)
        self._reader = threading.Thread(target=self._listen, args=(self._process,))
        self._reader.start()
        self.wait_for(f"Activated service 'c2s' on [127.0.0.1]:{self.port}")
        self.wait_for(f"Activated service 'c2s_direct_tls' on [127.0.0.1]:{self.tls_port}")

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                with self._heard:
                    self.lines.append(line.rstrip("\n"))
                    self._heard.notify_all()

    def wait_for(self, part: str) -> None:
        """Wait until it has logged a line with this part since its start."""
        with self._heard:
            found = self._heard.wait_for(lambda: any(part in line for line in self.lines), PATIENCE)
            assert found, f"prosody never logged {part!r}, but: {self.lines}"

    def signal(self, number: int) -> None:
        """Stop it, or let it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._reader.join(PATIENCE)
            self._process = None

    def logged(self, *parts: str) -> list[str]:
        """The lines of its log that have all these parts, of those that are here by now."""
        with self._heard:
            return [line for line in self.lines if all(part in line for part in parts)]

    def account(self, **more: object) -> str:
        """What alice's chat.toml says: her account here, without TLS, and more keys, which come first."""
        keys = {
            "jid": "alice@localhost",
            "password": "alices secret",
            "host": "127.0.0.1",
            "port": self.port,
            "tls": "off",
        }
        return "".join(f"{key} = {json.dumps(value)}\n" for key, value in {**keys, **more}.items() if value is not None)

    def __enter__(self) -> Prosody:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder)


class Bob(Program):
    """Alice's friend, whose client is a process of its own, see chat_bob.py."""

    async def sees(self) -> Any:
        """What he sees of alice next: [type, show, status], where the type of who is offline is unavailable."""
        return json.loads(await self.line())


async def bob(people: Scene, server: Prosody) -> Bob:
    """Bob, who has logged in, and sees that alice is offline."""
    aid = str(Path(__file__).with_name("chat_bob.py"))
    running = Bob(await people.start(sys.executable, aid, str(server.port)))
    assert await running.sees() == ["unavailable", "", ""]
    return running


def _free_ports(count: int) -> list[int]:
    """Ports that nobody has now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]
