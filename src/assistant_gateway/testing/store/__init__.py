"""
Test a store against the contract: the promises that every store keeps, as a suite for pytest.

Subclass `StoreContract`, say how your store is made, and pytest (with pytest-asyncio) runs it:

    class TestMyStore(StoreContract):
        async def make_store(self, place: Path) -> Store: ...
        async def next_process(self, store: Store, place: Path) -> Store: ...

Clocks aren't touched: a lease of 0 seconds has run out as soon as it is given. For readable failures,
call ``pytest.register_assert_rewrite("assistant_gateway.testing.store")`` before the import.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from assistant_gateway.store import Store
from assistant_gateway.testing.store.answers import AnswerPromises
from assistant_gateway.testing.store.busy import BusyPromises
from assistant_gateway.testing.store.claims import ClaimPromises
from assistant_gateway.testing.store.commands import CommandPromises
from assistant_gateway.testing.store.edits import EditPromises
from assistant_gateway.testing.store.feedback import FeedbackPromises
from assistant_gateway.testing.store.files import FilePromises
from assistant_gateway.testing.store.intake import IntakePromises
from assistant_gateway.testing.store.ledger import LedgerPromises
from assistant_gateway.testing.store.outbox import OutboxPromises
from assistant_gateway.testing.store.race import Race
from assistant_gateway.testing.store.restart import RestartPromises
from assistant_gateway.testing.store.samples import (
    CAP,
    LEASE,
    accepted,
    accepted_or_known,
    begin,
    claimed,
    fill,
    finish,
    item,
    named,
    routed,
    said,
    take,
)
from assistant_gateway.testing.store.stores import Stores
from assistant_gateway.testing.store.summaries import SummaryPromises
from assistant_gateway.testing.store.threads import ThreadPromises
from assistant_gateway.testing.store.turns import TurnPromises
from assistant_gateway.testing.store.upkeep import UpkeepPromises


class StoreContract(
    # pytest runs the tests of the last base first: read them from below.
    UpkeepPromises,
    OutboxPromises,
    FilePromises,
    FeedbackPromises,
    EditPromises,
    TurnPromises,
    CommandPromises,
    LedgerPromises,
    SummaryPromises,
    ThreadPromises,
    RestartPromises,
    AnswerPromises,
    BusyPromises,
    ClaimPromises,
    IntakePromises,
):
    """What every store promises. *lanes* and *messages* are the size of the race of the claimers."""

    pytestmark = pytest.mark.asyncio
    lanes = 50
    messages = 24

    async def make_store(self, place: Path) -> Store:
        """An open store with nothing in it; *place* is a directory for this test alone."""
        raise NotImplementedError

    async def next_process(self, store: Store, place: Path) -> Store:
        """The open store that a new process finds when the one of *store* is killed now."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def stores(self, tmp_path: Path) -> AsyncIterator[Stores]:
        stores = Stores(self, tmp_path)
        yield stores
        await stores.close()

    @pytest_asyncio.fixture
    async def store(self, stores: Stores) -> Store:
        return await stores.first()


__all__ = [
    "CAP",
    "LEASE",
    "Race",
    "StoreContract",
    "Stores",
    "accepted",
    "accepted_or_known",
    "begin",
    "claimed",
    "fill",
    "finish",
    "item",
    "named",
    "routed",
    "said",
    "take",
]
