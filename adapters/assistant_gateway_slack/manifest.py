"""
The app's manifest: what Slack must know to let the bot do what it is configured to do.

docs.slack.dev, "App manifest reference", 2026-09-14. Only what this version uses is asked for.
"""

from __future__ import annotations

from assistant_gateway.values import JsonObject, JsonValue
from assistant_gateway_slack.said import EVENT_TYPE
from assistant_gateway_slack.settings import PATH

KINDS = ("channels", "groups", "im", "mpim")
EVENTS = ("app_mention", *(f"message.{kind}" for kind in KINDS), "app_uninstalled", "tokens_revoked")
SCOPES = {
    "app_mentions:read": "mentions would not be heard",
    "chat:write": "it could not answer",
    **{f"{kind}:history": "messages there would not be heard" for kind in KINDS},
    "users:read": "the model would not know people's names, and guests would pass for members",
    "files:read": "files of people would be left out",
    "files:write": "files of answers could not be put into Slack",
    "metadata.message:read": "a post whose outcome was lost is harder to find again",
}


def manifest(*, name: str = "Assistant", url: str = "") -> JsonObject:
    """
    A manifest for Socket Mode, or with *url* (``https://host``) for HTTP.

    The declared metadata lets our own posts come back with their keys: without it Slack strips the
    payload from message events (reported python-slack-sdk#1501).
    """
    address = url.rstrip("/") + PATH if url else ""
    events: dict[str, JsonValue] = {"bot_events": sorted(EVENTS)}
    events["metadata_subscriptions"] = [{"app_id": "*", "event_type": EVENT_TYPE}]
    interactivity: dict[str, JsonValue] = {"is_enabled": True}
    if address:
        events["request_url"] = interactivity["request_url"] = address
    return {
        "display_information": {"name": name, "description": "An AI assistant"},
        "features": {
            "app_home": {"messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
            "bot_user": {"display_name": name, "always_online": True},
        },
        "oauth_config": {"scopes": {"bot": sorted(SCOPES)}},
        "settings": {
            "event_subscriptions": events,
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": not address,
            "token_rotation_enabled": False,
        },
    }
