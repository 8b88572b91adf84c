"""Writes that arrive together are committed together, and each stands or falls alone."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from assistant_gateway.adapter import Receipt
from assistant_gateway.errors import LeaseLost, StoreError, StoreUnavailable
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.testing.store import begin, claimed, finish, said, take
from assistant_gateway.values import MessageState, Run, Usage


class Counting(sqlite3.Connection):
    """Counts its commits, fails as many as it is told, and can be held before one."""

    commits = 0
    failures = 0
    gate: threading.Event | None = None

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        if sql == "COMMIT":
            kind = type(self)
            if kind.gate is not None:
                kind.gate.wait(10)
            if kind.failures:
                kind.failures -= 1
                raise sqlite3.OperationalError("disk I/O error")
            kind.commits += 1
        return super().execute(sql, *parameters)  # type: ignore[arg-type]


async def opened(path: Path) -> tuple[SqliteStore, type[Counting]]:
    class Fresh(Counting):
        pass

    store = SqliteStore(path / "gateway.db", factory=Fresh)
    await store.open()
    Fresh.commits = 0
    return store, Fresh


async def test_many_callers_share_a_commit(tmp_path: Path) -> None:
    """1,280 concurrent accepts take at most 12 commits."""
    store, kind = await opened(tmp_path)

    receipts = await asyncio.gather(
        *(take(store, said(f"m{n}", channel=f"C{n % 9}"), cap=1000) for n in range(1280))
    )
    commits = kind.commits
    await store.close()

    assert 1280 == len({receipt.message and receipt.message.id for receipt in receipts})
    assert commits <= 12


async def test_one_that_fails_harms_no_other(tmp_path: Path) -> None:
    """Of 22 writes in one group the 2 that must fail do, each with its own error, and 20 are kept."""
    store, _ = await opened(tmp_path)
    await take(store, said("m0"))
    stale = await claimed(store)
    await finish(store, stale)

    outcomes = await asyncio.gather(
        *(take(store, said(f"a{n}")) for n in range(10)),
        finish(store, stale),
        store.add_items("nobody's", []),
        *(take(store, said(f"b{n}")) for n in range(10)),
        return_exceptions=True,
    )
    counts = await store.counts()
    await store.close()

    assert [LeaseLost, LookupError] == [type(outcome) for outcome in outcomes[10:12]]
    assert [Receipt] * 20 == [type(outcome) for outcome in outcomes[:10] + outcomes[12:]]
    assert list(range(20)) == [
        outcome.ahead for outcome in outcomes[:10] + outcomes[12:] if isinstance(outcome, Receipt)
    ]
    assert 20 == counts.messages[MessageState.READY]


async def test_a_commit_that_fails_is_told_to_all_and_the_next_group_goes_on(tmp_path: Path) -> None:
    """None of the 10 callers of a failed commit is answered well, nothing is kept, and 10 later ones are."""
    store, kind = await opened(tmp_path)
    kind.failures = 1

    failed = await asyncio.gather(*(take(store, said(f"a{n}")) for n in range(10)), return_exceptions=True)
    kept = await asyncio.gather(*(take(store, said(f"b{n}")) for n in range(10)))
    counts = await store.counts()
    await store.close()

    assert [StoreUnavailable] * 10 == [type(outcome) for outcome in failed]
    assert list(range(10)) == [receipt.ahead for receipt in kept]
    assert 10 == counts.messages[MessageState.READY]


async def test_a_cancelled_caller_has_only_stopped_listening(tmp_path: Path) -> None:
    """Cancelled while its group is being committed, a message is kept and its repetition a duplicate."""
    store, kind = await opened(tmp_path)
    kind.gate = threading.Event()
    leaving = asyncio.create_task(take(store, said("m1")))
    staying = asyncio.create_task(take(store, said("m2")))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    kind.gate.set()

    receipt = await staying
    found = await store.find_message("fake", "T1", "m1")
    await store.close()

    assert found is not None
    assert 1 == receipt.ahead


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    """Of 300 writes that wait when the store is closed each is kept."""
    store, _ = await opened(tmp_path)
    waiting = [asyncio.create_task(take(store, said(f"m{n}"), cap=1000)) for n in range(300)]
    await asyncio.sleep(0)
    await store.close()
    receipts = await asyncio.gather(*waiting)

    store, _ = await opened(tmp_path)
    counts = await store.counts()
    await store.close()

    assert 300 == len(receipts) == counts.messages[MessageState.READY]


async def test_a_value_that_no_column_holds_is_an_error_of_its_caller(tmp_path: Path) -> None:
    """2^63 tokens fail that one write, for good, and the store goes on."""
    store, _ = await opened(tmp_path)
    await take(store, said("m1"))
    claim = await claimed(store)
    run = Run("r1", claim.message.thread_id, "default", usage=Usage(1 << 63))

    with pytest.raises(StoreError, match="too large") as caught:
        await store.begin(claim, run, [])
    begun = await begin(store, claim)
    await store.close()

    assert not isinstance(caught.value, StoreUnavailable)
    assert 1 == begun.attempt


async def test_leases_are_timed_by_the_steady_clock(tmp_path: Path) -> None:
    """The wall clock jumps an hour: no lease is stolen. The steady clock goes on 31 s: it is over."""
    wall, steady = [1_000_000.0], [50.0]
    store = SqliteStore(tmp_path / "gateway.db", clock=lambda: wall[0], steady=lambda: steady[0])
    await store.open()
    await take(store, said("m1"))
    held = await claimed(store)
    wall[0] += 3600
    stolen = await store.claim("other", 30.0)
    steady[0] += 31
    taken = await store.claim("other", 30.0)
    await store.close()

    assert stolen is None
    assert taken is not None
    assert held.message.id == taken.message.id
