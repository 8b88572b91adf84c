"""The SQLite store keeps the contract, and does so on real files, real locks, real crashes and full disks."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from assistant_gateway.adapter import Receipt, Verdict
from assistant_gateway.errors import StoreRefused, StoreUnavailable
from assistant_gateway.store import Claim, Store
from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.testing.store import (
    LEASE,
    Race,
    StoreContract,
    accepted,
    claimed,
    fill,
    finish,
    named,
    said,
    take,
)
from assistant_gateway.values import Busy, FileRef, MessageState


async def opened(path: Path, factory: type[sqlite3.Connection] = sqlite3.Connection) -> SqliteStore:
    store = SqliteStore(path, factory=factory)
    await store.open()
    return store


def left_behind(path: Path, to: Path) -> Path:
    """A copy of the files as a process leaves them that dies now."""
    to.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        shutil.copy(path.parent / name, to / name)
    return to / path.name


class TestSqliteStore(StoreContract):
    """The contract on one file."""

    async def make_store(self, place: Path) -> Store:
        return await opened(place / "gateway.db")

    async def next_process(self, store: Store, place: Path) -> Store:
        return await opened(left_behind(place / "gateway.db", place / "after"))


class Careless(SqliteStore):
    """A control: its claims leave the lane free for the next one."""

    async def claim(self, owner: str, lease: float) -> Claim | None:
        return await super().claim(owner, 0.0)


async def test_the_race_finds_a_careless_claim(tmp_path: Path) -> None:
    """With claims that don't hold their lane, the race of 8 claimers counts flaws."""
    store = Careless(tmp_path / "gateway.db")
    await store.open()
    await fill(store, lanes=4, messages=6)
    race = Race()

    await race.run(store, claimers=8)
    await store.close()

    assert race.flaws() > 0


# Crashes


async def accept_for_ever(path: str, name: str) -> None:
    """What the killed process does: accept with 16 callers and say so after each."""
    store = await opened(Path(path))
    numbers = itertools.count()

    async def caller() -> None:
        for n in numbers:
            id = f"{name}.{n}"
            receipt = await take(store, said(id, channel=f"C{n % 20}"), cap=1_000_000)
            assert Verdict.ACCEPTED is receipt.verdict
            os.write(1, f"ack {id}\n".encode())

    await asyncio.gather(*(caller() for _ in range(16)))


async def test_a_killed_process_has_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """5 processes accept as fast as they can and are killed: each acknowledged message is there, once."""
    path = tmp_path / "gateway.db"
    acked: list[str] = []
    for number in range(5):
        process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, str(path), f"r{number}", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while len(acked) < (number + 1) * 200:
                line = (await process.stdout.readline()).decode().split()
                assert line, "the process ended by itself"
                if line[0] == "ack":
                    acked.append(line[1])
        process.send_signal(signal.SIGKILL)
        rest = (await process.stdout.read()).decode().splitlines()
        acked += [line.removeprefix("ack ") for line in rest if line.startswith("ack ")]
        await process.wait()

    store = await opened(path)
    found = [await store.find_message("fake", "T1", id) for id in acked]
    counts = await store.counts()
    await store.close()

    assert None not in found
    assert len(acked) == len(set(acked)) == len({message.id for message in found if message})
    assert counts.messages[MessageState.READY] >= len(acked)


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Neither another process nor another store of this one may open the file; the reason names us."""
    path = tmp_path / "gateway.db"
    store = await opened(path)

    with pytest.raises(StoreRefused, match=f"in use by process {os.getpid()}"):
        await opened(path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, str(path), "second", stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await asyncio.wait_for(process.communicate(), 30)
    await store.ping()
    await store.close()

    assert 1 == process.returncode
    assert f"in use by process {os.getpid()}" in complaint.decode()
    await (await opened(path)).close()


async def test_a_damaged_file_is_refused_after_an_unclean_end(tmp_path: Path) -> None:
    """A dead process's file is looked through: one page of noise, and it is refused with a way out."""
    store = await opened(tmp_path / "gateway.db")
    await fill(store, lanes=20, messages=10)
    await store.close()
    store = await opened(tmp_path / "gateway.db")
    copy = left_behind(tmp_path / "gateway.db", tmp_path / "after")
    await store.close()
    with copy.open("r+b") as file:
        file.seek(4096 * 12)
        file.write(os.urandom(4096))

    with pytest.raises(StoreRefused, match=r"damaged.*restore a backup"):
        await opened(copy)


async def test_a_row_that_cannot_be_read_does_not_stop_its_lane(tmp_path: Path) -> None:
    """Of 4 messages two are unreadable and a count is wrong: the other 2 are answered in order."""
    path = tmp_path / "gateway.db"
    store = await opened(path)
    for n in range(4):
        await take(store, said(f"m{n}"))
    await store.close()
    with closing(sqlite3.connect(path)) as vandal:
        vandal.execute("UPDATE messages SET user = '{' WHERE message_id = 'm0'")
        vandal.execute("UPDATE messages SET busy = 'later' WHERE message_id = 'm2'")
        vandal.execute("UPDATE lanes SET pending = 9")
        vandal.commit()
    store = await opened(path)

    first = await claimed(store)
    await finish(store, first)
    second = await claimed(store)
    await finish(store, second)
    nothing = await store.claim("w", LEASE)
    receipt = await take(store, said("m4"))
    counts = await store.counts()
    await store.close()

    assert ("m1", "m3", None) == (named(first), named(second), nothing)
    assert (2, 0) == (counts.messages[MessageState.DEAD_LETTER], receipt.ahead)


async def test_a_merged_row_that_cannot_be_read_does_not_stop_the_one_that_it_joined(tmp_path: Path) -> None:
    """Of 3 messages that share an answer one is unreadable: the newest is claimed with the other."""
    path = tmp_path / "gateway.db"
    store = await opened(path)
    for n in range(3):
        await take(store, said(f"m{n}"), busy=Busy.MERGE)
    await store.close()
    with closing(sqlite3.connect(path)) as vandal:
        vandal.execute("UPDATE messages SET user = '{' WHERE message_id = 'm0'")
        vandal.commit()
    store = await opened(path)

    claim = await claimed(store)
    merged = await store.merged(claim.message.id)
    await store.close()

    assert "m2" == named(claim)
    assert [["m1"]] * 2 == [[one.inbound.message_id for one in found] for found in (claim.merged, merged)]


# Disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def take_until_full(store: SqliteStore, name: str) -> list[Receipt]:
    """Accept 20 KB messages until 5 groups in a row have failed; the receipts."""
    receipts: list[Receipt] = []
    failures = 0
    for n in range(1000):
        group = (take(store, said(f"{name}.{n}.{i}", text="x" * 20_000), cap=100_000) for i in range(4))
        outcomes = await asyncio.gather(*group, return_exceptions=True)
        receipts += [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
        assert all(isinstance(outcome, Receipt | StoreUnavailable) for outcome in outcomes)
        failures = 0 if receipts[-1:] == outcomes[-1:] else failures + 1
        if failures == 5:
            return receipts
    raise AssertionError("the disk was never full")


async def test_a_full_disk_refuses_and_recovers_by_itself(small_disk: Path, tmp_path: Path) -> None:
    """Nothing is acknowledged that isn't kept, and room is enough to go on: no restart, no damage."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    path = small_disk / "gateway.db"
    store = await opened(path)

    receipts = await take_until_full(store, "before")
    ballast.unlink()
    after = [await take(store, said(f"after.{n}"), cap=100_000) for n in range(10)]
    copy = left_behind(path, tmp_path / "after")
    await store.close()

    store = await opened(copy)
    kept = [await store.message(accepted(receipt).id) for receipt in receipts + after]
    await store.close()
    assert kept == [receipt.message for receipt in receipts + after]
    with closing(sqlite3.connect(copy)) as connection:
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()


async def test_a_file_at_its_limit_refuses_and_recovers_by_itself(tmp_path: Path) -> None:
    """The same where SQLite itself says that the database is full."""

    class Limited(sqlite3.Connection):
        pages = 300

        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if sql == "BEGIN IMMEDIATE":
                super().execute(f"PRAGMA max_page_count = {self.pages}")
            return super().execute(sql, *parameters)  # type: ignore[arg-type]

    store = await opened(tmp_path / "gateway.db", Limited)

    receipts = await take_until_full(store, "before")
    Limited.pages = 10_000
    after = await take(store, said("after"), cap=100_000)
    kept = [await store.message(accepted(receipt).id) for receipt in receipts]
    await store.close()

    assert Verdict.ACCEPTED is after.verdict
    assert kept == [receipt.message for receipt in receipts]


@pytest.mark.parametrize("harm", ["deleted", "replaced", "cut short", "log deleted"])
async def test_a_file_that_is_gone_takes_nothing_in(tmp_path: Path, harm: str) -> None:
    """Deleted, replaced or truncated under our feet: 0 of 20 messages are acknowledged falsely."""
    path = tmp_path / "gateway.db"
    store = await opened(path)
    await fill(store, lanes=10, messages=10)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint")
    await store.ping()
    match harm:
        case "deleted":
            path.unlink()
        case "replaced":
            shutil.copy(path, tmp_path / "copy")
            (tmp_path / "copy").replace(path)
        case "log deleted":
            os.unlink(f"{path}-wal")
        case _:
            os.truncate(path, 8192)

    outcomes = await asyncio.gather(*(take(store, said(f"m{n}")) for n in range(20)), return_exceptions=True)
    await store.close()

    assert [StoreUnavailable] * 20 == [type(outcome) for outcome in outcomes]


async def test_vacuum_by_another_program_is_no_harm(tmp_path: Path) -> None:
    """A file that became shorter and is whole goes on to be written."""
    path = tmp_path / "gateway.db"
    store = await opened(path)
    await store.save_file(FileRef("f1", "a", "b", 0), os.urandom(1 << 20))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA wal_checkpoint")
        await store.ping()
        before = path.stat().st_size
        other.execute("DELETE FROM files")
        other.execute("DELETE FROM blobs")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.execute("VACUUM")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    await store.ping()
    after = path.stat().st_size
    receipt = await take(store, said("m1"))
    await store.close()

    assert after < before
    assert Verdict.ACCEPTED is receipt.verdict


async def test_the_log_stays_small(tmp_path: Path) -> None:
    """1,500 commits of 20 KB with reads in between keep the write-ahead log below 8 MB."""
    path = tmp_path / "gateway.db"
    store = await opened(path)
    largest = 0
    for n in range(1500):
        await store.save_note("test", f"n{n % 50}", {"n": n, "text": "x" * 20_000})
        if n % 100 == 0:
            await store.note("test", "n1")
            largest = max(largest, os.stat(f"{path}-wal").st_size)
    await store.close()

    assert 0 < largest < 8 << 20


async def test_a_log_that_a_reader_held_is_emptied_afterwards(tmp_path: Path) -> None:
    """While another program reads, 80 MB of log gather; the first commit after it leaves cuts them off."""
    path = tmp_path / "gateway.db"
    store = await opened(path)
    await store.ping()
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM notes").fetchall()
    for n in range(8):
        await store.save_file(FileRef(f"f{n}", "a", "b", 0), os.urandom(8_000_000))
    held = os.stat(f"{path}-wal").st_size
    reader.execute("COMMIT")
    reader.close()
    await store.save_file(FileRef("f8", "a", "b", 0), os.urandom(8_000_000))
    await store.ping()
    freed = os.stat(f"{path}-wal").st_size
    await store.close()

    assert held > 60_000_000
    assert freed < 1 << 20


# Visitors


async def test_a_visitor_looks_in_while_the_server_runs(tmp_path: Path) -> None:
    """It reads and resets threads, frees no claim, and its leaving harms nobody."""
    path = tmp_path / "gateway.db"
    store = await opened(path)
    await take(store, said("m1"))
    claim = await claimed(store)
    visitor = SqliteStore(path, visitor=True)
    await visitor.open()

    threads = await visitor.threads(limit=10)
    fresh = await visitor.reset(claim.message.routed.lane)
    await visitor.close()
    await finish(store, claim)
    receipt = await take(store, said("m2"))
    await store.close()

    assert [claim.message.thread_id] == [thread.id for thread in threads]
    assert fresh.id == accepted(receipt).thread_id


async def test_a_visitor_makes_and_upgrades_nothing(tmp_path: Path) -> None:
    """A file that isn't there stays so; one without our schema is refused."""
    path = tmp_path / "gateway.db"
    with pytest.raises(StoreRefused, match="no store"):
        await SqliteStore(path, visitor=True).open()
    assert not path.exists()

    path.touch(mode=0o600)
    with pytest.raises(StoreRefused, match="schema 0"):
        await SqliteStore(path, visitor=True).open()
    assert 0 == path.stat().st_size


if __name__ == "__main__":
    asyncio.run(accept_for_ever(*sys.argv[1:]))
