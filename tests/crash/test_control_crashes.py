"""Commands and edits when the process dies: at each of their writes, just before it and just after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from assistant_gateway import commands, items
from assistant_gateway.adapter import Limits
from assistant_gateway.backend import Step
from assistant_gateway.config import RouteSettings
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.backend import Act, Gate, ScriptedBackend, begins, calls, says
from assistant_gateway.tools import tool
from assistant_gateway.values import Conversation, Item, Message, MessageState, OnEdit
from fixtures.house import House, asked, until
from fixtures.mortal import Mortal

CHANNEL = Conversation("fake", "T1", "C1")
RERUN = [RouteSettings(on_edit=OnEdit.RERUN)]
MOST = 60  # writes; more than any of these takes


@tool
async def look() -> str:
    """Look."""
    return "seen"


class Lives:
    """
    A story told to a process that dies at its *last* write, and again to the one that comes after it.

    Args:
        before: What happens before anything can die.
        story: What somebody does then; done again where the process died before it answered, as a
            platform does. Returns the message that must come to an end.
    """

    def __init__(
        self,
        script: Callable[[Step], list[Act]],
        before: Callable[[House], Awaitable[None]],
        story: Callable[[House], Awaitable[Message | None]],
    ) -> None:
        self._script = script
        self._before = before
        self._story = story
        self.adapter = FakeAdapter(limits=Limits(text_length=2000, edit_interval=0.0))
        self.backend = ScriptedBackend(script)
        self.items: list[Item] = []
        self.message: Message | None = None

    async def told(self, path: Path, last: int, *, commits: bool) -> bool:
        """Whether the first process died."""
        store = Mortal(path / "gateway.db", last, commits=commits)
        await store.open()
        async with self._house(path, store) as house:
            await self._before(house)
            died = await store.dies_during(self._to_the_end(house))
        await store.close()
        if died:
            self.backend = ScriptedBackend(self._script)
        async with self._house(path) as house:
            await self._to_the_end(house)
        return died

    async def _to_the_end(self, house: House) -> None:
        message = await house.settled(await self._story(house))
        self.message = message
        self.items = await house.store.items(message.thread_id, forgotten=True)

    def _house(self, path: Path, store: SqliteStore | None = None) -> House:
        return House(path, self.backend, adapter=self.adapter, routes=RERUN, store=store, tools=[look])

    @property
    def live(self) -> list[str]:
        """What people see of the thread: what was said, in order, and the kinds of what else there is."""
        return [
            items.text_of(item.body) or items.kind(item.body) for item in self.items if not item.forgotten
        ]


def echo(step: Step) -> list[Act]:
    """An answer to a question, after a look."""
    if items.kind(step.items[-1]) != "function_call_output":
        return calls("look")
    return says(f"You said {asked(step)[-1]}.")


def with_a_look(question: str) -> list[str]:
    return [question, "function_call", "function_call_output", f"You said {question}."]


async def every_death(
    tmp_path: Path, commits: bool, lives: Callable[[], Lives], check: Callable[[Lives], None]
) -> int:
    """Tell the story with a death at each write; how many deaths there were."""
    for last in range(1, MOST):
        told = lives()
        (tmp_path / f"{last}").mkdir()
        died = await told.told(tmp_path / f"{last}", last, commits=commits)
        check(told)
        if not died:
            return last - 1
    raise AssertionError(f"the story takes more than {MOST} writes")


@pytest.mark.parametrize("commits", [False, True], ids=["before", "after"])
async def test_a_retry_survives_each_death(tmp_path: Path, commits: bool) -> None:
    """The question stays, its first answer is forgotten once, and there is one new answer in one new post."""

    async def before(house: House) -> None:
        await house.ask("one")

    async def story(house: House) -> Message | None:
        return (await house.say("/retry", id="again")).message

    def check(lives: Lives) -> None:
        assert ["You said one."] * 2 == lives.adapter.shown
        assert with_a_look("one") == lives.live
        assert 3 == sum(item.forgotten for item in lives.items)
        assert lives.message is not None
        assert MessageState.DELIVERED is lives.message.state

    deaths = await every_death(tmp_path, commits, lambda: Lives(echo, before, story), check)

    assert deaths >= 8


@pytest.mark.parametrize("commits", [False, True], ids=["before", "after"])
async def test_an_undo_survives_each_death(tmp_path: Path, commits: bool) -> None:
    """Of two turns one is forgotten, never both, and the person is told so in one post."""

    async def before(house: House) -> None:
        await house.ask("one")
        await house.ask("two")

    async def story(house: House) -> Message | None:
        return (await house.say("/undo", id="undo")).message

    def check(lives: Lives) -> None:
        forgotten = "The last question and its answer are forgotten."
        assert ["You said one.", "You said two.", forgotten] == lives.adapter.shown
        assert with_a_look("one") == lives.live

    deaths = await every_death(tmp_path, commits, lambda: Lives(echo, before, story), check)

    assert deaths >= 5


@pytest.mark.parametrize("commits", [False, True], ids=["before", "after"])
async def test_a_stop_survives_each_death(tmp_path: Path, commits: bool) -> None:
    """The answer ends as stopped and is not begun again; the command says that it was stopped."""

    def script(step: Step) -> list[Act]:
        return [*begins("Once upon"), Gate()]

    async def before(house: House) -> None:
        await house.say("Tell!", id="tell")
        await until(lambda: house.adapter.shown == ["Once upon"])

    async def story(house: House) -> Message | None:
        return (await house.say("/stop", id="stop")).message

    def check(lives: Lives) -> None:
        assert ["_Stopped._", commands.STOPPED] == [text.split("\n")[-1] for text in lives.adapter.shown]

    deaths = await every_death(tmp_path, commits, lambda: Lives(script, before, story), check)

    assert deaths >= 5


@pytest.mark.parametrize("commits", [False, True], ids=["before", "after"])
async def test_a_rerun_survives_each_death(tmp_path: Path, commits: bool) -> None:
    """There is one post, with the answer to the new question; neither question nor calls are there twice."""

    def script(step: Step) -> list[Act]:
        if asked(step) == ["one"] and len(step.items) == 3:
            return [*begins("You sa"), Gate()]
        return echo(step)

    async def before(house: House) -> None:
        await house.say("one", id="e")
        await until(lambda: house.adapter.shown == ["You sa"])

    async def story(house: House) -> Message | None:
        await house.inbox.edited(CHANNEL, "e", "two")
        return await house.inbox.message("fake", "T1", "e")

    def check(lives: Lives) -> None:
        assert ["You said two."] == lives.adapter.shown
        assert with_a_look("two") == lives.live
        assert lives.message is not None
        assert lives.message.run is not None
        assert (MessageState.DELIVERED, 1) == (lives.message.state, lives.message.run.revision)

    deaths = await every_death(tmp_path, commits, lambda: Lives(script, before, story), check)

    assert deaths >= 8
