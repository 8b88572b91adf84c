"""
What people do with buttons, commands and shortcuts, as the app is told of it.

docs.slack.dev, "Handling user interaction" and the payloads' pages, 2026-09-14. A `trigger_id` lives 3 s and
works once; a `response_url` takes 5 posts in 30 minutes.
"""

from __future__ import annotations

import secrets

from emulators.shapes import Json, record, records, string
from emulators.slack import sizes
from emulators.slack.payloads import message_json
from emulators.slack.service import ResponseUrl, Service
from emulators.slack.world import Channel, Installation, Message, User


def trigger(service: Service, installation: Installation, user: User) -> str:
    """A new trigger_id."""
    made = f"{secrets.randbits(40)}.{secrets.token_hex(16)}"
    service.triggers[made] = (installation.app.id, user.id, service.clock.now())
    return made


def response_url(
    service: Service, installation: Installation, channel: Channel, user: User, message: Message | None
) -> str:
    """A new response_url."""
    secret = secrets.token_hex(16)
    until = service.clock.now() + sizes.RESPONSE_SECONDS
    root, ts = (message.root, message.ts) if message is not None else ("", "")
    known = ResponseUrl(installation, channel.id, user.id, until, root, ts)
    service.response_urls[secret] = known
    return f"{service.base_url}/actions/{secret}"


def _common(service: Service, installation: Installation, user: User) -> Json:
    workspace = service.world.workspaces[installation.team_id]
    return {
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": installation.app.id,
        "token": "emulator-verification-token",
        "trigger_id": trigger(service, installation, user),
        "team": {"id": workspace.id, "domain": workspace.name.lower()},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def block_actions(
    service: Service,
    installation: Installation,
    channel: Channel,
    message: Message,
    user: User,
    action: Json,
) -> Json:
    """A click on an element of a message."""
    container: Json = {"type": "message", "message_ts": message.ts, "channel_id": channel.id}
    container["is_ephemeral"] = bool(message.ephemeral_to)
    if message.root:
        container["thread_ts"] = message.root
    told = _common(service, installation, user) | {"type": "block_actions", "container": container}
    told |= {"channel": {"id": channel.id, "name": channel.name or "directmessage"}, "state": {"values": {}}}
    if not message.ephemeral_to:
        told["message"] = message_json(service.world, message, base_url=service.base_url)
    told["response_url"] = response_url(service, installation, channel, user, message)
    return told | {"actions": [action]}


def find_action(service: Service, message: Message, action_id: str, value: str | None) -> Json:
    """
    The action of a click; *value* picks a side of feedback buttons, or is forged.

    Raises:
        LookupError: The message has no such element.
    """
    for block in message.blocks:
        elements = [*records(block.get("elements")), record(block.get("accessory"))]
        for element in elements:
            if element.get("action_id") != action_id:
                continue
            button = element
            if element.get("type") == "feedback_buttons":
                sides = [record(element.get(f"{side}_button")) for side in ("positive", "negative")]
                button = next((side for side in sides if side.get("value") == value), sides[0])
            return {
                "action_id": action_id,
                "block_id": string(block.get("block_id")),
                "type": element.get("type"),
                "text": button.get("text"),
                "value": button.get("value") if value is None else value,
                "action_ts": service.world.mint_ts(service.clock.now()),
            }
    raise LookupError(f"no element {action_id!r} in message {message.ts}")


def message_shortcut(
    service: Service,
    installation: Installation,
    channel: Channel,
    message: Message,
    user: User,
    callback_id: str,
) -> Json:
    """A shortcut that was chosen on a message."""
    told = _common(service, installation, user) | {"type": "message_action", "callback_id": callback_id}
    told |= {"action_ts": service.world.mint_ts(service.clock.now()), "message_ts": message.ts}
    told |= {"channel": {"id": channel.id, "name": channel.name or "directmessage"}}
    told["message"] = message_json(service.world, message, base_url=service.base_url)
    told["response_url"] = response_url(service, installation, channel, user, message)
    return told


def view_submission(
    service: Service, installation: Installation, user: User, view: Json, values: Json
) -> Json:
    """A dialog that was sent off with *values*: block id, action id, then the element's state."""
    filled = {**view, "state": {"values": values}}
    return _common(service, installation, user) | {
        "type": "view_submission",
        "view": filled,
        "response_urls": [],
    }


def slash_command(
    service: Service, installation: Installation, channel: Channel, user: User, command: str, text: str
) -> Json:
    """A slash command; commands do not work in threads."""
    workspace = service.world.workspaces[installation.team_id]
    return {
        "token": "emulator-verification-token",
        "team_id": workspace.id,
        "team_domain": workspace.name.lower(),
        "channel_id": channel.id,
        "channel_name": channel.name or "directmessage",
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": installation.app.id,
        "is_enterprise_install": "false",
        "response_url": response_url(service, installation, channel, user, None),
        "trigger_id": trigger(service, installation, user),
    }
