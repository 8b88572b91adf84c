"""The statements: each named, each used, and none of them slower the longer the gateway runs."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from importlib.resources import files

import pytest

from assistant_gateway.store import queries

STATEMENTS = queries.load("sqlite.sql")
# Few rows by nature: lanes with waiting messages, live runs, nine states, deliveries and feedback for
# people's eyes.
BOUNDED = {"lanes_waiting", "runs_one_live_per_thread", "deliveries_newest", "deliveries_by_state"}
BOUNDED |= {"feedback_newest", "runs_open"}
SMALL = ("SCAN f", "SCAN message_counts", "SCAN json_each")  # of one message; nine; of one parameter


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    schema = files("assistant_gateway.store").joinpath("schema")
    for script in sorted(entry.name for entry in schema.iterdir()):
        connection.executescript(schema.joinpath(script).read_text(encoding="utf-8"))
    yield connection
    connection.close()


def test_every_statement_has_a_name_and_a_sentence() -> None:
    """No statement of the file escapes the loader."""
    text = files("assistant_gateway.store").joinpath("sqlite.sql").read_text(encoding="utf-8")

    assert text.count("-- name: ") == len(STATEMENTS)
    assert len(re.findall(r";$", text, re.MULTILINE)) == len(STATEMENTS)


def test_every_statement_is_used() -> None:
    """Each name appears in the code, and each name in the code is a statement."""
    package = files("assistant_gateway.store")
    code = "".join(
        entry.read_text(encoding="utf-8") for entry in package.iterdir() if entry.name.endswith(".py")
    )
    called = set(re.findall(r"db\.(?:run|all|one|value)\(\s*\"(\w+)\"", code))

    assert set(STATEMENTS) == called


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_whole_table(name: str, database: sqlite3.Connection) -> None:
    """Each finds its rows through an index, or scans one that holds few rows by its nature."""
    values = dict.fromkeys(re.findall(r":(\w+)", STATEMENTS[name]))

    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", values)]

    scans = [step for step in plan if step.startswith("SCAN") and not step.startswith(SMALL)]
    assert all(any(step.endswith(index) for index in BOUNDED) for step in scans), plan


def test_the_database_refuses_what_must_never_happen(database: sqlite3.Connection) -> None:
    """Two live messages in a lane, two live runs on a thread, two current threads, a negative count."""
    database.executescript(
        """
        INSERT INTO lanes (id, adapter, tenant, channel, topic, member) VALUES (1, 'a', 't', 'c', '', '');
        INSERT INTO threads (id, lane_id, is_current, created_at) VALUES ('t1', 1, 1, 0);
        """
    )
    message = (
        "INSERT INTO messages (lane_id, seq, state, thread_id, accepted_at, adapter, tenant, channel, topic, "
        "message_id, fingerprint, user, keys, metadata, reply_to, assistant, busy, route_instructions, "
        "instructions, text) "
        "VALUES (1, {}, '{}', 't1', 0, 'a', 't', 'c', '', 'm', '', '', '', '', '', '', '', '', '', '')"
    )
    run = (
        "INSERT INTO runs (id, message, thread_id, assistant, status, attempt, model, input_tokens, "
        "output_tokens, cached_tokens, created_at) "
        "VALUES ('r{}', {}, 't1', 'a', 'in_progress', 1, '', 0, 0, 0, 0)"
    )
    database.execute(message.format(1, "claimed"))
    database.execute(message.format(2, "ready"))
    database.execute(run.format(1, 1))

    for refused in (
        message.format(3, "answering"),
        message.format(2, "ready"),
        message.format(4, "unheard_of"),
        "UPDATE messages SET state = 'final_ready' WHERE seq = 2",
        "UPDATE lanes SET pending = -1",
        run.format(2, 2),
        run.format(3, 1),
        "INSERT INTO threads (id, lane_id, is_current, created_at) VALUES ('t2', 1, 1, 0)",
        "INSERT INTO lanes (adapter, tenant, channel, topic, member) VALUES ('a', 't', 'c', '', '')",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            database.execute(refused)


def test_counts_follow_every_change(database: sqlite3.Connection) -> None:
    """The counts that are kept equal the counts that counting gives, after inserts, moves and deletions."""
    test_the_database_refuses_what_must_never_happen(database)
    database.execute("UPDATE messages SET state = 'delivered' WHERE seq = 1")
    database.execute("DELETE FROM messages WHERE seq = 2")

    kept = dict(database.execute("SELECT state, n FROM message_counts WHERE n <> 0"))

    assert {"delivered": 1} == kept
