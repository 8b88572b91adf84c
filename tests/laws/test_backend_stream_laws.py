"""The stream's bytes and events, without a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant_gateway.backends.characters import label, whole
from assistant_gateway.backends.faults import from_error, quote, retry_after
from assistant_gateway.backends.ladder import Ladder
from assistant_gateway.backends.sse import EventReader
from assistant_gateway.errors import BackendError, StreamCut
from assistant_gateway.events import StepEvent
from assistant_gateway.testing.backend import assert_calls_add_up, assert_parts_add_up
from assistant_gateway.values import JsonValue

STREAM = (
    'data: {"a": "ü😀"}\n\n: ping\r\n\r\nevent: x\r\ndata: 1\r\ndata:2\r\n\r\nid: 7\ndata: last\n\n'.encode()
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_are_the_same_wherever_the_bytes_are_cut(cuts: list[int], end: bytes) -> None:
    """Three events, two line ends, every cut: the same data."""
    stream = STREAM.replace(b"\r\n", b"\n").replace(b"\n", end) + b": end\n"
    reader = EventReader()
    places = [0, *sorted(cuts), len(stream)]

    found = [data for a, b in pairwise(places) for data in reader.feed(stream[a:b])]

    assert ['{"a": "ü😀"}'.encode(), b"1\n2", b"last"] == found


def test_a_line_an_event_and_a_stream_have_a_limit() -> None:
    """100 bytes each are taken, one more is a cut."""
    with pytest.raises(StreamCut):
        EventReader(line_limit=100).feed(b"x" * 101)
    with pytest.raises(StreamCut):
        EventReader(line_limit=100).feed(b"data: 0123456789\n" * 11)
    with pytest.raises(StreamCut):
        EventReader(stream_limit=100).feed(b"\n" * 101)


words = st.sampled_from(["", "a", "Hi \ud83d", "\ude00", '{"a"', ": 1}", "{}"])
values: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(), st.integers(-1, 2), words, st.lists(st.none(), max_size=1)
)
parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["output_text", "refusal", "x"])},
    optional={"text": values, "refusal": values, "annotations": st.just([{"type": "c"}, 3])},
)
item_values = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["message", "function_call", "function_call", "reasoning", "mcp_call", 3]),
        "call_id": st.sampled_from(["c1", "c1", "c2", None]),
        "name": st.sampled_from(["f", "f", "", None]),
    },
    optional={
        "id": st.sampled_from(["1", "2", "", None]),
        "arguments": values,
        "content": st.one_of(values, st.lists(parts, max_size=2)),
        "status": st.sampled_from(["completed", "incomplete", None]),
    },
)
events = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*Ladder("x")._rungs.keys() - {"error", "response.failed"}, "unknown", 5]),
        "delta": words,
        "item": item_values,
    },
    optional={
        "text": values,
        "arguments": values,
        "item_id": st.sampled_from(["1", "2", "", None]),
        "output_index": st.sampled_from([0, 1, 0, -1, "0", True]),
        "content_index": st.sampled_from([0, 1, None, "0"]),
        "part": st.one_of(parts, values),
        "annotation": values,
        "response": st.one_of(
            st.fixed_dictionaries({"output": st.lists(st.one_of(item_values, values), max_size=2)}), values
        ),
    },
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(events, max_size=8))
def test_whatever_a_server_sends_the_ladder_holds_or_says_why_not(told: list[dict[str, JsonValue]]) -> None:
    """1500 senseless streams: parts and calls add up to the end, or a typed error ends them."""
    ladder = Ladder("run-0")
    found: list[StepEvent] = []
    end: dict[str, JsonValue] = {"type": "response.completed"}
    try:
        for event in [*told, end]:
            found.extend(ladder.feed(event))
    except BackendError:
        pass
    assert_parts_add_up(found)
    assert_calls_add_up(found)
    for given_on in found:
        repr(given_on).encode()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Ann", "Ann"),
        ("  Ann \n\t Lee ", "Ann Lee"),
        ("\u202eevil\u2066\u200f", "evil"),
        ("a\u2028b\x85c", "a b c"),
        ("x" * 100, "x" * 80),
        ("\ud83d", ""),
    ],
)
def test_a_label_stays_on_its_line(text: str, wanted: str) -> None:
    """No control, no direction, no second line, at most 80 characters."""
    assert wanted == label(text)


def test_plain_text_is_not_copied() -> None:
    """The common case costs nothing."""
    text = "Grüße 😀"

    assert text is whole(text)


def test_a_providers_words_are_one_line_without_keys() -> None:
    """Keys of several kinds are masked, also those that the provider has masked badly."""
    said = quote("Bad key: sk-proj-abcdef123456\nBearer abc.def and sk-abc***wxyz; " + "x" * 500)

    assert "sk-" not in said
    assert "abc.def" not in said
    assert "\n" not in said
    assert 300 == len(said)


def test_a_date_tells_when_to_come_again() -> None:
    """90 s from now, as an HTTP date; nonsense is no wait."""
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

    assert 90 == retry_after({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT"}, now=now)
    assert 0 == retry_after({"retry-after": "soon"})
    assert 0 == retry_after({})


def test_errors_of_any_shape_become_ours() -> None:
    """Odd types in an error object don't break the message about it."""
    for error in ({"code": True}, {"message": ["x"]}, {"type": {"a": 1}}, {"code": 3.5}, json.loads("{}")):
        assert str(from_error(error))
