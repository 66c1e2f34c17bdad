"""The account's file: what it may say, who may read it, and that a mistake is named with its place."""

from pathlib import Path

import pytest

from pybus_services.presence.account import Account, NoAccount, default_resource, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Alice's chat.toml, which is not there yet."""
    file = tmp_path / ".config/pybus/chat.toml"
    file.parent.mkdir(parents=True)
    return file


def read(file: Path, text: str, mode: int = 0o600) -> Account:
    file.write_text(text)
    file.chmod(mode)
    return load({"HOME": str(file.parents[2])})


def problem(file: Path, text: str, mode: int = 0o600) -> str:
    """What is wrong with a file, without its path and the advice at the end."""
    with pytest.raises(NoAccount) as refused:
        read(file, text, mode)
    said = str(refused.value)
    assert said.endswith("; then set a status again")
    return said.removesuffix("; then set a status again").replace(f"{file}:", "")


def test_without_a_file_it_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(NoAccount) as refused:
        load({"HOME": str(tmp_path)})
    path = f"{tmp_path}/.config/pybus/chat.toml"
    said = f"there is no chat account: write jid and password_command into {path}, then set a status"
    assert str(refused.value) == said


def test_the_least_that_it_must_say(file: Path) -> None:
    assert read(file, 'jid = "alice@example.org"\npassword = "a secret"\n') == Account(
        file=str(file), jid="alice@example.org", password="a secret", resource=default_resource(), priority=-1
    )


def test_a_file_that_says_all_it_may(file: Path) -> None:
    text = """\
jid = "alice@example.org"
password_command = "secret-tool lookup 'my service' xmpp"
away_when_locked = true
host = "xmpp.example.org"
port = 5223
tls = "direct"
ca = "~/ca.pem"
resource = "desk"
priority = 5
"""
    assert read(file, text, 0o644) == Account(
        file=str(file),
        jid="alice@example.org",
        password_command=("secret-tool", "lookup", "my service", "xmpp"),
        away_when_locked=True,
        host="xmpp.example.org",
        port=5223,
        tls="direct",
        ca=f"{file.parents[2]}/ca.pem",
        resource="desk",
        priority=5,
    )
    listed = 'jid = "a@b"\npassword_command = ["pass", "show", "xmpp"]\n'
    assert read(file, listed).password_command == ("pass", "show", "xmpp")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o700 | 0o010])
def test_nobody_else_may_read_a_password(file: Path, mode: int) -> None:
    said = f"others can read this file (its mode is {mode:04o}), and it holds a password: chmod 600 {file}"
    assert problem(file, 'jid = "a@b"\npassword = "secret"\n', mode) == f"2: password: {said}"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_who_may(file: Path, mode: int) -> None:
    assert read(file, 'jid = "a@b"\npassword = "secret"\n', mode).password == "secret"


def test_the_password_is_not_shown_with_the_account(file: Path) -> None:
    assert "secret" not in repr(read(file, 'jid = "a@b"\npassword = "secret"\n'))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("password = 'x'\n", f'{"{file}"}: jid: is missing; write jid = "NAME@SERVER"'),
        (
            "jid = 'a@b'\n",
            "{file}: password_command: is missing; write the command that prints the password, or password",
        ),
        (
            "jid = 'a@b'\npassword = 'x'\npassword_command = 'y'\n",
            "3: password_command: there is a password, too; remove one of them",
        ),
        ("jid = 'alice'\npassword = 'x'\n", "1: jid: must be like alice@example.org, not 'alice'"),
        ("jid = 'a@b/c'\npassword = 'x'\n", "1: jid: must be like alice@example.org, not 'a@b/c'"),
        ("jid = 'a@b'\npassword = 5\n", "2: password: must be text, not 5"),
        ("jid = 'a@b'\npasswrd = 'x'\npassword = 'x'\n", "2: passwrd: unknown key; did you mean password?"),
        (
            "jid = 'a@b'\npassword_command = ''\n",
            '2: password_command: is empty; it must be a command, such as "secret-tool lookup service xmpp"',
        ),
        (
            "jid = 'a@b'\npassword_command = \"a 'b\"\n",
            "2: password_command: can't be split into words as a shell does: No closing quotation",
        ),
        ("jid = 'a@b'\npassword_command = ['a', 5]\n", "2: password_command: must be text, not 5"),
        ("jid = 'a@b'\npassword = 'x'\nport = 0\n", "3: port: must be a whole number, at least 1, not 0"),
        ("jid = 'a@b'\npassword = 'x'\nhost = ' '\n", "3: host: is empty; leave the key out, or write something"),
        ("jid = 'a@b'\npassword = 'x'\ntls = false\n", '3: tls: must be "starttls", "direct" or "off", not false'),
        (
            "jid = 'a@b'\npassword = 'x'\nca = 'ca.pem'\n",
            "3: ca: must be an absolute path, or begin with ~/, not 'ca.pem'",
        ),
        ("jid = 'a@b'\npassword = 'x'\npriority = 128\n", "3: priority: must be a whole number, at most 127, not 128"),
        (
            "jid = 'a@b'\npassword = 'x'\naway_when_locked = 1\nport = 70000\n",
            "3: away_when_locked: must be true or false, not 1; 4: port: must be a whole number, at most 65535, "
            "not 70000",
        ),
    ],
)
def test_each_mistake(file: Path, text: str, said: str) -> None:
    assert problem(file, text) == said.replace("{file}:", "", 1).replace("{file}", "")


def test_a_resource_is_one_machines_and_hides_its_name() -> None:
    assert default_resource("desk") == "pybus-49be417a"
    assert default_resource("laptop") != default_resource("desk")
    assert default_resource() == default_resource()
