"""Eight claimers at 500 conversations: each message is taken once, in its order, by nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant_gateway.store.sqlite import SqliteStore
from assistant_gateway.testing.store import Race, fill

LANES, MESSAGES = 500, 24


@pytest.mark.slow
async def test_eight_claimers_never_meet_at_500_conversations(tmp_path: Path) -> None:
    """12,000 messages are claimed exactly once each, in order, and no lane is held by two of them."""
    store = SqliteStore(tmp_path / "gateway.db")
    await store.open()
    await fill(store, LANES, MESSAGES)
    race = Race()

    await race.run(store, claimers=8)
    await store.close()

    assert 0 == race.flaws()
    assert LANES * MESSAGES == len(race.claimed)
