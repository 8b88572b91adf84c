"""For which workspace a delivery of Slack's is, and whether it ends an installation there."""

from __future__ import annotations

from assistant_gateway.platforms.shapes import Json, number, table, tables, text
from assistant_gateway_slack.installations import Installation

ENDS = frozenset({"app_uninstalled", "tokens_revoked"})  # events: docs.slack.dev, 2026-09-14


def delivered_for(payload: Json) -> list[str]:
    """
    The workspaces that *payload* is for.

    In a channel that is shared with another organisation an event's ``team_id`` may be theirs: who is
    authorised says whose it is. A form may be opened from another workspace than that of the app.
    """
    if payload.get("type") == "event_callback":
        authorised = [text(each.get("team_id")) for each in tables(payload.get("authorizations"))]
        return [team for team in authorised or [text(payload.get("team_id"))] if team]
    installed = text(table(payload.get("view")).get("app_installed_team_id"))
    team = installed or text(table(payload.get("team")).get("id")) or text(payload.get("team_id"))
    return [team] if team else []


def is_the_end(payload: Json, installation: Installation) -> bool:
    """Whether an event ends *installation*, and not only people's own tokens, or an earlier one."""
    event = table(payload.get("event"))
    # The order of the two events is not promised, and one that comes late must not end a new installation.
    if 0 < number(payload.get("event_time")) < int(installation.installed_at):
        return False
    if event.get("type") == "app_uninstalled":
        return True
    bots = table(event.get("tokens")).get("bot")
    if not isinstance(bots, list) or not bots:
        return False
    return installation.me is None or installation.me.user_id in bots
