"""
What Slack delivers, in either mode: first to disk, then acknowledged; what is none of ours, by Bolt.

Bolt alone would acknowledge a message before it is kept. A message that can't be kept is not
acknowledged, and Slack sends it again: at once, after a minute and after five.
"""

from __future__ import annotations

import structlog

from assistant_gateway.adapter import Intake
from assistant_gateway.errors import StoreUnavailable
from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway_slack.agent import EVENTS, Agent
from assistant_gateway_slack.bolt import TAKEN, Acknowledgement, Bolt
from assistant_gateway_slack.ears import Ears
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.interactions import Interactions
from assistant_gateway_slack.web import Web

ENDED = frozenset({"app_uninstalled", "tokens_revoked"})


class Reception:
    """Takes verified payloads."""

    def __init__(self, web: Web, ears: Ears, agent: Agent, interactions: Interactions, bolt: Bolt) -> None:
        self._web = web
        self._ears = ears
        self._agent = agent
        self._interactions = interactions
        self._bolt = bolt
        self._log = structlog.get_logger()

    async def take(self, payload: Json, intake: Intake) -> Acknowledgement:
        """
        Take *payload* in; how Slack is answered. Nothing that Slack sends is answered with an error.

        Raises:
            StoreUnavailable: It could not be kept; Slack must send it again.
        """
        me = self._web.known_identity
        if me is None:
            raise StoreUnavailable("not connected to Slack yet")
        if payload.get("type") == "app_rate_limited":
            self._log.error("slack.events_rate_limited", team=text(payload.get("team_id"))[:100])
            return TAKEN
        if payload.get("type") == "event_callback":
            return await self._take_event(payload, me, intake)
        if not _is_from(payload, me):
            self._log.warning("slack.ignored", reason="of an installation that is not ours")
            return TAKEN
        answer = await self._interactions.take(payload, me, intake) or await self._bolt.answer(payload)
        return answer if answer.status == 200 else TAKEN

    async def _take_event(self, payload: Json, me: Identity, intake: Intake) -> Acknowledgement:
        kind = text(table(payload.get("event")).get("type"))
        if kind in EVENTS:
            await self._agent.hear(payload, me, intake)
        else:
            await self._ears.hear(payload, me, intake)
        if kind in ENDED:
            self._log.error("slack.installation_ended", kind=kind)
        if kind:
            await self._bolt.answer(payload)
        return TAKEN


def _is_from(payload: Json, me: Identity) -> bool:
    """Whether a click, a form or a command comes from our workspace."""
    team = text(table(payload.get("team")).get("id")) or text(payload.get("team_id"))
    return team in ("", me.team_id)
