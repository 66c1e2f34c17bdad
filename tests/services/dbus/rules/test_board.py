"""Whose word counts."""

from pybus_services.dbus.rules.board import Board

GNOME, OTHER = (2, "org.gnome.ScreenSaver"), (3, "org.freedesktop.ScreenSaver")


def test_the_most_important_one_who_knows_tells_it() -> None:
    told: list[tuple[str, object]] = []
    board = Board(lambda topic, value: told.append((topic, value)))
    board.say(OTHER, "session.screensaver", "on")
    board.say(GNOME, "session.screensaver", "off")
    board.say(OTHER, "session.screensaver", "off")
    board.say(OTHER, "session.screensaver", "on")
    board.say(GNOME, "session.screensaver", None)
    board.say(OTHER, "session.screensaver", None)
    board.say(OTHER, "session.lock", "locked")
    board.say(GNOME, "session.screensaver", None)
    assert told == [
        *[("session.screensaver", value) for value in ("on", "off", "off", "off", "on", None)],
        ("session.lock", "locked"),
        ("session.screensaver", None),
    ]
