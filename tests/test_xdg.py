"""A user's folders, from an environment."""

import os
import pwd

from pybus.xdg import config_home, data_folders, expand_home, home_folder, state_home

ALICE = {"HOME": "/home/alice"}


def test_the_home_is_in_the_environment_or_known_to_the_system() -> None:
    assert home_folder(ALICE) == "/home/alice"
    for environ in ({}, {"HOME": ""}, {"HOME": "alice"}):
        assert home_folder(environ) == pwd.getpwuid(os.getuid()).pw_dir


def test_a_tilde_is_the_home_at_the_start_only() -> None:
    for path, expanded in {
        "~": "/home/alice",
        "~/x": "/home/alice/x",
        "~bob/x": "~bob/x",
        "/x/~/y": "/x/~/y",
        "": "",
    }.items():
        assert expand_home(path, ALICE) == expanded
    assert (expand_home("~", {"HOME": "/"}), expand_home("~/x", {"HOME": "/"})) == ("/", "/x")


def test_the_folder_of_the_configuration() -> None:
    assert config_home(ALICE) == "/home/alice/.config"
    assert config_home({**ALICE, "XDG_CONFIG_HOME": "/c"}) == "/c"
    assert config_home({**ALICE, "XDG_CONFIG_HOME": "c"}) == "/home/alice/.config"


def test_the_folder_of_what_is_kept() -> None:
    assert state_home(ALICE) == "/home/alice/.local/state"
    assert state_home({**ALICE, "XDG_STATE_HOME": "/s"}) == "/s"


def test_the_folders_of_data_in_their_order() -> None:
    assert data_folders(ALICE) == ["/home/alice/.local/share", "/usr/local/share", "/usr/share"]
    assert data_folders({**ALICE, "XDG_DATA_HOME": "/d", "XDG_DATA_DIRS": "/a:b::/c"}) == ["/d", "/a", "/c"]
    assert data_folders({**ALICE, "XDG_DATA_HOME": "d", "XDG_DATA_DIRS": ""}) == data_folders(ALICE)
