"""`usage`: who has used how much, and what it cost, also while a gateway is running on the same store."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import TypeAlias

from assistant_gateway.cli.start import configured
from assistant_gateway.cli.terminal import plain
from assistant_gateway.cli.threads import visited
from assistant_gateway.config import Config
from assistant_gateway.prices import MICRO, dollars
from assistant_gateway.store import LedgerEntry, Store, Used

Words: TypeAlias = tuple[str, ...]

COLUMNS: Mapping[str, Words] = {
    "user": ("adapter", "tenant", "user_id"),
    "assistant": ("assistant",),
    "model": ("model",),
    "tenant": ("adapter", "tenant"),
    "conversation": ("adapter", "tenant", "channel", "topic"),
}


def usage(arguments: argparse.Namespace) -> int:
    return asyncio.run(_usage(arguments, configured(arguments)))


async def _usage(arguments: argparse.Namespace, config: Config) -> int:
    first = arguments.since or datetime.now(UTC).date().replace(day=1)
    async with visited(config) as store:
        found = await _found(store, arguments.by, _midnight(first))
    lines = sorted(found.items(), key=lambda line: (-line[1].cost, -line[1].usage.total_tokens, line[0]))
    columns = COLUMNS[arguments.by]
    if arguments.json:
        for words, used in lines:
            print(json.dumps(dict(zip(columns, words, strict=True)) | _numbers(used), ensure_ascii=False))
    else:
        print(f"Since {first}, UTC:")
        _print_table([*lines, (("all",), _total(found.values()))])
    return 0


async def _found(store: Store, by: str, since: float) -> dict[Words, Used]:
    if by == "conversation":
        return {
            (place.adapter, place.tenant, place.channel, place.topic): used
            for place, used in await store.conversation_usage(since=since)
        }
    sums: dict[Words, Used] = {}
    for entry in await store.ledger(since=since):
        words = _words(entry, COLUMNS[by])
        sums[words] = sums.get(words, Used()) + entry.used
    return sums


def _words(entry: LedgerEntry, columns: Words) -> Words:
    return tuple(str(getattr(entry, column)) for column in columns)


def _numbers(used: Used) -> dict[str, object]:
    return {
        "answers": used.runs,
        "input_tokens": used.usage.input_tokens,
        "output_tokens": used.usage.output_tokens,
        "cached_tokens": used.usage.cached_tokens,
        "cost_usd": used.cost / MICRO,
    }


def _print_table(lines: Sequence[tuple[Words, Used]]) -> None:
    rows: list[Words] = [("", "answers", "tokens in", "cached", "tokens out", "cost")]
    for words, used in lines:
        tokens = used.usage
        numbers = (used.runs, tokens.input_tokens, tokens.cached_tokens, tokens.output_tokens)
        name = " ".join(plain(" / ".join(filter(None, words))).split()) or "-"
        rows.append((name, *(f"{number:,}" for number in numbers), dollars(used.cost)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join((name.ljust(widths[0]), *cells)))


def _total(all_used: Iterable[Used]) -> Used:
    return sum(all_used, Used())


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()
