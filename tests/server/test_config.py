"""The configuration: where it is, what it may say, and that nobody can lock himself out with it."""

from pathlib import Path

import pytest

from pybus.limits import Limits
from pybus.server.config import Config, config_path, is_size, load_config
from pybus.server.log import LEVELS
from pybus.tables import ConfigError

KEYS = [*(f"limits.{field}" for field in Limits._fields), "log.level", "services.folders", "services.disabled"]
DEFAULTS = Config(Limits(), "info", (), (), dict.fromkeys(KEYS, "default"))


class Home:
    """Alice's home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"HOME": str(folder)}
        self.file = folder / ".config/pybus/pybus.toml"
        self.file.parent.mkdir(parents=True)

    def load(self, text: str) -> Config:
        self.file.write_text(text)
        return load_config(self.environ)

    def problems(self, text: str) -> list[str]:
        """What is wrong with this text, each line without the file's path."""
        with pytest.raises(ConfigError) as caught:
            self.load(text)
        assert str(caught.value) == "; ".join(caught.value.problems)
        assert [line for line in caught.value.problems if not line.startswith(f"{self.file}:")] == []
        return [line.removeprefix(f"{self.file}:") for line in caught.value.problems]


@pytest.fixture
def alice(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_without_a_file_all_is_as_usual(alice: Home) -> None:
    assert load_config(alice.environ) == DEFAULTS
    assert alice.load("") == DEFAULTS
    assert alice.load("[limits]\n[log]\n[services]\n") == DEFAULTS


def test_what_the_file_says_is_in_force_and_has_its_origin(alice: Home) -> None:
    config = alice.load("""\
[limits]
outbox = "32 MiB"
frame = 1048576
handshake = 5

[log]
level = "warning"

[services]
folders = ["~/bus", "~", "/srv/bus"]
disabled = ["org.pybus.Hal"]
""")
    origins = {
        "limits.outbox": f"{alice.file}:2",
        "limits.frame": f"{alice.file}:3",
        "limits.handshake": f"{alice.file}:4",
        "log.level": f"{alice.file}:7",
        "services.folders": f"{alice.file}:10",
        "services.disabled": f"{alice.file}:11",
    }
    assert config == Config(
        Limits()._replace(outbox=32 * 1024 * 1024, frame=1048576, handshake=5.0),
        "warning",
        (f"{alice.folder}/bus", str(alice.folder), "/srv/bus"),
        ("org.pybus.Hal",),
        DEFAULTS.origins | origins,
    )
    assert type(config.limits.handshake) is float


def test_all_mistakes_are_told_and_nothing_is_used(alice: Home) -> None:
    text = """\
[limits]
names = 300
outbox = "big"
deadline = "5"
[log]
level = "loud"
[services]
folders = [
  "/srv",
  "bus",
  7,
]
colour = "red"
"""
    assert alice.problems(text) == [
        "3: limits.outbox: must be a whole number of bytes, at least 65536, or text such as \"16 MiB\", not 'big'",
        "4: limits.deadline: must be a number of seconds, at least 0.1, not '5'",
        '6: log.level: must be "debug", "info", "notice", "warning" or "error", not \'loud\'',
        "10: services.folders: 'bus' must be an absolute path, or begin with ~/",
        "13: services.colour: unknown key; there are: disabled, folders",
    ]
    assert alice.problems("[services]\ndisabled = [\n'Hal']") == [
        "3: services.disabled: name 'Hal' has one word; a service name has two or more, such as org.example.Hal"
    ]
    assert alice.problems("[services]\nfolders = [7]") == ["2: services.folders: must be text, not 7"]
    assert alice.problems("[services]\nfolders = '/srv'") == [
        "2: services.folders: must be a list of texts, not '/srv'"
    ]
    assert alice.problems("[services]\nfolders = ['~bob/x']") == [
        "2: services.folders: '~bob/x' must be an absolute path, or begin with ~/"
    ]


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("65536", 65536),
        ('"65536 B"', 65536),
        ('"64 KiB"', 65536),
        ('"64KiB"', 65536),
        ('"1 GiB"', 1024**3),
        ('"1024 GiB"', 2**40),
    ],
)
def test_sizes(alice: Home, written: str, size: int) -> None:
    assert alice.load(f"limits.outbox = {written}").limits.outbox == size


@pytest.mark.parametrize(
    "written", ["65535", '"63 KiB"', '"65536"', '"64 KB"', '"64 kib"', '"-64 KiB"', '"1.5 MiB"', "64e3", "true"]
)
def test_what_is_no_size_or_too_small(alice: Home, written: str) -> None:
    (problem,) = alice.problems(f"limits.outbox = {written}")
    assert problem.startswith("1: limits.outbox: must be a whole number of bytes, at least 65536, or text")


@pytest.mark.parametrize("level", ["debug", "info", "notice", "warning", "error"])
def test_levels_of_the_log(alice: Home, level: str) -> None:
    config = alice.load(f"log.level = '{level}'")
    assert (config.log_level, list(LEVELS)) == (level, ["error", "warning", "notice", "info", "debug"])


@pytest.mark.parametrize("field", Limits._fields)
def test_every_limit_can_be_set_within_bounds(alice: Home, field: str) -> None:
    default = Limits._field_defaults[field]
    config = alice.load(f"limits.{field} = {default}")
    assert (config.limits, config.origins[f"limits.{field}"]) == (Limits(), f"{alice.file}:1")
    assert type(getattr(config.limits, field)) is type(default)
    for wrong, bound in (("-1", "at least"), ("9" * 30, "at most"), ("nan", "at least"), ("[]", "at least")):
        (problem,) = alice.problems(f"limits.{field} = {wrong}")
        assert problem.startswith(f"1: limits.{field}: must be a ")
        assert f", {bound} " in problem


@pytest.mark.parametrize(
    ("field", "least"), [("connections", 8), ("frame", 4096), ("outbox", 65536), ("handshake", 0.5), ("pending", 8)]
)
def test_nobody_can_lock_himself_out(alice: Home, field: str, least: float) -> None:
    assert getattr(alice.load(f"limits.{field} = {least}").limits, field) == least
    (problem,) = alice.problems(f"limits.{field} = {least - (1 if least > 1 else 0.01)}")
    assert f"at least {least}" in problem


def test_which_limits_are_numbers_of_bytes() -> None:
    sizes = ["frame", "outbox", "owed", "retained_value", "retained_bytes", "bytes_per_second"]
    sizes += ["queue_memory", "queued_bytes", "unsafe", "uncommitted", "delivering"]
    others = ["connections", "names", "retained_topics", "messages_per_second", "turn", "depth"]
    assert [field for field in sizes + others if is_size(field)] == sizes


def test_where_the_file_is() -> None:
    home = {"HOME": "/home/alice"}
    assert config_path(home) == "/home/alice/.config/pybus/pybus.toml"
    assert config_path({**home, "XDG_CONFIG_HOME": "/etc/alice"}) == "/etc/alice/pybus/pybus.toml"
    for ignored in ("", "here"):
        assert config_path({**home, "XDG_CONFIG_HOME": ignored}) == "/home/alice/.config/pybus/pybus.toml"


def test_a_file_that_was_asked_for_has_to_be_there(alice: Home) -> None:
    other = alice.folder / "other.toml"
    with pytest.raises(ConfigError) as caught:
        load_config(alice.environ, str(other))
    assert caught.value.problems == [f"{other}: there is no such file"]
    alice.file.write_text("not read")
    other.write_text("log.level = 'error'")
    assert load_config(alice.environ, str(other)).log_level == "error"
