"""Tools that the provider runs itself: what is asked for, what is told, and the files that come of them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from assistant_gateway import items
from assistant_gateway.backend import Step
from assistant_gateway.backends.request import Leeway, build
from assistant_gateway.backends.responses import ResponsesBackend, ResponsesSettings
from assistant_gateway.events import (
    AnnotationAdded,
    FileDone,
    StepDone,
    StepEvent,
    ToolCallCreated,
    ToolCallDelta,
    ToolCallDone,
)
from assistant_gateway.testing.backend import a_step, assert_parts_add_up
from assistant_gateway.values import FileRef, JsonObject
from emulators.openai import Act, Eof, Failed, Hosted, Http, Incomplete, OpenAIEmulator, Say
from emulators.openai_hosted import MakeImage, RunCode, SearchFiles, SearchWeb, file_of_container, page
from fixtures.backends import PNG, Shelf, bodies, collect, said

KEY = "test-key"
CODE: JsonObject = {"type": "code_interpreter"}
SEARCH: JsonObject = {"type": "file_search", "vector_store_ids": ["vs_1"]}


@asynccontextmanager
async def speaking(*answers: Sequence[Act]) -> AsyncIterator[tuple[OpenAIEmulator, ResponsesBackend]]:
    async with OpenAIEmulator() as server:
        server.scripts.extend(answers)
        settings = ResponsesSettings.model_validate({"base_url": server.base_url, "api_key": KEY})
        backend = ResponsesBackend("main", settings)
        yield server, backend
        await backend.close()


def hosted(
    *tools: JsonObject, shelf: Shelf | None = None, said: Sequence[str | JsonObject] = ("Go!",)
) -> Step:
    return replace(a_step(*said), hosted_tools=tools, save_file=(shelf or Shelf()).save)


def files(events: list[StepEvent]) -> list[FileRef]:
    return [event.file for event in events if isinstance(event, FileDone)]


# What is asked for


async def test_hosted_tools_are_asked_for_with_what_they_need() -> None:
    """The interpreter gets a container and is asked what it printed; parameters go through as they are."""
    async with speaking([Say("Hi")]) as (server, backend):
        await collect(backend, hosted(CODE, SEARCH, {"type": "web_search", "search_context_size": "low"}))

    body = server.requests[0].body
    assert [
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "web_search", "search_context_size": "low"},
    ] == body["tools"]
    assert ["code_interpreter_call.outputs"] == body["include"]


async def test_a_container_of_the_settings_is_left_as_it_is() -> None:
    """A memory limit replaces the default container whole."""
    tool: JsonObject = {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}
    async with speaking([Say("Hi")]) as (server, backend):
        await collect(backend, hosted(tool))

    assert [tool] == server.requests[0].body["tools"]


async def test_requests_of_a_thread_share_a_cache_key() -> None:
    """Where the provider knows one: the same for each step of a thread, another for another thread."""
    step = a_step("Hi")
    keys = [
        (await build(each, "m", Leeway(cache_key=knows))).body.get("prompt_cache_key")
        for each in (step, replace(step, index=1), replace(step, thread_id="other"))
        for knows in (True, False)
    ]

    assert [None] * 3 == keys[1::2]
    assert keys[0] == keys[2] != keys[4]
    assert 32 == len(str(keys[0]))
    named = await build(replace(step, options={"prompt_cache_key": "mine"}), "m", Leeway(cache_key=True))
    assert "mine" == named.body["prompt_cache_key"]


# What is told


async def test_code_is_told_while_it_is_written_and_its_output_in_the_end() -> None:
    """A call with its code in pieces and what it printed; a failed one is told as failed."""
    acts: list[Act] = [
        RunCode("print(6 * 7)", "42\n"),
        RunCode("1 / 0", "ZeroDivisionError", status="failed"),
        Say("42"),
    ]
    async with speaking(acts) as (_, backend):
        events = await collect(backend, hosted(CODE))

    created = [event for event in events if isinstance(event, ToolCallCreated)]
    done = [event for event in events if isinstance(event, ToolCallDone)]
    pieces = [e.delta for e in events if isinstance(e, ToolCallDelta) and e.call_id == created[0].call_id]
    assert ["code_interpreter"] * 2 == [event.kind for event in created]
    assert "print(6 * 7)" == "".join(pieces)
    assert [("print(6 * 7)", "42\n", True), ("1 / 0", "ZeroDivisionError", False)] == [
        (event.arguments, event.output, event.ok) for event in done
    ]
    assert_parts_add_up(events)


async def test_searches_are_told_and_their_sources_named() -> None:
    """What was searched for; the annotations; nothing is fetched for them."""
    cited = [
        {"type": "file_citation", "file_id": "file-a.pdf", "filename": "a.pdf", "index": 3},
        page("https://w.example/", "Weather"),
    ]
    acts: list[Act] = [
        SearchFiles("rain", {"a.pdf": "It rains."}),
        SearchWeb("weather"),
        Say("See.", annotations=cited),
    ]
    async with speaking(acts) as (server, backend):
        events = await collect(backend, hosted(SEARCH, {"type": "web_search"}))

    done = [event for event in events if isinstance(event, ToolCallDone)]
    assert [("file_search", '["rain"]'), ("web_search", '{"type": "search", "query": "weather"}')] == [
        (event.kind, event.arguments) for event in done
    ]
    assert cited == [event.annotation for event in events if isinstance(event, AnnotationAdded)]
    assert ([], 1) == (server.fetched, len(server.requests))


async def test_marks_of_the_model_are_left_out() -> None:
    """Whatever pieces a mark comes in: deltas, text and item have the words alone."""
    text = "Rain 【4:0†source】today\ue200cite\ue202turn0search0\ue201. 【not a mark】 【12"
    pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
    async with speaking([Say(text, pieces)], [Say(text)]) as (_, backend):
        both = [await collect(backend, hosted(SEARCH)) for _ in range(2)]

    for events in both:
        assert "Rain today. 【not a mark】 【12" == said(events)
        assert said(events) == items.said(bodies(events))
        assert_parts_add_up(events)


# Files


async def test_a_picture_becomes_a_file_and_leaves_the_item() -> None:
    """The item holds the id of ours instead of 96 characters of base64, and so does a plot's."""
    shelf = Shelf()
    acts: list[Act] = [MakeImage(PNG), RunCode("plot()", "done", pictures=[PNG + b"2"]), Say("There.")]
    async with speaking(acts) as (_, backend):
        events = await collect(backend, hosted(CODE, {"type": "image_generation"}, shelf=shelf))

    encoded = base64.b64encode(PNG).decode()[:40]
    image, code, _ = bodies(events)
    assert [PNG, PNG + b"2"] == [data for _, data in shelf.files]
    assert ["file_1", "file_2"] == [file.id for file in files(events)]
    assert (None, ["file_1"]) == (image["result"], image["file_ids"])
    assert ["file_2"] == code["file_ids"]
    assert encoded not in json.dumps([image, code])
    assert not any(encoded in event.output for event in events if isinstance(event, ToolCallDone))
    assert isinstance(events[-1], StepDone)


async def test_a_picture_that_may_not_be_kept_is_left_out() -> None:
    """Too many, or no base64 at all: no file, no bytes on the thread, and the answer goes on."""
    broken = {"id": "ig_1", "type": "image_generation_call", "result": "%%%", "status": "completed"}
    async with speaking([MakeImage(PNG), Say("One.")], [Hosted(broken), Say("Two.")]) as (_, backend):
        full = await collect(backend, hosted(shelf=Shelf(most=0)))
        odd = await collect(backend, hosted())

    for events, text in ((full, "One."), (odd, "Two.")):
        assert (text, []) == (said(events), files(events))
        assert (None, []) == (bodies(events)[0]["result"], bodies(events)[0]["file_ids"])


async def test_files_of_a_container_are_fetched_before_the_step_is_over() -> None:
    """Each cited file once, from the container in which the code ran, just before the step's end."""
    shelf = Shelf()
    cited = [
        file_of_container("plot.png"),
        file_of_container("plot.png"),
        file_of_container("a.csv", file="f2"),
    ]
    async with speaking([RunCode("plot()"), Say("See plot.png", annotations=cited)]) as (server, backend):
        server.container_files |= {("cntr_1", "cfile_1"): PNG, ("cntr_1", "f2"): b"a,b"}
        events = await collect(backend, hosted(CODE, shelf=shelf))

    assert [("cntr_1", "cfile_1"), ("cntr_1", "f2")] == server.fetched
    assert [("plot.png", PNG), ("a.csv", b"a,b")] == shelf.files
    assert [FileDone, FileDone, StepDone] == [type(event) for event in events[-3:]]


@pytest.mark.parametrize(
    "cited",
    [
        file_of_container("a.png", container="cntr_other"),
        file_of_container("a.png", container="../../files"),
        file_of_container("a.png", file="../secret"),
        file_of_container("a.png", file="x" * 200),
        {"type": "container_file_citation", "container_id": None, "file_id": 7},
        {"type": "container_file_citation"},
        {"type": "file_path", "file_id": "file-other"},
        {"type": "file_citation", "file_id": "file-other", "filename": "secret.pdf"},
        page("https://evil.example/x.png", "A picture"),
    ],
)
async def test_nothing_else_that_is_cited_is_fetched(cited: JsonObject) -> None:
    """Neither other containers, nor paths in the place of ids, nor files of others, nor pages."""
    async with speaking([RunCode("1"), Say("See.", annotations=[cited])]) as (server, backend):
        events = await collect(backend, hosted(CODE))

    assert ([], []) == (server.fetched, files(events))
    assert 1 == len(server.requests)
    assert "See." == said(events)


async def test_a_container_of_the_thread_is_its_own_in_the_next_step_too() -> None:
    """Code ran in an earlier step: its item, which is not sent again, still says in which container."""
    earlier: JsonObject = {"type": "code_interpreter_call", "container_id": "cntr_1", "code": "x"}
    async with speaking([Say("See.", annotations=[file_of_container("a.png")])]) as (server, backend):
        server.container_files[("cntr_1", "cfile_1")] = PNG
        events = await collect(backend, hosted(CODE, said=("Plot!", earlier, "And?")))

    assert ["a.png"] == [file.name for file in files(events)]
    assert not server.refused


@pytest.mark.parametrize(
    "answer",
    [None, Http(500, "oops"), Http(401, {"error": {"message": "no"}}), b"x" * 20_000_001, PNG],
    ids=["gone", "broken", "refused", "too large", "not kept"],
)
async def test_a_file_that_can_not_be_had_does_not_spoil_the_answer(answer: bytes | Http | None) -> None:
    """A container that expired, a server that fails, 20 MB and one byte: the answer stands without it."""
    cited = [file_of_container("a.png")]
    async with speaking([RunCode("plot()"), Say("See.", annotations=cited)]) as (server, backend):
        if answer is not None:
            server.container_files[("cntr_1", "cfile_1")] = answer
        events = await collect(backend, hosted(CODE, shelf=Shelf(most=0 if answer == PNG else 9)))

    assert [("cntr_1", "cfile_1")] == server.fetched
    assert ("See.", []) == (said(events), files(events))
    assert isinstance(events[-1], StepDone)


async def test_an_incomplete_answer_has_its_files_and_a_failed_one_fetches_none() -> None:
    """What was cut off by its length keeps the plot; what failed or broke off asks for nothing more."""
    told: list[Act] = [RunCode("plot()"), Say("See.", annotations=[file_of_container("a.png")])]
    async with speaking([*told, Incomplete()], [*told, Failed("server_error")], [*told, Eof()]) as (
        server,
        backend,
    ):
        server.container_files[("cntr_1", "cfile_1")] = PNG
        events = await collect(backend, hosted(CODE))
        for _ in range(2):
            with pytest.raises(Exception, match=r"It failed|in the middle"):
                await collect(backend, hosted(CODE))

    assert ["a.png"] == [file.name for file in files(events)]
    assert 1 == len(server.fetched)


async def test_hosted_items_are_not_sent_again() -> None:
    """Neither calls nor files of ours reach the provider in the next step; what was said does."""
    shelf = Shelf()
    async with speaking([MakeImage(PNG), RunCode("1"), Say("There.")], [Say("Yes.")]) as (server, backend):
        first = await collect(backend, hosted(CODE, shelf=shelf))
        kept = [*bodies(first), items.made_file(files(first)[0])]
        await collect(backend, hosted(CODE, said=("Draw!", *kept, "Again?")))

    sent = server.requests[1].body["input"]
    assert isinstance(sent, list)
    assert [("user", "Draw!"), ("assistant", "There."), ("user", "Again?")] == [
        (each["role"], each["content"]) for each in sent
    ]
    assert not server.refused
