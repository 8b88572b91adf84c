"""Handlers that wait for the run of one message which this process accepts itself."""

from __future__ import annotations

import asyncio

from assistant_gateway.handler import RunHandler
from assistant_gateway.values import Message


class _End(RunHandler):
    """Notices that the run is over for its handlers."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    async def on_end(self) -> None:
        self.reached.set()


class Listeners:
    """By the platform's id of the message, so that they can be there before it is accepted."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str, str], tuple[RunHandler, _End]] = {}

    def attach(self, adapter: str, tenant: str, message_id: str, handler: RunHandler) -> None:
        """Let *handler* follow the run of the message."""
        self._waiting[adapter, tenant, message_id] = (handler, _End())

    def detach(self, adapter: str, tenant: str, message_id: str) -> None:
        """Forget the handler of the message."""
        self._waiting.pop((adapter, tenant, message_id), None)

    def abandon(self) -> None:
        """Nothing more happens in this process: let nobody wait for a last callback."""
        for _, end in self._waiting.values():
            end.reached.set()

    async def ended(self, adapter: str, tenant: str, message_id: str) -> None:
        """Return when the handler has had its last callback, or will have none."""
        await self._waiting[adapter, tenant, message_id][1].reached.wait()

    def of(self, message: Message) -> tuple[RunHandler, ...]:
        """What follows the run of this message."""
        inbound = message.inbound
        key = (inbound.conversation.adapter, inbound.conversation.tenant, inbound.message_id)
        return self._waiting.get(key, ())
