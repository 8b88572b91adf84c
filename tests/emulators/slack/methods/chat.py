"""
Posting, editing and deleting: `chat.postMessage`, `.update`, `.delete`, `.postEphemeral`, `.getPermalink`.

Sizes, errors and defaults: the methods' pages on docs.slack.dev, 2026-08-20.
"""

from __future__ import annotations

from emulators.shapes import Json
from emulators.slack import posting, sizes
from emulators.slack.blocks import Piece
from emulators.slack.methods.agents import cleared_status
from emulators.slack.methods.caller import TS, Caller, Method
from emulators.slack.methods.content import Said, said_in
from emulators.slack.payloads import message_json
from emulators.slack.refusal import Refusal
from emulators.slack.world import Channel, Message


def root_in(caller: Caller, channel: Channel) -> str:
    """
    The thread that was named; empty where there is none like it.

    A root that is deleted or unknown, or no root, is no refusal: the message lands in the channel with
    `ok: true` (reported slack-go#1571, 2026-07-10, daimon#113, 2026-08-24; that a reply's ts does the
    same is assumed: the page only says not to use it).

    Raises:
        Refusal: `invalid_thread_ts`.
    """
    ts = caller.arguments.text("thread_ts")
    if not ts:
        return ""
    # A float loses digits of the ts: reported python-slack-sdk#840.
    if not TS.fullmatch(ts) or not isinstance(caller.arguments.values["thread_ts"], str):
        raise Refusal("invalid_thread_ts")
    root = channel.messages.get(ts)
    return ts if root is not None and root.deleted_at is None and not root.root else ""


def new_message(caller: Caller, channel: Channel, said: Said, root: str, text: str | None = None) -> Message:
    """A message of the bot; *text* instead of what was said for a part of it."""
    return Message(
        ts=caller.service.world.mint_ts(caller.now),
        channel=channel.id,
        user=caller.bot.bot_user_id,
        text=said.text if text is None else text,
        via=caller.method,
        installation=caller.bot,
        root=root,
        blocks=said.blocks or [],
        attachments=said.attachments or [],
        metadata=said.metadata or {},
        username=caller.arguments.text("username"),
    )


def check_customized(caller: Caller) -> None:
    """
    A name or icon of its own needs a scope.

    Raises:
        Refusal: `missing_scope`.
    """
    custom = any(caller.arguments.text(name) for name in ("username", "icon_emoji", "icon_url"))
    if custom and "chat:write.customize" not in caller.bot.scopes:
        provided = ",".join(sorted(caller.bot.scopes))
        raise Refusal("missing_scope", needed="chat:write.customize", provided=provided)


def answer(caller: Caller, channel: Channel, message: Message, **more: object) -> Json:
    """The answer of a call that made or changed *message*."""
    told = message_json(caller.service.world, message, base_url=caller.service.base_url, metadata=True)
    return {"ok": True, "channel": channel.id, "ts": message.ts, "message": told, **more}


async def post_message(caller: Caller) -> Json:
    """`chat.postMessage`: there is no key that would make a repeat safe (slack-api-specs#10)."""
    service = caller.service
    channel = caller.writable()
    check_customized(caller)
    said = said_in(caller.arguments, service.world.mint("B"), parse="none")
    root = root_in(caller, channel)
    warnings: list[str] = []
    if len(said.text) > sizes.POST_CUT:
        warnings.append("message_truncated")
    if not said.text and said.blocks:
        warnings.append("missing_text_in_message")
    parts = _parts(caller, said)
    posted: list[Message] = []
    for index, part in enumerate(parts):
        message = new_message(caller, channel, said, root, part)
        if index:
            message.blocks, message.attachments, message.metadata = [], [], {}
        message.broadcast = bool(root) and caller.arguments.flag("reply_broadcast") and not index
        shown = said.shown if len(parts) == 1 else (Piece("mrkdwn", part),)
        posting.unfurl(message, shown, wanted=said.unfurls)
        posting.show(service, message, shown, caller.method, names=said.names)
        posting.place(service, channel, message)
        posted.append(message)
    cleared_status(caller, channel, root)
    told = answer(caller, channel, posted[0])
    if warnings:
        told |= {"warning": ",".join(warnings), "response_metadata": {"warnings": warnings}}
    return told


def _parts(caller: Caller, said: Said) -> list[str]:
    text = said.text[: sizes.POST_CUT]
    if not caller.service.splits_long_text or said.blocks or len(text) <= sizes.POST_SPLIT:
        return [text]
    return [text[start : start + sizes.POST_SPLIT] for start in range(0, len(text), sizes.POST_SPLIT)]


async def post_ephemeral(caller: Caller) -> Json:
    """`chat.postEphemeral`: only one person sees it, and nobody after a reload."""
    service = caller.service
    channel = caller.writable()
    user = caller.arguments.required("user")
    if user not in channel.members:
        raise Refusal("user_not_in_channel")
    said = said_in(caller.arguments, service.world.mint("B"), parse="none")
    message = new_message(caller, channel, said, root_in(caller, channel))
    message.ephemeral_to = user
    posting.show(service, message, said.shown, caller.method, viewers=(user,), loud=False)
    service.world.ephemerals.append(message)
    return {"ok": True, "message_ts": message.ts}


async def update(caller: Caller) -> Json:
    """
    `chat.update`.

    `text` without `blocks` removes the blocks; attachments and metadata stay unless given empty; `parse`
    and `link_names` fall back to `client` and `none` on every edit. Whether `unfurl_*` is honoured is
    unknown: an edit without both counts as fetched (assumed).
    """
    service = caller.service
    channel = caller.channel()
    if channel.is_archived:
        raise Refusal("is_inactive")
    message = caller.message(channel)
    if message.installation is not caller.bot or message.ephemeral_to:
        raise Refusal("cant_update_message")
    if message.stream is not None and message.stream.state == "in_progress":
        raise Refusal("streaming_state_conflict")
    window = service.world.workspaces[caller.bot.team_id].edit_window
    if window is not None and caller.now - float(message.ts) > window:
        raise Refusal("edit_window_closed")
    if len(caller.arguments.text("text")) > sizes.UPDATE_TEXT:
        raise Refusal("msg_too_long")
    said = said_in(caller.arguments, service.world.mint("B"), parse="client")
    before = posting.previous(service, message)
    old_links = set(message.unfurled)
    message.text = said.text
    message.blocks = said.blocks or []
    if said.attachments is not None:
        message.attachments = said.attachments
    if said.metadata is not None:
        message.metadata = said.metadata
    message.stream = None  # a broken pill goes with an edit
    if said.blocks is None:
        message.edited_at = service.world.mint_ts(caller.now)
    posting.unfurl(message, said.shown, wanted=said.unfurls)
    message.unfurled |= old_links
    posting.show(service, message, said.shown, caller.method, names=said.names)
    posting.changed(service, channel, message, before)
    return answer(caller, channel, message, text=message.text)


async def delete(caller: Caller) -> Json:
    """`chat.delete`: a bot deletes only what it posted."""
    channel = caller.channel()
    message = caller.message(channel)
    if message.installation is not caller.bot:
        raise Refusal("cant_delete_message")
    posting.remove(caller.service, channel, message, caller.method)
    return {"ok": True, "channel": channel.id, "ts": message.ts}


async def get_permalink(caller: Caller) -> Json:
    """`chat.getPermalink`."""
    channel = caller.channel()
    message = caller.message(channel, "message_ts")
    link = f"{caller.service.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    return {"ok": True, "channel": channel.id, "permalink": link}


METHODS = {
    "chat.postMessage": Method(post_message, scopes=("chat:write",)),
    "chat.postEphemeral": Method(post_ephemeral, 4, ("chat:write",)),
    "chat.update": Method(update, 3, ("chat:write",)),
    "chat.delete": Method(delete, 3, ("chat:write",)),
    "chat.getPermalink": Method(get_permalink),
}
