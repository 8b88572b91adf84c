"""Budgets, rates and prices of a real process: over its webhook, its metrics and its command line."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp

from e2e.served import Served, ask, clean_environment, serve, signed
from emulators.openai import OpenAIEmulator, Say

PRICED = """
[assistants.default]
model = "gpt-6.1-sol"

[prices."gpt-6.1-sol"]
input = 1000.0
output = 1000.0
"""
BUDGET = """
[[budgets]]
adapter = "webhook"
soft = 0.000001
hard = 0.000002
"""
LIMIT = "[limits]\nmessages_per_minute = 2\n"


def environment(openai: OpenAIEmulator) -> dict[str, str]:
    return {"OPENAI_API_KEY": openai.api_key, "OPENAI_BASE_URL": openai.base_url}


async def metric(served: Served, name: str) -> float:
    """The value of a metric's first line."""
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line.startswith(name)]
    return float(lines[0].rpartition(" ")[2])


async def test_a_used_up_budget_is_told_and_costs_nothing(tmp_path: Path) -> None:
    """The first answer uses up the budget and says so; the second is a sentence, and no model is asked."""
    (tmp_path / "config.toml").write_text(PRICED + BUDGET)
    async with OpenAIEmulator() as openai:
        openai.script(Say("Well."))
        async with serve(tmp_path, environ=environment(openai)) as served:
            first = await ask(served.url, "Hello", id="m1")
            asked = len(openai.requests)
            second = await ask(served.url, "Hello", id="m2")
            _, usage = await ask(served.url, "/usage")
            spent = await metric(served, "assistant_gateway_cost_usd_total")
            items = await thread_of(served)
            told = await command(tmp_path, "usage", "--by", "user", "--json")

        assert (1, 1) == (asked, len(openai.requests))
    assert (200, "Well.") == (first[0], first[1]["text"])
    assert "Your budget today:" in str(first[1]["notices"])
    assert 200 == second[0]
    assert str(second[1]["text"]).startswith("Your budget today ($0.000002) is used up. It begins anew on ")
    assert 2 == len(items)
    assert spent > 0
    assert ("webhook", "u1", 1, spent) == tuple(
        told[key] for key in ("adapter", "user_id", "answers", "cost_usd")
    )
    assert "- Your budget today: $0.00 of $0.000002 left" in str(usage["text"])


async def test_too_many_messages_are_refused_with_seconds(tmp_path: Path) -> None:
    """Two a minute: the third gets 429 with Retry-After; delivered again, the first one gets its answer."""
    (tmp_path / "config.toml").write_text(LIMIT)
    async with serve(tmp_path) as served:
        statuses = [(await ask(served.url, "Hello", id=f"m{n}"))[0] for n in range(2)]
        body = b'{"conversation": "c1", "user": {"id": "u1"}, "text": "Hello"}'
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{served.url}/webhooks/default", data=body, headers=signed(body, id="m3")
            ) as refused,
        ):
            told = await refused.json(content_type=None)
        again, _ = await ask(served.url, "Hello", id="m1")

    assert [200, 200] == statuses
    assert 429 == refused.status
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert str(told["detail"]).startswith(
        "You have sent 2 messages within a minute; the next one is taken in "
    )
    assert 200 == again


async def thread_of(served: Served) -> list[object]:
    """What stands on the thread of the conversation."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{served.url}/webhooks/default/conversations/c1/items", headers=signed(b"")) as answer,
    ):
        found: list[object] = (await answer.json(content_type=None))["items"]
        return found


async def command(directory: Path, *arguments: str) -> dict[str, object]:
    """The first line of JSON that a command prints, beside the running gateway."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "assistant_gateway", *arguments),
        cwd=directory,
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    found: dict[str, object] = json.loads(output.splitlines()[0])
    return found
