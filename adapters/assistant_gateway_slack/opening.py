"""Opening a dialog: a trigger lives 3 seconds and works once (docs.slack.dev, "Modals", 2026-09-14)."""

from __future__ import annotations

import asyncio

import structlog

from assistant_gateway.errors import AdapterError
from assistant_gateway.values import JsonObject
from assistant_gateway_slack.web import Web

PATIENCE = 1.5  # seconds


async def open_dialog(web: Web, trigger_id: str, dialog: JsonObject) -> None:
    """Open *dialog*, if Slack does so in time; nothing depends on it."""
    try:
        async with asyncio.timeout(PATIENCE):
            await web.write("views.open", {"trigger_id": trigger_id, "view": dialog}, once=True)
    except (AdapterError, TimeoutError) as error:
        structlog.get_logger().warning("slack.dialog_failed", error=str(error) or "timeout")
