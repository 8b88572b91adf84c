"""Text and JSON are mended once, at the door of the store."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway.store.text import clean, dumps, loads

ANY = st.text(st.characters(), max_size=20) | st.text("\0\\u\ud800\udfffx", max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain", "plain"),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("caf\u00e9 \U0001f600", "caf\u00e9 \U0001f600"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_only_what_nobody_can_keep_is_replaced(text: str, kept: str) -> None:
    """U+0000 and lone surrogates become U+FFFD; accents, emoji and their forms stay."""
    assert kept == clean(text)


@given(ANY)
def test_clean_text_has_utf8_and_keeps_its_length(text: str) -> None:
    """Whatever comes in, what is kept encodes, holds no U+0000, and no character was added or lost."""
    kept = clean(text)

    assert len(text) == len(kept.encode().decode())
    assert "\0" not in kept
    assert kept == clean(kept)


@given(JSON)
def test_json_is_clean_in_its_strings_too(value: object) -> None:
    """What is read back is what was written, each string of it clean."""

    def mended(value: object) -> object:
        if isinstance(value, str):
            return clean(value)
        if isinstance(value, list):
            return [mended(inner) for inner in value]
        if isinstance(value, dict):
            return {clean(key): mended(inner) for key, inner in value.items()}
        return value

    text = dumps({"value": value})  # type: ignore[dict-item]

    assert text == clean(text)
    assert mended({"value": value}) == loads(text)


def test_a_backslash_before_u0000_is_text() -> None:
    """The six characters of an escape that somebody wrote stay six characters."""
    assert {"a": "\\u0000 \\\ufffd"} == loads(dumps({"a": "\\u0000 \\\0"}))


def test_a_tuple_and_a_mapping_are_json_too() -> None:
    """Values are frozen in our code: a tuple is an array, any mapping an object; a set is neither."""
    assert '{"a":[1,2]}' == dumps(MappingProxyType({"a": (1, 2)}))
    with pytest.raises(TypeError):
        dumps({1, 2})  # type: ignore[arg-type]
