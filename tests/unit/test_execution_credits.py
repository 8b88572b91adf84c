"""What a run leaves beside its text: sources, files, tools; and what it does when the window is too large."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from assistant_gateway import items
from assistant_gateway.adapter import Limits
from assistant_gateway.backend import Step
from assistant_gateway.errors import AdapterError, ContextOverflow, FileRefused, StreamCut
from assistant_gateway.events import (
    AnnotationAdded,
    FileDone,
    ItemDone,
    TextCreated,
    TextDelta,
    TextDone,
    ToolCallCreated,
    ToolCallDone,
)
from assistant_gateway.handler import RunHandler
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.backend import Act, Gate, ScriptedBackend, begins, calls, says
from assistant_gateway.tools import ToolContext, tool
from assistant_gateway.values import (
    Citation,
    FileRef,
    JsonObject,
    JsonValue,
    MessageState,
    RunStatus,
    ToolUse,
)
from fixtures.house import House, outputs, reaches

LIMITS = Limits(text_length=2000, edit_interval=0.0)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
PAGE: JsonObject = {"type": "url_citation", "url": "https://w.example/", "title": "Weather"}


def cites(text: str, *annotations: JsonObject) -> list[Act]:
    """A message with citations, as a backend tells it."""
    created, *rest, done = says(text)
    assert isinstance(done, ItemDone)
    content: JsonValue = [{"type": "output_text", "text": text, "annotations": annotations}]
    body: JsonObject = {**done.body, "content": content}
    told: list[Act] = [AnnotationAdded("msg_0", each) for each in annotations]
    return [created, *rest, *told, ItemDone(body)]


def runs_code(code: str, output: str) -> list[Act]:
    """A call of a hosted code interpreter."""
    body: JsonObject = {
        "type": "code_interpreter_call",
        "code": code,
        "outputs": [{"type": "logs", "logs": output}],
    }
    kind = "code_interpreter"
    return [
        ToolCallCreated("ci_0", kind, kind),
        ToolCallDone("ci_0", kind, kind, code, output),
        ItemDone(body),
    ]


def draws(*pictures: bytes, then: list[Act]) -> ScriptedBackend:
    """A backend that makes files and says something."""

    async def script(step: Step) -> AsyncIterator[Act]:
        for number, picture in enumerate(pictures):
            yield FileDone(await step.save_file(f"p{number}.png", "text/html", picture))
        for act in then:
            yield act

    return ScriptedBackend(script)


class Texts(RunHandler):
    """Notes which parts of text it is told of."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.log: list[str] = []

    async def on_text_created(self, item_id: str) -> None:
        self.created.append(item_id)

    async def on_file_done(self, file: FileRef) -> None:
        self.log.append(file.name)

    async def on_annotation_added(self, annotation: JsonObject) -> None:
        self.log.append(str(annotation["title"]))


# Sources


async def test_sources_stand_below_the_text(tmp_path: Path) -> None:
    """The text is the model's; the post has its source below; the answer keeps both apart."""
    heard = Texts()
    backend = ScriptedBackend([cites("It rains.", PAGE, PAGE)])

    async with House(tmp_path, backend, handlers=[heard]) as house:
        message = await house.ask("Rain?")

    assert message.answer is not None
    assert ("It rains.", (Citation("Weather", "https://w.example/"),)) == (
        message.answer.text,
        message.answer.citations,
    )
    assert ["It rains.\n\n¹ [Weather](https://w.example/) · w.example"] == house.adapter.shown
    assert ["Weather", "Weather"] == heard.log


async def test_sources_survive_a_death_between_the_answer_and_its_post(tmp_path: Path) -> None:
    """The platform was away when the process died: the next one shows text, source and tools from disk."""
    adapter = FakeAdapter(limits=LIMITS)
    adapter.script(*[AdapterError("away")] * 50)
    backend = ScriptedBackend([[*runs_code("1", "1"), *cites("It rains.", PAGE)]])
    shows = {"show_tools": True}
    async with House(tmp_path, backend, adapter=adapter, assistant=shows) as house:
        receipt = await house.say("Rain?")
        await house.reached(receipt.message, lambda now: now.state is MessageState.FINAL_READY)

    again = FakeAdapter(limits=LIMITS)
    async with House(tmp_path, ScriptedBackend([]), adapter=again) as house:
        await house.settled(receipt.message)

    assert [
        "It rains.\n\n¹ [Weather](https://w.example/) · w.example\n\n🛠 code interpreter · 1 call"
    ] == again.shown


async def test_another_attempt_knows_what_the_first_one_kept(tmp_path: Path) -> None:
    """Killed in the second step: source, file and tools of the first are in the answer, each once."""
    gate, heard = Gate(), Texts()

    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    async def first(step: Step) -> AsyncIterator[Act]:
        if step.index == 0:
            yield FileDone(await step.save_file("p.png", "", PNG))
            for act in [*runs_code("1", "1"), *cites("Let me look.", PAGE), *calls("look")]:
                yield act
        else:
            for act in [*begins("I see"), gate]:
                yield act

    adapter = FakeAdapter(limits=LIMITS)
    shows = {"show_tools": True, "show_code": True}
    async with House(
        tmp_path, ScriptedBackend(first), adapter=adapter, tools=[look], assistant=shows
    ) as house:
        receipt = await house.say("Look!")
        await reaches(gate.reached)

    second = ScriptedBackend([says("I saw it.")])
    async with House(
        tmp_path, second, adapter=adapter, tools=[look], assistant=shows, handlers=[heard]
    ) as house:
        message = await house.settled(receipt.message)
        bodies = await house.bodies(message)

    assert message.answer is not None
    assert (Citation("Weather", "https://w.example/"),) == message.answer.citations
    assert ["p.png"] == [file.name for file in message.answer.files] == heard.log
    assert (ToolUse("code_interpreter", "1", "1"), ToolUse("look")) == message.answer.tools
    assert 1 == [items.kind(body) for body in bodies].count("file")


# Tools


@pytest.mark.parametrize(
    ("shows", "below"),
    [
        ({}, ""),
        ({"show_tools": True}, "\n\n🛠 look, code interpreter · 2 calls"),
        (
            {"show_code": True},
            "\n\n🛠 code interpreter · 1 call\n\n```python\nprint(1)\n```\n```\n1\n```",
        ),
    ],
)
async def test_tools_are_shown_where_the_assistant_says_so(
    tmp_path: Path, shows: dict[str, bool], below: str
) -> None:
    """By default nothing stands below an answer that completed; the names, or the code, on demand."""

    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    backend = ScriptedBackend([calls("look"), [*runs_code("print(1)", "1\n"), *says("Done.")]])

    async with House(tmp_path, backend, tools=[look], assistant=shows) as house:
        await house.ask("Look!")

    assert [f"Done.{below}"] == house.adapter.shown


async def test_a_step_has_the_hosted_tools_of_its_assistant(tmp_path: Path) -> None:
    """Names and tables come as tables."""
    tools = ["code_interpreter", {"type": "file_search", "vector_store_ids": ["vs_1"]}]
    backend = ScriptedBackend([says("Hi")])

    async with House(tmp_path, backend, assistant={"hosted_tools": tools}) as house:
        await house.ask("Hi")

    assert [
        {"type": "code_interpreter"},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
    ] == backend.steps[0].hosted_tools


async def test_progress_of_a_flood_gets_ever_thinner(tmp_path: Path) -> None:
    """Of 10,000 lines people are told 280, spread over all of them: the journal stays small."""

    @tool
    async def load(context: ToolContext) -> str:
        """Load."""
        for number in range(10_000):
            await context.progress(f"{number} of 10000" + "x" * 10_000)
        return "loaded"

    backend = ScriptedBackend([calls("load"), says("Done.")])

    async with House(tmp_path, backend, tools=[load]) as house:
        message = await house.ask("Load!")
        entries = await house.entries(message)

    told = [str(entry.data["text"]) for entry in entries if entry.event == "tool_call.progress"]
    assert (280, 200) == (len(told), max(map(len, told)))
    assert ["0 of", "99 of", "9900"] == [told[0][:4], told[99][:5], told[-1][:4]]


async def test_a_stop_tells_calls_that_ran_from_calls_that_did_not(tmp_path: Path) -> None:
    """One call at a time: the first was under way at the stop and may have run, the second did not."""
    begun = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait."""
        begun.set()
        await asyncio.Event().wait()
        return "never"

    backend = ScriptedBackend([[*calls("wait", call_id="c1"), *calls("wait", call_id="c2")]])

    async with House(tmp_path, backend, tools=[wait], max_parallel=1) as house:
        receipt = await house.say("Go!")
        await reaches(begun)
        assert receipt.message is not None
        await house.inbox.stop(receipt.message.inbound.conversation, receipt.message.inbound.user)
        told = outputs(await house.bodies(await house.settled(receipt.message)))

    assert ["may have run", "did not run"] == [
        json.loads(told[call])["error"]["message"].rpartition("it ")[2].rstrip(".") for call in ("c1", "c2")
    ]


# Files


async def test_files_are_kept_and_shown_with_the_last_post(tmp_path: Path) -> None:
    """A picture is a picture whatever the provider calls it; its bytes are in the store, its name below."""
    backend = draws(PNG, then=says("There."))

    async with House(tmp_path, backend) as house:
        message = await house.ask("Draw!")
        assert message.answer is not None
        (file,) = message.answer.files
        kept = await house.store.file(file.id)
        bodies = await house.bodies(message)

    final = house.adapter.log[-1][1].content
    assert final is not None
    assert ("p0.png", "image/png", (file,)) == (file.name, file.content_type, final.files)
    assert (file, PNG) == kept
    assert [items.made_file(file)] == [body for body in bodies if items.kind(body) == "file"]


async def test_a_run_makes_ten_files(tmp_path: Path) -> None:
    """The eleventh is refused to the backend, in the second step as in the first."""
    refused = []

    async def script(step: Step) -> AsyncIterator[Act]:
        for _ in range(6):
            try:
                yield FileDone(await step.save_file("a.png", "", PNG))
            except FileRefused as error:
                refused.append(str(error))
        for act in calls("nothing") if step.index == 0 else says("Done."):
            yield act

    async with House(tmp_path, ScriptedBackend(script)) as house:
        message = await house.ask("Draw!")

    assert message.answer is not None
    assert (10, 2) == (len(message.answer.files), len(refused))


# Steps that are tried again


async def test_a_part_is_created_with_its_first_words(tmp_path: Path) -> None:
    """A stream that breaks before its first word is tried again; handlers are told of one part, once."""
    heard = Texts()
    cut: list[Act] = [TextCreated("msg_0"), StreamCut("cut")]
    backend = ScriptedBackend([cut, says("Hello.")])

    async with House(tmp_path, backend, handlers=[heard]) as house:
        message = await house.ask("Hi")

    assert (2, ["msg_0"]) == (len(backend.steps), heard.created)
    assert message.answer is not None
    assert RunStatus.COMPLETED is message.answer.status


async def test_an_empty_part_that_is_done_was_told(tmp_path: Path) -> None:
    """Nothing is told twice: behind a complete part, even an empty one, the step fails."""
    heard = Texts()
    backend = ScriptedBackend([[TextCreated("m"), TextDone("m", ""), StreamCut("cut")]])

    async with House(tmp_path, backend, handlers=[heard]) as house:
        await house.ask("Hi")

    assert (1, ["m"]) == (len(backend.steps), heard.created)


def model_of(size: int) -> ScriptedBackend:
    """A model that takes *size* items for an answer to 'Now!'."""

    def script(step: Step) -> list[Act]:
        if items.text_of(step.items[-1]) == "Now!" and len(step.items) > size:
            return [ContextOverflow("Too long.")]
        return says("Fine.")

    return ScriptedBackend(script)


async def test_a_window_that_is_too_large_is_halved(tmp_path: Path) -> None:
    """A model for 2 items and a thread of 21: three windows are refused, the fourth is answered."""
    backend = model_of(2)
    async with House(tmp_path, backend) as house:
        for _ in range(10):
            await house.ask("Hi")
        message = await house.ask("Now!")

    sizes = [len(step.items) for step in backend.steps[10:]]
    assert (4, 21) == (len(sizes), sizes[0])
    assert all(later <= earlier // 2 + 1 for earlier, later in pairwise(sizes))
    assert "Now!" == items.text_of(backend.steps[-1].items[-1])
    assert message.answer is not None
    assert ("Fine.", RunStatus.COMPLETED) == (message.answer.text, message.answer.status)
    assert "Fine." == house.adapter.shown[-1]


async def test_a_window_is_halved_three_times(tmp_path: Path) -> None:
    """A model that takes nothing is asked 4 times, then the person is told."""
    backend = model_of(0)
    async with House(tmp_path, backend) as house:
        for _ in range(20):
            await house.ask("Hi")
        message = await house.ask("Now!")

    assert 4 == len(backend.steps[20:])
    assert message.answer is not None
    assert message.answer.error is not None
    assert "context_overflow" == message.answer.error.code


async def test_what_was_seen_is_not_asked_for_again_with_less(tmp_path: Path) -> None:
    """An overflow behind the first words is a failure; so is one of a single message."""
    backend = ScriptedBackend([says("ok"), [TextDelta("m", "Once"), ContextOverflow("Too long.")]])
    async with House(tmp_path, backend) as house:
        await house.ask("Hi")
        message = await house.ask("Tell!")

    assert 2 == len(backend.steps)
    assert message.answer is not None
    assert ("Once", RunStatus.FAILED) == (message.answer.text, message.answer.status)
