"""
Things as Slack shows them in JSON: messages, people, channels, files.

Shapes: docs.slack.dev, "message event" and "Objects", 2026-09-14; fields of bots, streams and sessions as in
a Socket Mode capture of 2026-09-26.
"""

from __future__ import annotations

from emulators.shapes import Json
from emulators.slack.world import App, Channel, File, Installation, Message, Session, User, Workspace, World

CHANNEL_TYPES = {"public": "channel", "private": "group", "im": "im", "mpim": "mpim"}


def message_json(
    world: World, message: Message, *, base_url: str, metadata: bool = False, reader: App | None = None
) -> Json:
    """
    *message* as history, answers and events show it.

    Args:
        metadata: Whether the payload of its metadata is shown (`include_all_metadata`).
        reader: For events: the app whose manifest decides that instead.
    """
    channel = world.channels[message.channel]
    if message.subtype == "tombstone":
        told: Json = {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "ts": message.ts}
        told |= {"text": "This message was deleted.", "hidden": True}
    else:
        told = {"type": "message", "user": message.user, "ts": message.ts, "text": message.text}
        told["team"] = world.users[message.user].team_id
        if message.subtype or message.broadcast:
            told["subtype"] = message.subtype or "thread_broadcast"
        if message.client_msg_id:
            told["client_msg_id"] = message.client_msg_id
        if message.blocks:
            told["blocks"] = message.blocks
        if message.attachments:
            told["attachments"] = message.attachments
        if message.files:
            told["files"] = [file_json(file, base_url=base_url) for file in message.files]
            told["upload"] = message.subtype == "file_share"
        if message.edited_at:
            told["edited"] = {"user": message.user, "ts": message.edited_at}
        if message.reactions:
            told["reactions"] = [
                {"name": name, "users": users, "count": len(users)}
                for name, users in message.reactions.items()
            ]
    if message.installation is not None and message.subtype != "tombstone":
        told |= bot_fields(message.installation)
        if message.username:
            told["username"] = message.username
    if message.stream is not None:
        told["streaming_state"] = "in_progress" if message.stream.state == "in_progress" else "completed"
    if message.metadata:
        told["metadata"] = metadata_json(message, whole=metadata, reader=reader)
    told |= thread_fields(world, channel, message)
    return told


def metadata_json(message: Message, *, whole: bool, reader: App | None) -> Json:
    """
    A message's metadata.

    Message events leave `event_payload` out unless the manifest declares the type; `event_type` comes
    through: reported python-slack-sdk#1501.
    """
    kind = message.metadata.get("event_type")
    if whole or (reader is not None and kind in reader.manifest.metadata_events):
        return dict(message.metadata)
    return {"event_type": kind}


def bot_fields(installation: Installation) -> Json:
    """What marks a bot's message: no subtype, but `bot_id`, `app_id` and `bot_profile` (capture)."""
    profile = {
        "id": installation.bot_id,
        "app_id": installation.app.id,
        "name": installation.app.name,
        "team_id": installation.team_id,
        "deleted": False,
        "updated": 1_790_000_000,
    }
    return {"bot_id": installation.bot_id, "app_id": installation.app.id, "bot_profile": profile}


def thread_fields(world: World, channel: Channel, message: Message) -> Json:
    """What a message says about its thread and its session."""
    if message.root:
        told: Json = {"thread_ts": message.root}
        root = channel.messages.get(message.root)
        return told if root is None else told | {"parent_user_id": root.user}
    told = {}
    replies = world.thread(channel, message.ts)
    if replies:
        people = list(dict.fromkeys(reply.user for reply in replies))
        told |= {"thread_ts": message.ts, "reply_count": len(replies), "reply_users": people[:5]}
        told |= {"reply_users_count": len(people), "latest_reply": replies[-1].ts, "is_locked": False}
        told["subscribed"] = bool(message.subscribed)
    keys = [(app_id, channel.id, message.ts) for app_id in world.apps]
    sessions = [world.sessions[key] for key in keys if key in world.sessions]
    if sessions:
        told["agent_session"] = session_json(sessions)
    return told


def session_json(sessions: list[Session]) -> Json:
    """The sessions of a thread, one for each agent, as its root shows them (capture)."""
    return {
        "status": sessions[-1].status,
        "title": sessions[-1].title,
        "agent_bot_user_ids": [session.bot_user_id for session in sessions],
        "date_status_processing_expire": max((int(session.until or 0) for session in sessions), default=0),
        "agent_statuses": [
            {"bot_user_id": session.bot_user_id, "status": session.status} for session in sessions
        ],
    }


def user_json(user: User) -> Json:
    """A user as `users.info` shows them."""
    return {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.name,
        "real_name": user.real_name or user.name,
        "deleted": user.deleted,
        "tz": user.tz,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "is_admin": False,
        "is_owner": False,
        "is_restricted": bool(user.guest),
        "is_ultra_restricted": user.guest == "single_channel",
        "profile": {"real_name": user.real_name or user.name, "display_name": user.name},
    }


def channel_json(channel: Channel, reader: str) -> Json:
    """A channel as `conversations.info` shows it to the user *reader*."""
    told: Json = {
        "id": channel.id,
        "is_archived": channel.is_archived,
        "is_channel": channel.kind == "public",
        "is_group": channel.kind == "private",
        "is_im": channel.kind == "im",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "public",
        "is_shared": bool(channel.connected),
        "is_ext_shared": bool(channel.connected),
        "context_team_id": channel.team_id,
    }
    if channel.kind == "im":
        return told | {"user": next(iter(channel.members - {reader}), reader)}
    return told | {"name": channel.name, "is_member": reader in channel.members, "is_general": False}


def file_json(file: File, *, base_url: str) -> Json:
    """A file as messages and `files.info` show it; its addresses want the bot's token."""
    address = f"{base_url}/files-pri/{file.team_id}-{file.id}"
    told: Json = {
        "id": file.id,
        "created": file.created,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.mimetype,
        "filetype": file.name.rpartition(".")[2] or "binary",
        "user": file.user,
        "user_team": file.team_id,
        "mode": "hosted",
        "size": file.length,
        "is_external": False,
        "file_access": "visible",
    }
    if file.completed:
        told |= {"url_private": f"{address}/name", "url_private_download": f"{address}/download/name"}
    if file.shares:
        told["shares"] = {"public": {c: [{"ts": ts} for ts in all_ts] for c, all_ts in file.shares.items()}}
    return told


def team_json(workspace: Workspace) -> Json:
    """A workspace as `team.info` shows it."""
    told: Json = {"id": workspace.id, "name": workspace.name, "domain": workspace.name.lower()}
    if workspace.enterprise_id:
        told["enterprise_id"] = workspace.enterprise_id
    return told
