"""What people do with buttons, dialogs, the shortcut and the slash command, and who takes it."""

from __future__ import annotations

from assistant_gateway.adapter import Intake
from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway_slack import dialogs
from assistant_gateway_slack.bolt import Acknowledgement
from assistant_gateway_slack.clicks import Clicks
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.shortcut import Shortcut
from assistant_gateway_slack.slash import Slash


class Interactions:
    """Everything of one workspace that is no event."""

    def __init__(self, clicks: Clicks, slash: Slash, shortcut: Shortcut) -> None:
        self._clicks = clicks
        self._slash = slash
        self._shortcut = shortcut

    async def take(self, payload: Json, me: Identity, intake: Intake) -> Acknowledgement | None:
        """
        Take *payload*; how Slack is answered, None where it is nothing of ours.

        Raises:
            StoreUnavailable: It could not be kept; its person sees that it failed.
        """
        if "command" in payload:
            return await self._slash.take(payload, me, intake)
        view = table(payload.get("view"))
        match payload.get("type"), text(payload.get("callback_id")) or text(view.get("callback_id")):
            case "block_actions", _:
                return await self._clicks.press(payload, me, intake)
            case "message_action", dialogs.ASK:
                return await self._shortcut.open(payload, me)
            case "view_submission", dialogs.ASK:
                return await self._shortcut.submit(view, payload, me, intake)
            case "view_submission", dialogs.COMMENT:
                return await self._clicks.comment(view, payload, me, intake)
        return None
