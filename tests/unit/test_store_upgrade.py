"""A file of an earlier schema is brought up to date, and what was in it goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from assistant_gateway.store import Standing, Undone, Used
from assistant_gateway.store.migrations import APPLICATION_ID
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.values import Command, Conversation, Inbound, Lane, Rating, Routed, Run, Usage, User

LANE = Lane("fake", "T1", "C1")
ANN = '{"id":"U1","name":"Ann","is_bot":false,"is_external":false,"roles":[]}'
ANSWER = '{"text":"Hello","status":"completed","usage":[10,5,0],"files":[],"error":null}'
MESSAGE = """
INSERT INTO messages (id, lane_id, seq, state, merged_into, thread_id, accepted_at, adapter, tenant, channel,
    topic, message_id, fingerprint, user, keys, metadata, reply_to, assistant, busy, route_instructions,
    instructions, text)
VALUES (?, 1, ?, ?, ?, 't1', 1.0, 'fake', 'T1', 'C1', '', ?, '', ?, '[]', '{}', '{}', 'default',
    'queue', '', '', 'Hi')
"""
RUN = "INSERT INTO runs VALUES (?, ?, 't1', 'default', 'completed', 1, '', 10, 5, 0, NULL, 1.0)"
ITEM = "INSERT INTO items VALUES ('t1', ?, ?, ?, 1.0, ?)"


def earlier(path: Path) -> None:
    """A file of schema 2: a turn of one message, and one of two that were merged; a call; a person unread."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name in ("0001_initial.sql", "0002_topics.sql"):
            db.executescript(files("assistant_gateway.store").joinpath("schema", name).read_text())
        db.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 2;")
        db.execute(
            "INSERT INTO lanes (id, adapter, tenant, channel, topic, member, next_seq) "
            "VALUES (1, 'fake', 'T1', 'C1', '', '', 4)"
        )
        db.execute("INSERT INTO threads VALUES ('t1', 1, 1, 5, 1.0)")
        for id, into, user in ((1, None, "torn"), (3, None, ANN), (2, 3, ANN)):
            state = "merged_into" if into else "delivered"
            db.execute(MESSAGE, (id, id, state, into, f"m{id}", user))
        for run, message in (("r1", 1), ("r2", 3)):
            db.execute(RUN, (run, message))
            db.execute("INSERT INTO answers VALUES (?, ?, '', 1.0)", (message, ANSWER))
        entries = [("", "in_1"), ("r1", "a1"), ("", "in_2"), ("", "in_3"), ("r2", "a2")]
        for seq, (run, item) in enumerate(entries, 1):
            role = "assistant" if run else "user"
            db.execute(ITEM, (seq, run, item, f'{{"type":"message","role":"{role}","content":"{item}"}}'))
        db.execute("INSERT INTO calls VALUES ('r2', 'c1', 'f', '{}', 'k1', 'done', 1, 'out')")


async def test_an_earlier_thread_can_be_taken_back_and_answered_again(tmp_path: Path) -> None:
    """Its two turns are known as turns, its call and usage are kept, and its answers can be rated."""
    earlier(tmp_path / "gateway.db")
    store = SqliteStore(tmp_path / "gateway.db")
    await store.open()

    standing = await store.standing(LANE)
    (call,) = await store.calls("r2")
    used = [
        await store.thread_usage("t1"),
        await store.tenant_usage("fake", "T1", since=0.0, users=["U1"]),
    ]
    rated = await store.rate(Conversation("fake", "T1", "C1"), User("U1"), "r1", Rating.GOOD, None)
    again = Inbound(Conversation("fake", "T1", "C1"), "m4", User("U1"), "/retry", command=Command.RETRY)
    await store.accept(again, Routed(LANE, "default"), cap=10)
    claim = await store.claim("w", 30)
    assert claim is not None
    run = await store.retry(claim, Run("r3", "t1", "default"))
    left = [item.id for item in await store.items("t1")]
    asked = [message.id for message in await store.question("r3")]
    await store.finish(claim, claim.message.state.DELIVERED)
    undone = [await store.undo(LANE) for _ in range(3)]
    await store.close()

    assert Standing("t1", True, "r2") == standing
    assert ("c1", "out") == (call.call.call_id, call.output)
    assert [Used(2, Usage(20, 10)), Used(1, Usage(10, 5))] == used
    assert rated
    assert run is not None
    assert (["in_1", "a1", "in_2", "in_3"], [2, 3]) == (left, asked)
    assert [Undone.FORGOTTEN, Undone.FORGOTTEN, Undone.NOTHING] == undone
