"""Commands typed to a real process over the webhook, beside questions that the demo answers."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.served import ask, serve, state
from e2e.test_conversations import LONG, get, until, until_said

SLOW = """
[backends.demo]
kind = "demo"
words_per_second = 20
"""
FIRST = "What did I say first?"


async def test_people_type_commands(tmp_path: Path) -> None:
    """/help, /retry, /undo and /reset: each is answered in words, and the thread has what it should have."""
    async with serve(tmp_path) as served:
        _, told = await ask(served.url, "/help", id="m0")
        nothing = await ask(served.url, "/retry", id="m1")
        await ask(served.url, "My name is Ann.", id="m2")
        _, name = await ask(served.url, "What is two plus two?", id="m3")
        _, again = await ask(served.url, "/Retry", id="m4")
        twice = await ask(served.url, "/Retry", id="m4")
        after_retry = await get(served.url, "/webhooks/default/conversations/c1/items")
        _, undone = await ask(served.url, "/undo", id="m5")
        _, memory = await ask(served.url, FIRST, id="m6")
        after_undo = await get(served.url, "/webhooks/default/conversations/c1/items")
        _, used = await ask(served.url, "/usage", id="m7")
        _, reset = await ask(served.url, "/reset", id="m8")
        _, blank = await ask(served.url, FIRST, id="m9")

    words = ["/reset", "/stop", "/retry", "/undo", "/usage", "/help"]
    assert all(word in str(told["text"]) for word in words)
    assert "There is nothing to answer again." == nothing[1]["text"]
    assert (name["text"], name["thread"]) == (again["text"], again["thread"])
    assert (200, again) == twice
    assert ["user", "assistant"] * 2 == roles(after_retry)
    assert "The last question and its answer are forgotten." == undone["text"]
    assert "My name is Ann." in str(memory["text"])
    assert ["user", "assistant"] * 2 == roles(after_undo)
    assert "two plus two" not in json.dumps(after_undo)
    assert "- You, today: 4 answers" in str(used["text"])
    assert "A new conversation begins" in str(reset["text"])
    assert reset["thread"] == blank["thread"] != memory["thread"]
    assert "Ann" not in str(blank["text"])


async def test_a_typed_stop_ends_an_answer_and_survives_a_kill(tmp_path: Path) -> None:
    """The long answer is cancelled with its words; killed at once after /stop, both ends are told once."""
    (tmp_path / "config.toml").write_text(SLOW)
    async with serve(tmp_path) as served:
        await ask(served.url, LONG, id="m0", wait=0)
        await until_said(served.url, "m0")
        _, stopped = await ask(served.url, "/stop", id="m1")
        first = await state(served.url, "m0")
        await ask(served.url, LONG, id="m2", wait=0)
        await until(served.url, "m2", "answering")
        await ask(served.url, "/stop", id="m3", wait=0)
        served.kill()
    async with serve(tmp_path) as served:
        _, after = await ask(served.url, "/stop", id="m3")
        second = await state(served.url, "m2")
        _, idle = await ask(served.url, "/stop", id="m4")

    assert ("Stopped.", "Stopped.", "Nothing is being answered.") == (
        stopped["text"],
        after["text"],
        idle["text"],
    )
    assert ["cancelled", "cancelled"] == [first["state"], second["state"]]
    assert len(str(first["text"])) > 0


async def test_commands_can_be_switched_off(tmp_path: Path) -> None:
    """With `commands = false` the demo answers the word like any other."""
    (tmp_path / "config.toml").write_text("[replies]\ncommands = false\n")
    async with serve(tmp_path) as served:
        _, told = await ask(served.url, "/help", id="m0")
        items = await get(served.url, "/webhooks/default/conversations/c1/items")

    assert "`/retry`" not in str(told["text"])
    assert ["user", "assistant"] == roles(items)


def roles(page: object) -> list[str]:
    assert isinstance(page, dict)
    return [item["role"] for item in page["items"] if item["type"] == "message"]
