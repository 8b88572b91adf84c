"""Threads leave one store and come to another, whole; also those of OpenAI's Assistants API."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from assistant_gateway import items
from assistant_gateway.assistants_export import NoExport, Place, threads
from assistant_gateway.store import Store
from assistant_gateway.store.connect import open_store
from assistant_gateway.testing.backend import says
from assistant_gateway.transfer import Carried, Unfit, carried, lines_of, take_in
from assistant_gateway.values import FileRef, FunctionCall, Item, Lane, Thread
from fixtures.house import House, scripted

THREAD = {
    "type": "thread",
    "version": 1,
    "id": "thread_a",
    "created_at": 1.0,
    "is_current": True,
    "adapter": "slack",
    "tenant": "T1",
    "channel": "C1",
}


def line(type: str, **members: object) -> str:
    """A file's or an item's line."""
    return json.dumps({"type": type, "id": "i", **members})


@pytest.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[Callable[[str], Awaitable[Store]]]:
    """Makes stores."""
    made = []

    async def store(name: str) -> Store:
        found = open_store(f"sqlite:///{tmp_path / name}", allow_network_filesystem=False)
        await found.open()
        made.append(found)
        return found

    yield store
    for each in made:
        await each.close()


async def test_a_thread_comes_out_of_another_store_as_it_was(
    fresh: Callable[[str], Awaitable[Store]],
) -> None:
    """Place, age, 600 items, a call with its output and a file's bytes are equal; then it is known."""
    here, there = await fresh("here.db"), await fresh("there.db")
    thread = await here.open_thread(Lane("slack", "T1", "C1", "1.5", "U1"))
    file = FileRef("file_1", "ä b.txt", "text/plain", 5)
    await here.save_file(file, b"\x00\xffabc")
    call = FunctionCall("call_1", "book", '{"n": 1}')
    bodies = [
        items.user_message("Grüße \u2028 🙂", [file], sender="Ann"),
        items.function_call(call),
        items.function_call_output("call_1", "done"),
        *(items.assistant_message(f"{number}") for number in range(597)),
    ]
    await here.add_items(thread.id, [Item(f"i{number}", body) for number, body in enumerate(bodies)])

    lines = [line async for line in lines_of(here, thread)]
    (told,) = carried(lines)
    taken = [await take_in(there, told), await take_in(there, told)]

    found = await there.open_thread(thread.lane)
    assert [True, False] == taken
    assert replace(thread, items=600) == found
    assert await here.items(thread.id, limit=1000) == await there.items(found.id, limit=1000)
    assert (file, b"\x00\xffabc") == await there.file("file_1")
    assert lines == [line async for line in lines_of(there, found)]


async def test_no_thread_comes_by_the_file_of_another(fresh: Callable[[str], Awaitable[Store]]) -> None:
    """Of 2 threads with a file of one id and other bytes the second is refused; equal bytes are one file."""
    store = await fresh("there.db")
    one, two, three = (
        Carried(Thread(f"thread_{n}", Lane("slack", "T1", f"C{n}"), 1.0, is_current=True), [(file, data)])
        for n, data in enumerate((b"one", b"two", b"one"))
        for file in [FileRef("file_1", "a.txt", "text/plain", 3)]
    )

    taken = [await take_in(store, one), await take_in(store, three)]
    with pytest.raises(Unfit, match="thread_1: another file is kept as file_1 already"):
        await take_in(store, two)

    assert [True, True] == taken
    assert None is await store.thread("thread_1")


@given(text=some.text(), words=some.lists(some.text(min_size=1), min_size=3, max_size=3))
def test_whatever_is_said_survives_its_line(text: str, words: list[str]) -> None:
    """Any text and any name of a place is read back as it was written, in one line."""
    text = text.encode("utf-8", "replace").decode()
    names = [word.encode("utf-8", "replace").decode() for word in words]
    place = dict(zip(("tenant", "channel", "topic"), names, strict=True))
    body = items.user_message(text)
    lines = [json.dumps({**THREAD, **place}), json.dumps({"type": "item", "id": "i", "body": body})]

    (told,) = carried(lines)

    assert [body] == [item.body for item in told.items]
    assert names == [told.thread.lane.tenant, told.thread.lane.channel, told.thread.lane.topic]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            ['{"type": "item", "id": "i", "body": {"type": "message"}}'],
            "line 1: a item before the first thread",
        ),
        ([json.dumps(THREAD), "{"], "line 2: Invalid JSON"),
        ([json.dumps({**THREAD, "version": 2})], "line 1: thread.version: Input should be 1"),
        ([json.dumps(THREAD), '{"type": "item", "id": "i", "body": {}}'], "line 2: body.type"),
        (
            [json.dumps(THREAD), '{"type": "item", "body": {"secret": "s"}}'],
            "line 2: item.id: Field required",
        ),
        ([json.dumps({**THREAD, "owner": "me"})], "line 1: thread.owner: Extra inputs"),
        ([json.dumps({**THREAD, "id": ""})], "line 1: thread.id: String should have at least 1"),
        ([json.dumps({**THREAD, "created_at": math.nan})], "line 1: thread.created_at: Input should be"),
        ([json.dumps({**THREAD, "created_at": 1e300})], "line 1: thread.created_at: Input should be"),
        ([json.dumps(THREAD), line("file", name="", content_type="", data="***")], "line 2: file.data"),
        (
            [json.dumps(THREAD), line("item", body={"type": "message", "role": "user", "n": math.inf})],
            "line 2: body: a number is none",
        ),
        (
            [json.dumps(THREAD), line("item", body={"type": "function_call", "secret": "s"})],
            "line 2: body.call_id: it is missing",
        ),
        ([json.dumps(THREAD), *[line("item", body=items.user_message("secret"))] * 2], "line 3: item.id"),
    ],
)
def test_a_line_that_is_not_understood_is_named(lines: list[str], why: str) -> None:
    """13 ways to be wrong: each is refused with its line and place, and without what was said."""
    with pytest.raises(Unfit, match=why) as refused:
        list(carried(lines))

    assert "secret" not in str(refused.value)


def message(id: str, at: int, role: str, *content: object, **more: object) -> dict[str, object]:
    """A message object of the Assistants API."""
    return {
        "id": id,
        "object": "thread.message",
        "created_at": at,
        "thread_id": "thread_1",
        "role": role,
        "content": list(content),
        "attachments": [],
        **more,
    }


def said(text: str) -> dict[str, object]:
    """A text part of one."""
    return {"type": "text", "text": {"value": text, "annotations": []}}


PAGES = {
    "threads": [{"id": "thread_1", "object": "thread", "metadata": {}}],
    "messages": {
        "object": "list",
        "data": [
            message("msg_3", 20, "user", said("And this?"), attachments=[{"file_id": "file-9"}]),
            message(
                "msg_2",
                10,
                "assistant",
                said("x = 1"),
                {"type": "image_file", "image_file": {"file_id": "a-b"}},
            ),
            message("msg_1", 10, "user", said("Solve 3x + 11 = 14")),
        ],
    },
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PAGES),
        "\n".join(json.dumps(each) for each in PAGES["messages"]["data"]),  # type: ignore[index]
        json.dumps(list(reversed(PAGES["messages"]["data"]))),  # type: ignore[index]
    ],
    ids=["pages", "lines", "oldest first"],
)
def test_an_export_of_the_assistants_api_becomes_a_thread(text: str, tmp_path: Path) -> None:
    """Pages, lines and a list give the same: oldest first, the file that is there kept, the other named."""
    (tmp_path / "a-b.png").write_bytes(b"\x89PNG")
    place = Place("slack", "T1", "C1", "1.5")

    (told,) = threads(text, places={"thread_1": place}, files=tmp_path)

    picture = FileRef("openai_a-b", "a-b.png", "image/png", 4)
    assert Lane("slack", "T1", "C1", "1.5") == told.thread.lane
    assert ("openai_thread_1", 10.0) == (told.thread.id, told.thread.created_at)
    assert [(picture, b"\x89PNG")] == told.files
    assert [
        ("msg_1", items.user_message("Solve 3x + 11 = 14")),
        ("msg_2", items.assistant_message("x = 1")),
        ("msg_2.1", items.made_file(picture)),
        ("msg_3", items.user_message("And this?\n\n[file file-9: not part of this export]")),
    ] == [(item.id, item.body) for item in told.items]


def test_a_file_outside_of_the_directory_is_not_read(tmp_path: Path) -> None:
    """An id such as ../secret names nothing, though there is such a file."""
    (tmp_path / "secret").write_text("s")
    (tmp_path / "files").mkdir()
    text = json.dumps(message("m", 1, "user", said("Hi"), attachments=[{"file_id": "../secret"}]))

    (told,) = threads(text, places={}, files=tmp_path / "files")

    assert [] == told.files
    assert Lane("python", "assistants", "thread_1") == told.thread.lane


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1}\nno json', "line 2: this is no JSON"),
        (json.dumps({"object": "thread.message", "id": "m"}), "line 1: a message without id or thread_id"),
        (json.dumps(message("m", 1, "system")), "line 1: the message m has no role user or assistant"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_no_export_is_refused(text: str, why: str) -> None:
    """Four ways to be wrong, each with its line where it has one."""
    with pytest.raises(NoExport, match=why):
        list(threads(text, places={}))


@pytest.mark.parametrize("at", [None, True, math.nan, math.inf, int("9" * 400), -1, "1"])
def test_a_message_without_a_time_is_the_oldest(at: object) -> None:
    """Seven times that are none: the thread is taken in; of a page that was saved twice, once."""
    odd = message("m", 0, "user", said("Hi"), created_at=at)

    (told,) = threads(json.dumps([odd, odd]), places={})

    assert ["m"] == [item.id for item in told.items]
    assert told.thread.created_at in (0.0, 1.0)


async def test_the_next_question_finds_its_place_on_an_imported_thread(tmp_path: Path) -> None:
    """Messages have the same numbers in two new gateways: the 2 questions and 2 answers are on it."""
    (tmp_path / "here").mkdir()
    async with House(tmp_path / "here", scripted(lambda step: says("Hello, Bob."))) as here:
        first = await here.ask("I am Bob.")
        thread = await here.store.thread(first.thread_id)
        assert thread is not None
        lines = [line async for line in lines_of(here.store, thread)]
    async with House(tmp_path, scripted(lambda step: says("Bob."))) as there:
        (told,) = carried(lines)
        await take_in(there.store, told)

        second = await there.ask("Who am I?")

        kept = [items.text_of(body) for body in await there.bodies(second)]
    assert (first.id, first.thread_id) == (second.id, second.thread_id)
    assert ["I am Bob.", "Hello, Bob.", "Who am I?", "Bob."] == kept
