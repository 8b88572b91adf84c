"""
The store of a single node: one SQLite file, durable and in order.

A write returns after its commit is on disk (`synchronous=FULL`); writes that arrive together
are committed together. One process has the file, by an exclusive lock, so that whatever a
dead process had claimed is free again as soon as the next one opens it.
"""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from assistant_gateway.adapter import Delivery, DeliveryState, EndpointFault, Receipt
from assistant_gateway.errors import StoreUnavailable
from assistant_gateway.store import (
    Claim,
    Counts,
    Effect,
    LedgerEntry,
    Standing,
    Summary,
    Undone,
    Used,
    controls,
    intake,
    ledger,
    memory,
    outbox,
    queries,
    rows,
    work,
)
from assistant_gateway.store.database import Database, Operation, Reader, Result, connected
from assistant_gateway.store.file import StoreFile
from assistant_gateway.store.text import dumps, loads
from assistant_gateway.store.writer import Writer
from assistant_gateway.values import (
    Answer,
    CallRecord,
    Charge,
    Conversation,
    Feedback,
    FileRef,
    Inbound,
    Item,
    JsonObject,
    Lane,
    Message,
    MessageState,
    Post,
    Rating,
    Routed,
    Run,
    Thread,
    User,
)

_SWEPT = 1000  # keys forgotten in one write: others must not wait for all of them
_PERIODS = 62 * ledger.DAY  # seconds; longer than any budget's period
_NEWEST = 2**63 - 1


class SqliteStore:
    """
    The `Store` on one SQLite file.

    Args:
        path: The file; made where there is none.
        visitor: Look in while a server may be running: no lock, no upgrade, nothing freed. Not for workers.
        allow_network_filesystem: Skip the refusal of NFS, SMB, FUSE and their like.
        clock: Epoch seconds.
        steady: Seconds of a clock that never jumps; times the leases, so that setting the wall clock
            steals none.
        factory: The class of the writing connection.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        visitor: bool = False,
        allow_network_filesystem: bool = False,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> None:
        self.path = Path(path).absolute()
        self._visitor = visitor
        self._clock = clock
        self._steady = steady
        self._sql = queries.load("sqlite.sql")
        self._file = StoreFile(
            self.path,
            visitor=visitor,
            allow_network_filesystem=allow_network_filesystem,
            factory=factory,
        )
        self._writer: Writer | None = None
        self._reader: Reader | None = None

    async def open(self) -> None:
        """See `Store.open`."""
        writing, reading = await asyncio.to_thread(self._file.open)
        self._writer = Writer(
            await connected(writing), self._database, check=self._file.check, tidy=self._file.tidy
        )
        self._reader = Reader(await connected(reading), self._database)
        if not self._visitor:
            try:
                await self._write(_free)
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """See `Store.close`."""
        writer, reader = self._writer, self._reader
        self._writer = self._reader = None
        if writer is None or reader is None:
            return
        await reader.close()
        if not self._visitor:
            # A disk that is full now makes the next start look for damage; no more than that.
            with suppress(StoreUnavailable):
                await writer.write(lambda db: db.run("mark", key="clean", value="yes"))
        await writer.close()
        self._file.release()

    async def ping(self) -> None:
        """See `Store.ping`."""
        await self._write(lambda db: db.run("mark", key="ping", value=str(db.now())))

    # Intake

    async def accept(self, inbound: Inbound, routed: Routed, *, cap: int, run_id: str = "") -> Receipt:
        return await self._write(lambda db: intake.accept(db, inbound, routed, cap, run_id))

    async def message(self, id: int) -> Message | None:
        return await self._read(lambda db: intake.message_by_id(db, id))

    async def find_message(self, adapter: str, tenant: str, message_id: str) -> Message | None:
        row = await self._read(
            lambda db: db.one("find_message", adapter=adapter, tenant=tenant, message_id=message_id)
        )
        return None if row is None else rows.message(row)

    async def knows_topic(self, conversation: Conversation) -> bool:
        words = asdict(conversation)
        return bool(await self._read(lambda db: db.value("known_topic", **words)))

    async def merged(self, id: int) -> list[Message]:
        return await self._read(lambda db: work.merged(db, id))

    async def journal(self, id: int) -> str | None:
        return cast("str | None", await self._read(lambda db: db.value("journal", id=id)))

    # Work

    async def claim(self, owner: str, lease: float) -> Claim | None:
        return await self._write(lambda db: work.claim(db, owner, lease))

    async def next_wake(self) -> float | None:
        return cast("float | None", await self._read(lambda db: db.value("next_wake", steady=db.steady())))

    async def renew(self, owner: str, lease: float) -> Mapping[int, str]:
        return dict(
            cast(
                "list[tuple[int, str]]",
                await self._write(lambda db: db.all("renew", owner=owner, until=db.steady() + lease)),
            )
        )

    async def release(self, claim: Claim, *, delay: float, failed: bool) -> None:
        await self._write(lambda db: work.release(db, claim, delay, failed))

    async def request_stop(self, lane: Lane, reason: str, *, run_id: str = "") -> Message | None:
        def stop(db: Database) -> Message | None:
            id = controls.stop(db, lane, reason, run_id)
            return None if id is None else intake.message_by_id(db, id)

        return await self._write(stop)

    async def begin(self, claim: Claim, run: Run, items: Sequence[Item] | None, *, refusal: str = "") -> Run:
        return await self._write(lambda db: work.begin(db, claim, run, items, refusal))

    async def retry(self, claim: Claim, run: Run) -> Run | None:
        return await self._write(lambda db: work.retry(db, claim, run))

    async def question(self, run_id: str) -> list[Message]:
        return await self._read(lambda db: work.question(db, run_id))

    async def save_step(
        self, claim: Claim, items: Sequence[Item], calls: Sequence[CallRecord], run: Run
    ) -> None:
        await self._write(lambda db: work.save_step(db, claim, items, calls, run))

    async def calls(self, run_id: str) -> list[CallRecord]:
        return [rows.call(row) for row in await self._read(lambda db: db.all("calls", run=run_id))]

    async def save_call(self, claim: Claim, record: CallRecord) -> None:
        await self._write(lambda db: work.save_call(db, claim, record))

    async def save_post(self, claim: Claim, post: Post) -> None:
        await self._write(lambda db: work.save_post(db, claim, post))

    async def posts(self, run_id: str) -> list[Post]:
        return [rows.post(row) for row in await self._read(lambda db: db.all("posts", run=run_id))]

    async def conclude(
        self, claim: Claim, run: Run, answer: Answer, items: Sequence[Item], journal: str
    ) -> None:
        await self._write(lambda db: work.conclude(db, claim, run, answer, items, journal))

    async def finish(self, claim: Claim, state: MessageState) -> None:
        await self._write(lambda db: work.finish(db, claim, state))

    # Controls

    async def standing(self, lane: Lane) -> Standing:
        return await self._read(lambda db: controls.standing(db, lane))

    async def undo(self, lane: Lane) -> Undone:
        return await self._write(lambda db: controls.undo(db, lane))

    async def undo_for(self, claim: Claim) -> Undone:
        return await self._write(lambda db: work.undo(db, claim))

    async def revise(self, id: int, text: str | None, *, reason: str) -> Effect:
        return await self._write(lambda db: controls.revise(db, id, text, reason))

    async def rate(
        self, conversation: Conversation, user: User, run_id: str, rating: Rating, comment: str | None
    ) -> bool:
        return await self._write(lambda db: controls.rate(db, conversation, user, run_id, rating, comment))

    async def feedback(self, *, limit: int, rating: Rating | None = None) -> list[Feedback]:
        kind = "" if rating is None else rating.value
        found = await self._read(lambda db: db.all("feedback", rating=kind, limit=limit))
        return [rows.feedback(row) for row in found]

    async def thread_feedback(self, thread_id: str) -> list[Feedback]:
        found = await self._read(lambda db: db.all("thread_feedback", thread=thread_id))
        return [rows.feedback(row) for row in found]

    # Usage

    async def thread_usage(self, thread_id: str) -> Used:
        return rows.used((await self._read(lambda db: db.all("thread_usage", thread=thread_id)))[0])

    async def tenant_usage(
        self,
        adapter: str,
        tenant: str,
        *,
        since: float,
        users: Collection[str] | None = None,
        assistant: str | None = None,
    ) -> Used:
        return await self._read(lambda db: ledger.tenant_usage(db, adapter, tenant, since, users, assistant))

    async def charge(self, run_id: str, charge: Charge) -> None:
        await self._write(lambda db: ledger.charge(db, run_id, charge))

    async def ledger(self, *, since: float) -> list[LedgerEntry]:
        found = await self._read(lambda db: db.all("ledger", day=ledger.day(since)))
        return [rows.ledger_entry(row) for row in found]

    async def conversation_usage(self, *, since: float) -> list[tuple[Conversation, Used]]:
        found = await self._read(lambda db: db.all("conversation_usage", since=since))
        return [(Conversation(*row[:4]), rows.used(row[4:])) for row in found]

    # Threads

    async def open_thread(self, lane: Lane) -> Thread:
        return await self._write(lambda db: memory.open_thread(db, lane))

    async def reset(self, lane: Lane) -> Thread:
        return await self._write(lambda db: memory.reset(db, lane))

    async def thread(self, id: str) -> Thread | None:
        row = await self._read(lambda db: db.one("thread", id=id))
        return None if row is None else rows.thread(row)

    async def threads(self, *, limit: int, before: Thread | None = None, adapter: str = "") -> list[Thread]:
        until, id = (math.inf, "") if before is None else (before.created_at, before.id)
        found = await self._read(
            lambda db: db.all("threads", until=until, id=id, adapter=adapter, limit=limit)
        )
        return [rows.thread(row) for row in found]

    async def items(
        self, thread_id: str, *, before: int | None = None, limit: int = 200, forgotten: bool = False
    ) -> list[Item]:
        below = _NEWEST if before is None else before
        found = await self._read(
            lambda db: db.all("items", thread=thread_id, before=below, limit=limit, forgotten=forgotten)
        )
        return [rows.item(row) for row in reversed(found)]

    async def run_items(self, run_id: str) -> list[Item]:
        return [rows.item(row) for row in await self._read(lambda db: db.all("run_items", run=run_id))]

    async def summary(self, thread_id: str) -> Summary | None:
        return await self._read(lambda db: memory.summary(db, thread_id))

    async def save_summary(
        self, thread_id: str, item: Item, *, since: int, stands_for: Collection[int]
    ) -> bool:
        return await self._write(lambda db: memory.save_summary(db, thread_id, item, since, stands_for))

    async def add_items(self, thread_id: str, items: Sequence[Item]) -> None:
        await self._write(lambda db: memory.put_items(db, thread_id, items))

    async def import_thread(self, thread: Thread, items: Sequence[Item], *, replace: bool) -> bool:
        return await self._write(lambda db: memory.import_thread(db, thread, items, replace))

    async def run(self, id: str) -> Run | None:
        row = await self._read(lambda db: db.one("run", id=id))
        return None if row is None else rows.run(row)

    # Files and small notes

    async def save_file(self, file: FileRef, data: bytes) -> None:
        await self._write(lambda db: memory.keep_file(db, file, data))

    async def file(self, id: str) -> tuple[FileRef, bytes] | None:
        row = await self._read(lambda db: db.one("file", id=id))
        return None if row is None else (rows.file(row[:-1]), cast(bytes, row[-1]))

    async def note(self, scope: str, key: str) -> JsonObject | None:
        text = await self._read(lambda db: db.value("note", scope=scope, key=key))
        return None if text is None else loads(cast(str, text))

    async def save_note(self, scope: str, key: str, value: JsonObject) -> None:
        await self._write(lambda db: db.run("save_note", scope=scope, key=key, value=dumps(value)))

    async def add_note(self, scope: str, key: str, value: JsonObject) -> JsonObject:
        def add(db: Database) -> JsonObject:
            db.run("add_note", scope=scope, key=key, value=dumps(value))
            return loads(cast(str, db.value("note", scope=scope, key=key)))

        return await self._write(add)

    async def notes(self, scope: str) -> Mapping[str, JsonObject]:
        found = await self._read(lambda db: db.all("notes", scope=scope))
        return {cast(str, key): loads(cast(str, value)) for key, value in found}

    async def forget_note(self, scope: str, key: str) -> None:
        await self._write(lambda db: db.run("forget_note", scope=scope, key=key))

    # Outbox

    async def enqueue(self, delivery: Delivery) -> bool:
        return await self._write(lambda db: outbox.enqueue(db, delivery))

    async def due(
        self, source: str, now: float, limit: int, *, besides: Collection[str] = ()
    ) -> list[Delivery]:
        hosts = dumps(list(besides))
        found = await self._read(lambda db: db.all("due", source=source, now=now, limit=limit, besides=hosts))
        return [rows.delivery(row) for row in found]

    async def next_due(self, source: str) -> float | None:
        return cast("float | None", await self._read(lambda db: db.value("next_due", source=source)))

    async def record(self, delivery: Delivery) -> None:
        await self._write(lambda db: outbox.record(db, delivery))

    async def deliveries(
        self, source: str = "", state: DeliveryState | None = None, limit: int = 100
    ) -> list[Delivery]:
        kind = "" if state is None else state.value
        found = await self._read(lambda db: db.all("deliveries", source=source, state=kind, limit=limit))
        return [rows.delivery(row) for row in found]

    async def endpoint_fault(self, source: str, url: str) -> EndpointFault | None:
        row = await self._read(lambda db: db.one("fault", source=source, url=url))
        return None if row is None else rows.fault(row)

    async def set_endpoint_fault(self, source: str, url: str, fault: EndpointFault | None) -> None:
        await self._write(lambda db: outbox.set_fault(db, source, url, fault))

    # Housekeeping

    async def counts(self) -> Counts:
        return await self._read(_counts)

    async def sweep(self, *, keys_older_than: float) -> int:
        before = self._clock() - keys_older_than
        period = f"budget:{datetime.fromtimestamp(self._clock() - _PERIODS, UTC):%Y-%m-%d}"
        await self._write(lambda db: db.run("forget_budget_notes", before=period))
        swept = 0
        while n := await self._write(lambda db: db.run("sweep_keys", before=before, limit=_SWEPT)):
            swept += n
        return swept

    async def _write(self, operation: Operation[Result]) -> Result:
        if self._writer is None:
            raise StoreUnavailable("the store is closed")
        return await self._writer.write(operation)

    async def _read(self, operation: Operation[Result]) -> Result:
        if self._reader is None:
            raise StoreUnavailable("the store is closed")
        return await self._reader.read(operation)

    def _database(self, connection: sqlite3.Connection) -> Database:
        return Database(connection, self._sql, self._clock, self._steady)


def _free(db: Database) -> None:
    """The lock proves that nobody else lives: every claim is a dead process's."""
    db.run("free_lanes")
    db.run("expire_runs")


def _counts(db: Database) -> Counts:
    oldest = cast("float | None", db.value("oldest_waiting"))
    deliveries = dict(cast("list[tuple[str, int]]", db.all("delivery_counts")))
    return Counts(
        messages={MessageState(state): n for state, n in db.all("message_counts")},
        oldest_waiting=0.0 if oldest is None else max(0.0, db.now() - oldest),
        deliveries_pending=deliveries.get(DeliveryState.PENDING, 0),
        deliveries_dead=deliveries.get(DeliveryState.DEAD, 0),
    )
