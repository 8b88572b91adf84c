"""Hosted calls in whatever shape a server sends them: nothing breaks, nothing else is fetched."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant_gateway import items
from assistant_gateway.backends.hosted import Harvest
from assistant_gateway.backends.ladder import Ladder
from assistant_gateway.credits import Credits
from assistant_gateway.errors import BackendError, BackendRefused
from assistant_gateway.events import FileDone, ItemDone, StepEvent
from assistant_gateway.made import MadeFiles
from assistant_gateway.replies.ending import with_ending
from assistant_gateway.testing.backend import a_step, assert_calls_add_up, assert_parts_add_up
from assistant_gateway.values import Answer, FileRef, JsonValue, RunStatus

PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 300).decode()

Strategy: TypeAlias = st.SearchStrategy[JsonValue]


def shape(needed: dict[str, Strategy], optional: dict[str, Strategy] | None = None) -> Strategy:
    return st.fixed_dictionaries(needed, optional=optional or {})


odd: Strategy = st.one_of(
    st.none(), st.integers(-1, 2), st.sampled_from(["", "x", "\ud83d", PICTURE, "../../x", "c1"])
)
outputs: Strategy = st.one_of(
    odd,
    st.lists(
        st.one_of(
            odd,
            shape(
                {"type": st.sampled_from(["logs", "image", "x"])},
                optional={"logs": odd, "url": st.one_of(odd, st.just(f"data:image/png;base64,{PICTURE}"))},
            ),
        ),
        max_size=3,
    ),
)
cited = shape(
    {
        "type": st.sampled_from(
            ["container_file_citation", "url_citation", "file_citation", "file_path", None, 3]
        )
    },
    optional={"container_id": odd, "file_id": odd, "filename": odd, "url": odd, "title": odd},
)
parts = shape(
    {"type": st.just("output_text"), "text": odd}, optional={"annotations": st.lists(cited, max_size=3)}
)
hosted = shape(
    {
        "type": st.sampled_from(
            [f"{kind}_call" for kind in ("code_interpreter", "image_generation", "file_search", "web_search")]
        )
    },
    optional={
        "id": odd,
        "code": odd,
        "container_id": odd,
        "outputs": outputs,
        "result": odd,
        "results": outputs,
        "queries": odd,
        "action": odd,
        "status": odd,
        "error": odd,
    },
)
messages = shape({"type": st.just("message")}, optional={"content": st.lists(parts, max_size=2)})
events = shape(
    {
        "type": st.sampled_from(
            [
                "response.output_item.added",
                "response.output_item.done",
                "response.output_item.done",
                "response.output_text.annotation.added",
                "response.code_interpreter_call_code.delta",
            ]
        ),
        "item": st.one_of(hosted, hosted, messages),
        "annotation": cited,
        "delta": st.sampled_from(["", "a", "【1", "†x】"]),
    },
    optional={"output_index": st.sampled_from([0, 1, 2])},
)


@settings(max_examples=300, deadline=None)
@given(st.lists(events, max_size=8))
async def test_whatever_hosted_tools_tell_is_kept_small_and_fetched_from_their_own_containers(
    told: list[JsonValue],
) -> None:
    """300 senseless streams: typed errors or whole events, no picture on the thread, one end for people."""
    fetched: list[tuple[str, str]] = []
    stored: list[FileRef] = []

    async def keep(file: FileRef, data: bytes) -> None:
        stored.append(file)

    async def fetch(container: str, file: str) -> bytes:
        fetched.append((container, file))
        if len(fetched) % 2:
            raise BackendRefused("gone")
        return b"data"

    ladder, credits = Ladder("run-0"), Credits(tools=True, code=True)
    harvest = Harvest(replace(a_step("Go!"), save_file=MadeFiles(keep).save), fetch)
    found: list[StepEvent] = []
    end: JsonValue = {"type": "response.completed"}
    try:
        for event in [*told, end]:
            assert isinstance(event, dict)
            for rung in ladder.feed(event):
                async for each in harvest.take(rung):
                    found.append(each)
                    credits.hear(each)
    except BackendError:
        pass

    bodies = [event.body for event in found if isinstance(event, ItemDone)]
    ran = {body.get("container_id") for body in bodies if items.kind(body) == "code_interpreter_call"}
    files = tuple(event.file for event in found if isinstance(event, FileDone))
    answer = Answer("", RunStatus.COMPLETED, files=files, citations=credits.citations, tools=credits.tools)
    code = [body for body in bodies if items.kind(body) == "code_interpreter_call"]
    drawn = [body.get("result") for body in bodies if items.kind(body) == "image_generation_call"]
    assert_parts_add_up(found)
    assert_calls_add_up(found)
    assert {container for container, _ in fetched} <= {each for each in ran if each in ("x", "c1")}
    assert {file for _, file in fetched} <= {"x", "c1"}
    assert [*files] == stored
    assert len(stored) <= 10
    assert PICTURE not in drawn
    assert f"base64,{PICTURE}" not in json.dumps(code)
    assert with_ending(answer).strip()
