"""People see that an answer is being made, exactly as long as it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from assistant_gateway.adapter import Limits
from assistant_gateway.presence import working
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.backend import Gate, ScriptedBackend, says
from assistant_gateway.values import Conversation, ReplyTarget, User
from fixtures.house import House, until

TARGET = ReplyTarget(Conversation("fake", "T1", "C1"), "m1", User("U1"))


class Typing(FakeAdapter):
    """A platform that shows who is typing; it may fail at it."""

    def __init__(self, typing_seconds: float = 60.0, *, fails: bool = False) -> None:
        super().__init__(limits=Limits(text_length=2000, edit_interval=0.0))
        self.typing_seconds = typing_seconds
        self.signs: list[str] = []
        self.renewed = asyncio.Event()
        self._fails = fails

    async def working(self, target: ReplyTarget) -> None:
        self.signs.append(f"working {target.message_id}")
        if len(self.signs) >= 3:
            self.renewed.set()
        if self._fails:
            raise ValueError("broken")

    async def rested(self, target: ReplyTarget) -> None:
        self.signs.append(f"rested {target.message_id}")
        if self._fails:
            raise ValueError("broken")


async def test_it_is_shown_from_the_claim_to_the_delivered_answer(tmp_path: Path) -> None:
    """One `working` while the model speaks, one `rested` after the answer is delivered."""
    gate, adapter = Gate(), Typing()

    async with House(
        tmp_path, ScriptedBackend(lambda step: [gate, *says("Hello.")]), adapter=adapter
    ) as house:
        await house.say("Hi", id="m1")
        await until(lambda: bool(adapter.signs))
        before = list(adapter.signs)
        gate.opened.set()
        await until(lambda: "rested m1" in adapter.signs)

    assert ["working m1"] == before
    assert ["working m1", "rested m1"] == adapter.signs


async def test_it_is_said_again_before_the_platform_forgets_it() -> None:
    """A platform that forgets after 10 ms is told at least three times while one waits for the third."""
    adapter = Typing(0.01)

    async with asyncio.timeout(10), working(adapter, TARGET):
        await adapter.renewed.wait()

    assert ["working m1"] * 3 == adapter.signs[:3]
    assert "rested m1" == adapter.signs[-1]


async def test_what_goes_wrong_with_it_costs_no_answer(tmp_path: Path) -> None:
    """An adapter that raises in both calls still shows its answer."""
    adapter = Typing(fails=True)

    async with House(tmp_path, ScriptedBackend(lambda step: says("Hello.")), adapter=adapter) as house:
        await house.say("Hi", id="m1")
        await until(lambda: "rested m1" in adapter.signs)

    assert ["Hello."] == [texts[-1] for texts in adapter.posts.values()]


async def test_a_platform_without_it_is_not_asked() -> None:
    """A plain adapter is answered on as before."""
    adapter = FakeAdapter()

    async with working(adapter, TARGET):
        pass

    assert [] == adapter.log
