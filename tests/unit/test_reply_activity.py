"""What people see while the assistant works instead of talking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from assistant_gateway.adapter import Limits
from assistant_gateway.events import (
    RunRestarted,
    TextDelta,
    ToolCallCreated,
    ToolCallDone,
    ToolCallProgress,
)
from assistant_gateway.values import Run
from fixtures.replies import Script, done, now, on_virtual_clock, platform

AT_ONCE = Limits(text_length=2000, edit_interval=0.0)


@asynccontextmanager
async def growing(script: Script) -> AsyncIterator[None]:
    """Let a reply grow, then close it."""
    task = asyncio.ensure_future(script.reply.grow())
    yield
    script.reply.close()
    await task


def shown(script: Script) -> list[tuple[float, str]]:
    """What the platform was asked to show, and when."""
    return [(round(at, 2), call.text) for at, call in script.adapter.log]


@on_virtual_clock
async def test_a_tool_that_runs_is_told_of_under_the_text() -> None:
    """One second after a call has begun a line says so; the next words replace it."""
    script = Script(platform(AT_ONCE))

    async with growing(script):
        await script.reply.on_event(TextDelta("msg_1", "Let me look."))
        await script.reply.on_event(ToolCallCreated("c1", "get_weather"))
        await asyncio.sleep(3)
        await script.reply.on_event(ToolCallDone("c1", "get_weather"))
        await script.reply.on_event(TextDelta("msg_2", "It rains."))
        await asyncio.sleep(1)

    assert shown(script) == [
        (0.0, "Let me look."),
        (1.0, "Let me look.\n\n⏳ get_weather …"),
        (3.0, "Let me look.\n\nIt rains."),
    ]


@on_virtual_clock
async def test_a_quick_tool_is_not_worth_a_line() -> None:
    """A call of 0.9 s costs no edit."""
    script = Script(platform(AT_ONCE))

    async with growing(script):
        await script.reply.on_event(TextDelta("msg_1", "Let me look."))
        await script.reply.on_event(ToolCallCreated("c1", "get_weather"))
        await asyncio.sleep(0.9)
        await script.reply.on_event(ToolCallDone("c1", "get_weather"))
        await asyncio.sleep(5)

    assert script.calls == ["post"]


@on_virtual_clock
async def test_a_tool_may_be_the_first_thing_to_see() -> None:
    """An assistant that begins with a long call is not silent: the line is posted, the words replace it."""
    script = Script(platform(AT_ONCE))

    async with growing(script):
        await script.reply.on_event(ToolCallCreated("c1", "search"))
        await asyncio.sleep(5)
        await script.reply.on_event(ToolCallDone("c1", "search"))
        await script.say(["Found it."], every=1.0)
    await script.reply.finish(done(script.text))

    assert shown(script) == [(1.0, "⏳ search …"), (5.0, "Found it.")]


@on_virtual_clock
async def test_progress_is_told_in_one_line() -> None:
    """A tool's newest words stand beside its name, without line breaks and open marks, 120 at most."""
    script = Script(platform(AT_ONCE))

    async with growing(script):
        await script.reply.on_event(ToolCallCreated("c1", "load"))
        await asyncio.sleep(2)
        await script.reply.on_event(ToolCallProgress("c1", "3 of\n**10** files"))
        await asyncio.sleep(1)
        await script.reply.on_event(ToolCallProgress("c1", "now **at"))
        await asyncio.sleep(1)
        await script.reply.on_event(ToolCallProgress("c1", "x" * 1000))
        await asyncio.sleep(1)

    assert [text for _, text in shown(script)] == [
        "⏳ load …",
        "⏳ load … 3 of **10** files",
        "⏳ load … now **at**",
        "⏳ load … " + "x" * 120,
    ]


@on_virtual_clock
async def test_several_tools_share_the_line() -> None:
    """Of five tools three are named, each once, and two are counted."""
    script = Script(platform(AT_ONCE))

    async with growing(script):
        for number, name in enumerate(["a", "b", "a", "c", "d", "e"]):
            await script.reply.on_event(ToolCallCreated(f"c{number}", name))
        await asyncio.sleep(2)

    assert shown(script) == [(1.0, "⏳ a, b, c +2 …")]


@on_virtual_clock
async def test_the_line_never_begins_a_post_of_its_own() -> None:
    """Under a text that fills its post there is no line; the complete answer stays one post."""
    script = Script(platform(Limits(text_length=100, edit_interval=0.0)))

    async with growing(script):
        await script.say(["x" * 95], every=0.0)
        await script.reply.on_event(ToolCallCreated("c1", "search"))
        await asyncio.sleep(5)

    assert shown(script) == [(0.0, "x" * 95)]


@on_virtual_clock
async def test_nothing_of_a_tool_stays() -> None:
    """An answer that ends while a tool runs (it was stopped) ends without the line."""
    script = Script(platform(AT_ONCE))

    async with growing(script):
        await script.say(["Let me look."], every=0.0)
        await script.reply.on_event(ToolCallCreated("c1", "search"))
        await asyncio.sleep(5)
    await script.reply.finish(done("Let me look."))

    assert script.adapter.shown == ["Let me look."]
    assert now() == 5.0


@on_virtual_clock
async def test_a_restart_forgets_the_tools_of_before() -> None:
    """What an attempt that was cut off had called is not shown under the next one's words."""
    script = Script(platform(AT_ONCE))

    async with growing(script):
        await script.reply.on_event(ToolCallCreated("c1", "search"))
        await script.reply.on_event(RunRestarted(Run("run_1", "t", "default", attempt=2)))
        await script.say(["Hello"], every=5.0)

    assert shown(script) == [(0.0, "Hello")]


@on_virtual_clock
async def test_names_that_a_model_makes_up_are_harmless() -> None:
    """A hosted tool has its name in words; a call of anything else is a word of at most 40 characters."""
    script = Script(platform(AT_ONCE))

    async with growing(script):
        await script.reply.on_event(ToolCallCreated("c1", "code_interpreter", "code_interpreter"))
        await asyncio.sleep(2)
        await script.reply.on_event(ToolCallCreated("c2", "<!channel> **x**\n# @everyone"))
        await script.reply.on_event(ToolCallCreated("c3", "y" * 10_000))
        await asyncio.sleep(2)

    assert [text for _, text in shown(script)] == [
        "⏳ code interpreter …",
        f"⏳ code interpreter, channel x everyone, {'y' * 40} …",
    ]
