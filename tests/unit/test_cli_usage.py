"""`usage`: the ledger as a table and as JSON, beside a gateway that works on the store."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from assistant_gateway.cli import main
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.values import (
    Answer,
    Charge,
    Conversation,
    Inbound,
    Lane,
    MessageState,
    Routed,
    Run,
    RunStatus,
    Usage,
    User,
)

SMALL = Charge("small", Usage(1_000, 50, 20), 600_000)
LARGE = Charge("large", Usage(20_000, 500), 2_500_000)


@pytest.fixture(autouse=True)
def used(alone: None) -> None:
    """Three runs: two of Ann's on Slack, in a channel and in a topic, one of Bob's webhook."""
    asyncio.run(_used())


async def _used() -> None:
    store = SqliteStore("assistant-gateway.db")
    await store.open()
    for number, (where, user, assistant, charge) in enumerate(
        (
            (Conversation("slack", "T1", "C1"), "U1", "default", SMALL),
            (Conversation("slack", "T1", "C1", "17.5"), "U1", "sales", LARGE),
            (Conversation("webhook", "default", "a\nb"), "bob\x1b[2J\nx", "default", SMALL),
        )
    ):
        routed = Routed(Lane(where.adapter, where.tenant, where.channel, where.topic), assistant)
        await store.accept(Inbound(where, f"m{number}", User(user), "Hi"), routed, cap=9)
        claim = await store.claim("w", 30.0)
        assert claim is not None
        run = Run(f"r{number}", claim.message.thread_id, assistant)
        run = replace((await store.begin(claim, run, [])).charged(charge), status=RunStatus.COMPLETED)
        await store.conclude(claim, run, Answer("a", RunStatus.COMPLETED), [], "")
        await store.finish(claim, MessageState.DELIVERED)
    await store.close()


def lines(capsys: pytest.CaptureFixture[str], *argv: str) -> list[str]:
    assert 0 == main(["usage", *argv])
    return capsys.readouterr().out.splitlines()


def test_usage_is_a_table_by_assistant(capsys: pytest.CaptureFixture[str]) -> None:
    """The dearest first, numbers under their words, and all of it in the last line."""
    first = datetime.now(UTC).date().replace(day=1)

    assert [
        f"Since {first}, UTC:",
        "         answers  tokens in  cached  tokens out   cost",
        "sales          1     20,000       0         500  $2.50",
        "default        2      2,000      40         100  $1.20",
        "all            3     22,000      40         600  $3.70",
    ] == lines(capsys)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("user", ["slack / T1 / U1", "webhook / default / bob�[2J x"]),
        ("assistant", ["sales", "default"]),
        ("model", ["large", "small"]),
        ("tenant", ["slack / T1", "webhook / default"]),
        ("conversation", ["slack / T1 / C1 / 17.5", "slack / T1 / C1", "webhook / default / a b"]),
    ],
)
def test_usage_is_told_by_whatever_is_asked_for(
    by: str, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each name on a line of its own, without what a terminal would obey."""
    told = [line.split("  ")[0] for line in lines(capsys, "--by", by)[2:-1]]

    assert names == told


def test_usage_as_json_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Whole numbers of tokens and a sum in dollars; names as they are."""
    told = [json.loads(line) for line in lines(capsys, "--by", "user", "--json")]

    numbers = {"answers": 1, "input_tokens": 1_000, "output_tokens": 50, "cached_tokens": 20, "cost_usd": 0.6}
    assert {"adapter": "webhook", "tenant": "default", "user_id": "bob\x1b[2J\nx", **numbers} == told[1]
    assert 3.1 == told[0]["cost_usd"]


def test_usage_counts_from_a_day_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Since a day to come there is nothing but an empty sum."""
    told = lines(capsys, "--since", "2099-01-01", "--by", "user")

    assert "Since 2099-01-01, UTC:" == told[0]
    assert ["all", "0"] == told[2].split()[:2]
    assert 3 == len(told)
