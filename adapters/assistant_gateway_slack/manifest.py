"""
The app's manifest: what Slack must know to let the bot do what it is configured to do.

docs.slack.dev, "App manifest reference", 2026-09-14. Only what this version uses is asked for.
"""

from __future__ import annotations

from assistant_gateway.values import JsonObject, JsonValue
from assistant_gateway_slack.dialogs import ASK
from assistant_gateway_slack.said import EVENT_TYPE
from assistant_gateway_slack.sessions import titled
from assistant_gateway_slack.settings import PATH, REDIRECT_PATH, SlackFeatures

KINDS = ("channels", "groups", "im", "mpim")
DESCRIPTION = "An AI assistant"


def scopes(features: SlackFeatures) -> dict[str, str]:
    """The bot's scopes, each with what is missing without it."""
    wanted = {
        "app_mentions:read": "mentions would not be heard",
        "chat:write": "it could not answer",
        **{f"{kind}:history": "messages there would not be heard" for kind in KINDS},
        "commands": "there would be no slash command and no “Ask about this”",
        "users:read": "the model would not know people's names, and everybody would pass for a guest",
        "files:read": "files of people would be left out",
        "files:write": "files of answers could not be put into Slack",
        "metadata.message:read": "a post whose outcome was lost is harder to find again",
    }
    if features.view != "none":
        wanted["assistant:write"] = "nothing could be suggested, and no title or status shown"
    return wanted


def events(features: SlackFeatures) -> list[str]:
    """The events that it hears."""
    heard = ["app_mention", *(f"message.{kind}" for kind in KINDS), "app_uninstalled", "tokens_revoked"]
    match features.view:
        case "agent":
            heard += ["agent_session_stopped", "app_context_changed", "app_home_opened"]
        case "assistant":
            heard += ["assistant_thread_context_changed", "assistant_thread_started"]
    return sorted(heard)


def manifest(features: SlackFeatures, *, name: str = "Assistant", url: str = "") -> JsonObject:
    """
    A manifest for Socket Mode, or with *url* (``https://host``) for HTTP.

    The declared metadata lets our own posts come back with their keys: without it Slack strips the
    payload from message events (reported python-slack-sdk#1501).
    """
    request: JsonObject = {"request_url": url.rstrip("/") + PATH} if url else {}
    back = features.public_url
    redirect: JsonObject = {"redirect_urls": [f"{back}{REDIRECT_PATH}"]} if back else {}
    heard: list[JsonValue] = [*events(features)]
    subscribed: list[JsonValue] = [{"app_id": "*", "event_type": EVENT_TYPE}]
    return {
        "display_information": {"name": name, "description": DESCRIPTION},
        "features": {
            "app_home": {"messages_tab_enabled": True, "messages_tab_read_only_enabled": False},
            "bot_user": {"display_name": name, "always_online": True},
            **_view(features),
            **_commands(features, url),
            "shortcuts": [
                {
                    "name": "Ask about this",
                    "type": "message",
                    "callback_id": ASK,
                    "description": "Ask the assistant about a message",
                }
            ],
        },
        "oauth_config": {**redirect, "scopes": {"bot": sorted(scopes(features))}},
        "settings": {
            "event_subscriptions": {"bot_events": heard, "metadata_subscriptions": subscribed, **request},
            "interactivity": {"is_enabled": True, **request},
            "org_deploy_enabled": False,
            "socket_mode_enabled": not url,
            "token_rotation_enabled": False,
        },
    }


def _view(features: SlackFeatures) -> JsonObject:
    prompts: list[JsonValue] = [{"title": titled(each), "message": each} for each in features.prompts]
    suggested: JsonObject = {"suggested_prompts": prompts} if prompts else {}
    match features.view:
        case "agent":
            return {"agent_view": {"agent_description": DESCRIPTION, **suggested}}
        case "assistant":
            return {"assistant_view": {"assistant_description": DESCRIPTION, **suggested}}
    return {}


def _commands(features: SlackFeatures, url: str) -> JsonObject:
    if not features.command:
        return {}
    command: dict[str, JsonValue] = {
        "command": features.command,
        "description": "Ask the assistant",
        "usage_hint": "[question] or reset, stop, retry, undo, usage, help",
        "should_escape": True,  # people and channels come as ids
    }
    if url:
        command["url"] = url.rstrip("/") + PATH
    return {"slash_commands": [command]}
