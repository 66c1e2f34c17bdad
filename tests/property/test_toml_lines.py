"""The law of lines in TOML: no key is missed, none is invented, and each is on its line."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from pybus.toml_lines import Path, key_lines

TRAPS = st.sampled_from(["x", "", "a = 1", "[a]", "# no", "'", "{", "]", ",", "k0k = 1", "\\\\"])
QUOTES = [('"', '"'), ("'", "'"), ('"""\n', '\n"""'), ("'''\n", "\n'''"), ('"""', '""\\""""'), ("'''", "'''''")]


@st.composite
def strings(draw: st.DrawFn) -> str:
    """A string in some quotes, with that in it which may fool a reader of lines."""
    opening, closing = draw(st.sampled_from(QUOTES))
    between = "\n" if len(opening) > 1 else " "
    inner = between.join(draw(st.lists(TRAPS, max_size=3)))
    return opening + (inner.replace("'", "") if opening[0] == "'" else inner) + closing


SCALARS = st.sampled_from(["1", "0x1f", "1.5e3", "true", "inf", "2026-11-23 12:00:00", "07:30:00"])
SPACES = st.sampled_from(["", " ", "\t "])
GAPS = st.sampled_from(["", " ", "\n", " # ] } k1k = 2\n\n  "])


def tables_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Inline tables; a `@` becomes a key that the text has only once."""
    pairs = st.builds("@{}={}{}".format, SPACES, SPACES, values)
    return st.lists(pairs, max_size=3).map(", ".join).map("{{ {} }}".format)


def lists_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.builds("{}{}{}".format, GAPS, values, GAPS), max_size=3)
    return items.map(",".join).map("[{}]".format)


VALUES = st.recursive(SCALARS | strings(), lambda inner: tables_of(inner) | lists_of(inner), max_leaves=6)
KEYS = st.sampled_from(["@", "@.@", '"@"', "'@' . @", " @ . @ . @ . @"])
STATEMENTS = st.one_of(
    st.builds("{}{}={}{}".format, KEYS, SPACES, SPACES, VALUES),
    KEYS.map("[{}]".format),
    KEYS.map("[[{}]]".format),
    KEYS.map("[[many]]\n[many.{}]".format),
    KEYS.map("[[many]]\n[[many.{}]]".format),
    st.sampled_from(["# @ = 1", ""]),
)


def paths(value: object, path: Path = ()) -> set[Path]:
    """All paths in what tomllib has read, as deep as lines are kept."""
    found: set[Path] = {path} if 0 < len(path) <= 4 else set()
    if isinstance(value, dict):
        return found.union(*(paths(one, (*path, key)) for key, one in value.items()))
    if isinstance(value, list):
        return found.union(*(paths(one, (*path, index)) for index, one in enumerate(value)))
    return found


@given(st.lists(STATEMENTS, max_size=8))
def test_the_keys_found_are_those_of_tomllib_each_on_its_line(statements: list[str]) -> None:
    first, *others = "\n".join(statements).split("@")
    text = first + "".join(f"key{number:03}{piece}" for number, piece in enumerate(others))
    lines = key_lines(text)
    assert set(lines) == paths(tomllib.loads(text))
    keys = {path: path[-1] for path in lines if isinstance(path[-1], str)}
    assert {path: lines[path] for path in keys} == {
        path: text.count("\n", 0, text.index(key)) + 1 for path, key in keys.items()
    }
