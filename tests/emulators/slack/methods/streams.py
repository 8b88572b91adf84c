"""
Native streaming: `chat.startStream`, `chat.appendStream`, `chat.stopStream`.

docs.slack.dev, these pages, 2026-08-20. The first payload fixes the mode for life: after `markdown_text`
every chunk is refused and the other way round, at the stop too (reported hermes-agent#104173, 2026-09-06,
and others). In a channel only the recipient sees the stream live; the others see the first piece, and the
rest at the end (reported agentconnect#1494, 2026-08-25).
"""

from __future__ import annotations

import copy
from typing import Literal, TypeAlias

from emulators.shapes import Json
from emulators.slack import markup, posting, sizes, translation
from emulators.slack.blocks import Piece, check_message_blocks, seen
from emulators.slack.chunks import apply_chunks, check_chunks, close_tasks, is_too_long, shown
from emulators.slack.methods.agents import STATUSES, set_session
from emulators.slack.methods.caller import TS, Caller, Method
from emulators.slack.methods.chat import check_customized
from emulators.slack.methods.content import metadata_in
from emulators.slack.payloads import message_json
from emulators.slack.refusal import Refusal, pointed
from emulators.slack.service import Service
from emulators.slack.world import Channel, Message, Stream

End: TypeAlias = Literal["completed", "stopped_by_user", "expired"]


async def start(caller: Caller) -> Json:
    """`chat.startStream` is itself the post: there is no key, and no link preview."""
    service = caller.service
    channel = caller.writable()
    check_customized(caller)
    recipient = _recipient(caller, channel)
    root = _root(caller, channel)
    display = caller.arguments.text("task_display_mode", "timeline")
    if display not in ("timeline", "plan"):
        raise pointed("invalid_arguments", "/task_display_mode", "must be one of timeline, plan")
    stream = Stream(caller.now, recipient, display=display)
    warnings = _append(caller, stream)
    message = Message(
        ts=service.world.mint_ts(caller.now),
        channel=channel.id,
        user=caller.bot.bot_user_id,
        text="",
        via=caller.method,
        installation=caller.bot,
        root=root,
        stream=stream,
        username=caller.arguments.text("username"),
    )
    posting.show(service, message, shown(stream), caller.method)
    posting.place(service, channel, message)
    service.world.streaming[message.ts] = message
    set_session(service, caller.bot, channel, root, "processing")
    return {"ok": True, "channel": channel.id, "ts": message.ts} | _warned(warnings)


def _recipient(caller: Caller, channel: Channel) -> str:
    """
    Who sees the stream live.

    Raises:
        Refusal: `missing_recipient_user_id`, `missing_recipient_team_id` or what does not fit.
    """
    own = channel.kind == "im" and caller.bot.bot_user_id in channel.members
    user_id, team_id = caller.arguments.text("recipient_user_id"), caller.arguments.text("recipient_team_id")
    if own:
        return user_id or next(iter(channel.members - {caller.bot.bot_user_id}), "")
    if not user_id:
        raise Refusal("missing_recipient_user_id")
    if not team_id:
        raise Refusal("missing_recipient_team_id")
    user = caller.service.world.users.get(user_id)
    if user is None:
        raise Refusal("user_not_found")
    if user.team_id != team_id:  # the recipient's own team: "chat.startStream"; the error's word is assumed
        raise Refusal("team_not_found")
    return user_id


def _root(caller: Caller, channel: Channel) -> str:
    ts = caller.arguments.text("thread_ts")
    if not ts and channel.one_session:
        return ""
    root = channel.messages.get(ts)
    if not TS.fullmatch(ts) or root is None or root.deleted_at is not None or root.root:
        raise Refusal("invalid_thread_ts")
    return ts


def _append(caller: Caller, stream: Stream) -> list[str]:
    """
    Append what the call says; nothing of it stays when it is refused.

    Raises:
        Refusal: Both forms at once, the other mode, bad chunks, or too long as a whole.
    """
    text = caller.arguments.text("markdown_text")
    chunks = caller.arguments.objects("chunks", "invalid_chunks") or []
    if text and chunks:
        raise Refusal("cannot_provide_both_markdown_text_and_chunks")
    if (text and stream.mode == "chunks") or (chunks and stream.mode == "text"):
        raise Refusal("streaming_mode_mismatch")
    if len(text) > sizes.MARKDOWN:
        raise Refusal("msg_too_long")
    check_chunks(chunks)
    trial = copy.deepcopy(stream)
    trial.body += text
    warnings = apply_chunks(trial, chunks)
    if is_too_long(trial):
        raise Refusal("msg_too_long")
    stream.body, stream.plan, stream.blocks, stream.tasks = trial.body, trial.plan, trial.blocks, trial.tasks
    if not stream.mode and (text or chunks):
        stream.mode = "text" if text else "chunks"
    return warnings


def _streaming(caller: Caller) -> tuple[Channel, Message, Stream]:
    """
    The stream that was named.

    Raises:
        Refusal: `message_not_found`, `message_not_owned_by_app`, `stopped_by_user` or
            `message_not_in_streaming_state`.
    """
    channel = caller.channel()
    message = caller.message(channel)
    if message.installation is not caller.bot:
        raise Refusal("message_not_owned_by_app")
    stream = message.stream
    if stream is not None and stream.state == "stopped_by_user":
        raise Refusal("stopped_by_user")
    if stream is None or stream.state != "in_progress":
        raise Refusal("message_not_in_streaming_state")
    return channel, message, stream


async def append(caller: Caller) -> Json:
    """`chat.appendStream`; chunks alone are taken although the page marks `markdown_text` as required."""
    channel, message, stream = _streaming(caller)
    if not caller.arguments.text("markdown_text") and not caller.arguments.has("chunks"):
        raise Refusal("no_text")
    warnings = _append(caller, stream)
    viewers = () if channel.kind == "im" else (stream.recipient,)
    posting.show(caller.service, message, shown(stream), caller.method, viewers=viewers)
    return {"ok": True, "channel": channel.id, "ts": message.ts} | _warned(warnings)


async def stop(caller: Caller) -> Json:
    """`chat.stopStream`: what is stored afterwards is mrkdwn text and one rich text block (capture)."""
    service = caller.service
    channel, message, stream = _streaming(caller)
    status = caller.arguments.text("session_status", "active")
    if status not in STATUSES:
        raise Refusal("invalid_session_status")
    metadata = metadata_in(caller.arguments)
    blocks = caller.arguments.objects("blocks", "invalid_blocks_format") or []
    check_message_blocks(blocks)
    warnings = _append(caller, stream)
    if not shown(stream) and not blocks:
        raise Refusal("no_text")
    close_tasks(stream)
    message.metadata = metadata or {}
    _finish(service, channel, message, "completed", caller.method, blocks)
    set_session(service, caller.bot, channel, message.root, status)
    told = message_json(service.world, message, base_url=service.base_url, metadata=True)
    return {"ok": True, "channel": channel.id, "ts": message.ts, "message": told} | _warned(warnings)


def _finish(
    service: Service, channel: Channel, message: Message, state: End, by: str, blocks: list[Json]
) -> None:
    stream = message.stream
    assert stream is not None, "only streams end"
    before = posting.previous(service, message)
    stream.state = state
    plain = [piece.text for piece in shown(stream) if piece.markup != "markdown"]
    message.text = markup.normalised("\n".join(filter(None, (*plain, translation.mrkdwn(stream.body)))))
    prefix = service.world.mint("B")
    body = [translation.rich_text(stream.body, f"{prefix}0")] if stream.body else []
    message.blocks = [*body, *translation.stored_blocks([*stream.blocks, *blocks], f"{prefix}s")]
    pieces: tuple[Piece, ...] = (*shown(stream), *seen(blocks))
    posting.show(service, message, pieces, by)
    posting.changed(service, channel, message, before)


def end_by_user(service: Service, channel: Channel, message: Message) -> None:
    """A person pressed Stop: Slack ends the stream, with what was there."""
    _finish(service, channel, message, "stopped_by_user", "user.stop", [])


def expire(service: Service) -> None:
    """
    End streams that are older than their life; the session falls to `active`.

    What people see then is a broken pill until an edit: "Developing agents", 2026-09-14.
    """
    now = service.clock.now()
    for message in list(service.world.streaming.values()):
        stream, channel = message.stream, service.world.channels[message.channel]
        if stream is None or stream.state != "in_progress" or message.deleted_at is not None:
            del service.world.streaming[message.ts]
        elif now - stream.started_at >= sizes.STREAM_SECONDS:
            close_tasks(stream)
            _finish(service, channel, message, "expired", "slack.expired", [])
            assert message.installation is not None, "only bots stream"
            set_session(service, message.installation, channel, message.root, "active")


def _warned(warnings: list[str]) -> Json:
    if not warnings:
        return {}
    return {"warning": ",".join(warnings), "response_metadata": {"warnings": warnings}}


METHODS = {
    "chat.startStream": Method(start, 2, ("chat:write",)),
    "chat.appendStream": Method(append, 4, ("chat:write",)),
    "chat.stopStream": Method(stop, 2, ("chat:write",)),
}
