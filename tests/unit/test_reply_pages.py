"""Long answers, and the frames that people see on the way to the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from assistant_gateway.adapter import Limits
from assistant_gateway.errors import OutcomeUnknown
from assistant_gateway.replies.layout import MOST
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.backend import ScriptedBackend, says
from assistant_gateway.values import Answer, RunFailure, RunStatus
from fixtures.house import House
from fixtures.replies import Script, done, on_virtual_clock, platform

SMALL = Limits(text_length=100, edit_interval=0.0)
MARKDOWN = """\
Here is **bold text**, a [link](https://example.org) and `code`.

```python
def add(a, b):
    return a + b
```

| a | b |
|---|---|
| 1 | 2 |

And *that* is all.
"""


@on_virtual_clock
async def test_every_frame_is_well_formed() -> None:
    """However a text of all kinds is cut into deltas: no frame has an open fence, mark or link."""
    script = Script(platform(Limits(text_length=2000, edit_interval=0.0)))

    await script.tell(list(MARKDOWN), every=0.01)

    frames = [call.text for _, call in script.adapter.log]
    assert len(frames) > 80
    assert [text for text in frames if text.count("```") % 2] == []
    assert [text for text in frames if text.count("**") % 2] == []
    assert [text for text in frames if text.count("](") != text.count("](https://example.org)")] == []
    assert script.adapter.shown == [MARKDOWN]


@on_virtual_clock
async def test_code_that_crosses_posts_is_closed_and_opened_again() -> None:
    """Each of the posts of a long block of code is a block of its own, with the language."""
    script = Script(platform(SMALL))
    lines = "".join(f"print({number})\n" for number in range(20))

    await script.tell([f"```python\n{lines}```\n"], every=1.0)

    assert len(script.adapter.shown) > 2
    assert all(text.startswith("```python\n") for text in script.adapter.shown)
    assert all(text.rstrip().endswith("\n```") for text in script.adapter.shown)


def paragraphs(count: int) -> str:
    """A text that fills *count* posts of 100 characters."""
    return "\n\n".join(f"{number:02} " + "word " * 17 + "end." for number in range(count))


@on_virtual_clock
async def test_eight_posts_are_posts() -> None:
    """An answer that fits into eight posts is shown in full, without a file."""
    script = Script(platform(SMALL))

    await script.tell([paragraphs(MOST)], every=1.0)

    assert len(script.adapter.shown) == MOST
    assert script.files == []


@on_virtual_clock
async def test_more_than_eight_posts_become_the_first_and_a_file() -> None:
    """Nine posts' worth: eight grow, then seven go; the first one says where the whole answer is."""
    script = Script(platform(SMALL))
    text = paragraphs(MOST + 1)

    await script.tell([text], every=1.0)

    [(file, data)] = script.files
    last = script.adapter.log[-1 - (MOST - 1)][1].content
    assert data.decode() == text
    assert (file.name, file.content_type) == ("answer.md", "text/markdown; charset=utf-8")
    assert script.calls.count("post") == MOST
    assert script.adapter.deleted == {f"p{number}" for number in range(2, MOST + 1)}
    assert last is not None
    assert (last.final, last.files, last.answer) == (True, (file,), done(text))
    assert script.adapter.shown[0].startswith("00 word")
    assert script.adapter.shown[0].endswith("_The whole answer is in the file `answer.md`._")
    assert len(script.adapter.shown[0]) <= 100


@on_virtual_clock
async def test_a_file_is_kept_once_however_often_its_post_fails() -> None:
    """Three faults of the platform at the end do not make three files."""
    script = Script(platform(SMALL))
    script.adapter.script(*[OutcomeUnknown("timeout")] * 3)

    await script.reply.finish(done(paragraphs(20)))

    assert len(script.files) == 1
    assert len(script.adapter.shown) == 1


@on_virtual_clock
async def test_a_bad_end_is_told_beside_the_file() -> None:
    """An answer of 20 posts that failed in the end says both: where it is, and why it is not complete."""
    script = Script(platform(Limits(text_length=300, edit_interval=0.0)))
    error = RunFailure("expired", "The answer took too long.", "e-1")

    await script.reply.finish(Answer(paragraphs(60), RunStatus.EXPIRED, error=error))

    [shown] = script.adapter.shown
    assert shown.endswith(
        "_The whole answer is in the file `answer.md`._\n\n⚠️ The answer took too long. (`e-1`)"
    )


@on_virtual_clock
async def test_another_process_ends_a_long_answer_the_same_way() -> None:
    """Killed with eight posts on screen: the next process turns them into one post and a file."""
    adapter = platform(SMALL)
    first = Script(adapter)
    growing = asyncio.ensure_future(first.reply.grow())
    await first.say([paragraphs(12)], every=2.0)
    growing.cancel()
    await asyncio.wait([growing])

    second = Script(adapter, list({post.part: post for post in first.journal}.values()))
    await second.reply.finish(done(first.text))

    assert len(adapter.shown) == 1
    assert len(second.files) == 1


@on_virtual_clock
async def test_growth_stops_at_eight_posts() -> None:
    """While an answer of 20 posts grows, eight are made."""
    script = Script(platform(SMALL))
    growing = asyncio.ensure_future(script.reply.grow())

    await script.say([paragraphs(1) + "\n\n"] * 20, every=1.0)
    script.reply.close()
    await growing

    assert script.calls.count("post") == MOST


@pytest.mark.parametrize("text", ["", "  \n"])
@on_virtual_clock
async def test_an_answer_without_words_is_one_post(text: str) -> None:
    """Nothing said is told as such, in one post."""
    script = Script(platform(SMALL))

    await script.reply.finish(done(text))

    assert script.adapter.shown == ["_The assistant had nothing to say._"]


async def test_the_worker_keeps_the_file_in_its_store(tmp_path: Path) -> None:
    """The bytes of the file that a post carries are those of the whole answer."""
    text = paragraphs(30)
    adapter = FakeAdapter(limits=SMALL)

    async with House(tmp_path, ScriptedBackend(lambda step: says(text)), adapter=adapter) as house:
        message = await house.ask("Tell me all")
        carried = [file for _, call in adapter.log if call.content for file in call.content.files]
        kept = await house.store.file(carried[0].id)

    assert message.answer is not None
    assert message.answer.text == text
    assert len(adapter.shown) == 1
    assert kept is not None
    assert kept[1].decode() == text
