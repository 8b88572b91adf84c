"""
The remote assistant that runs are begun with: the configured one, or one of our own.

Each run brings all that matters, so one assistant serves every thread, every model and every process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

from assistant_gateway.backends.assistants_wire import Wire
from assistant_gateway.backends.connection import Refusal
from assistant_gateway.errors import BackendRefused
from assistant_gateway.values import JsonObject


class Assistant:
    """
    One assistant at the provider.

    Args:
        configured: The id that the settings name; without it, one is found or made when it is needed.
    """

    def __init__(self, wire: Wire, configured: str) -> None:
        self._wire = wire
        self._configured = configured
        self._own = ""
        self._finding = asyncio.Lock()

    async def check(self) -> None:
        """
        See whether the configured one is there.

        Raises:
            Refusal: The provider refuses to tell.
            BackendRefused: It is not.
        """
        if self._configured and not await self._wire.has_assistant(self._configured):
            raise self._missing()

    async def start_run(
        self, thread: str, model: str, body: JsonObject, stack: AsyncExitStack
    ) -> AsyncGenerator[bytes, None]:
        """
        Begin a run; its events as bytes. *stack* closes them. An own assistant that is gone is made anew.

        Raises:
            Refusal: The provider refuses it.
            BackendRefused: The configured assistant is gone.
        """
        assistant = self._configured or await self._find(model)
        try:
            return await self._wire.start_run(thread, {"assistant_id": assistant, **body}, stack)
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            if self._configured:
                if "assistant" in refusal.message.lower():
                    raise self._missing() from refusal
                raise
        assistant = await self._find(model, gone=assistant)
        return await self._wire.start_run(thread, {"assistant_id": assistant, **body}, stack)

    async def _find(self, model: str, *, gone: str = "") -> str:
        async with self._finding:
            if self._own == gone:
                self._own = await (self._wire.make_assistant if gone else self._wire.find_assistant)(model)
            return self._own

    def _missing(self) -> BackendRefused:
        return BackendRefused(
            f"the provider has no assistant {self._configured}: check assistant_id of the backend"
        )
