"""The stores of one test: the first one, and those that later processes find in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from assistant_gateway.store import Store


class MakesStores(Protocol):
    """Whoever knows how a store is made; `StoreContract` says what each verb means."""

    async def make_store(self, place: Path) -> Store: ...

    async def next_process(self, store: Store, place: Path) -> Store: ...


class Stores:
    """The stores of one test."""

    def __init__(self, contract: MakesStores, place: Path) -> None:
        self._contract = contract
        self._place = place
        self._open: list[Store] = []

    async def first(self) -> Store:
        """An open store with nothing in it."""
        return self._keep(await self._contract.make_store(self._place))

    async def after_crash(self, store: Store) -> Store:
        """The open store that the next process finds when *store*'s dies at this moment."""
        return self._keep(await self._contract.next_process(store, self._place))

    async def close(self) -> None:
        for store in self._open:
            await store.close()

    def _keep(self, store: Store) -> Store:
        self._open.append(store)
        return store
