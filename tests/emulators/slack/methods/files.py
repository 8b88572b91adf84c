"""
Files: `files.getUploadURLExternal`, the upload, `files.completeUploadExternal`, `files.info`, `.delete`.

docs.slack.dev, these pages, 2026-08-20. Sharing is asynchronous: the answer of the completion has no
message, `files.info` has it later (reported bolt-js#2115).
"""

from __future__ import annotations

import mimetypes
from dataclasses import replace

from emulators.shapes import Json, string
from emulators.slack import markup, posting
from emulators.slack.blocks import Piece
from emulators.slack.methods.caller import TS, Caller, Method
from emulators.slack.payloads import file_json
from emulators.slack.refusal import Refusal
from emulators.slack.service import Service
from emulators.slack.world import Channel, File, Installation, Message

CHANNELS = 100  # of one upload
LENGTH_LIMIT = 1_000_000_000  # bytes


async def get_upload_url(caller: Caller) -> Json:
    """`files.getUploadURLExternal`: an empty file is `missing_argument`."""
    name = caller.arguments.required("filename", "missing_argument")
    length = caller.arguments.number("length", 0)
    if length <= 0:
        raise Refusal("missing_argument")
    if length > LENGTH_LIMIT:
        raise Refusal("file_upload_size_restricted")
    file = new_file(caller.service, caller.bot.team_id, caller.bot.bot_user_id, name, length)
    return {"ok": True, "upload_url": f"{caller.service.base_url}/upload/v1/{file.id}", "file_id": file.id}


def new_file(service: Service, team_id: str, user: str, name: str, length: int) -> File:
    """A file of which nothing is there yet."""
    world = service.world
    file = File(world.mint("F"), team_id, user, name, length, created=int(service.clock.now()))
    file.mimetype = mimetypes.guess_type(name)[0] or "application/octet-stream"
    world.files[file.id] = file
    return file


async def complete_upload(caller: Caller) -> Json:
    """`files.completeUploadExternal`: without a channel the file stays private."""
    service, arguments = caller.service, caller.arguments
    given = arguments.objects("files", "invalid_arguments")
    if not given:
        raise Refusal(
            "invalid_arguments", response_metadata={"messages": ["[ERROR] missing required field: files"]}
        )
    files: list[File] = []
    for each in given:
        file = service.world.files.get(string(each.get("id")))
        if file is None or file.user != caller.bot.bot_user_id or not file.uploaded or file.completed:
            raise Refusal("file_not_found")
        files.append(file)
    channels = _channels(caller)
    thread_ts = arguments.text("thread_ts")
    if thread_ts and (len(channels) != 1 or not TS.fullmatch(thread_ts)):
        raise Refusal("invalid_thread_ts")
    for file, each in zip(files, given, strict=True):
        file.completed = True
        file.title = string(each.get("title")) or file.name
    told = [file_json(replace(file, shares={}), base_url=service.base_url) for file in files]
    for channel in channels:
        share = _share(service, caller.bot, channel, files, thread_ts, arguments.text("initial_comment"))
        service.spawn(share, f"share {files[0].id}")
    return {"ok": True, "files": told}


def _channels(caller: Caller) -> list[Channel]:
    named = caller.arguments.text("channel_id") or caller.arguments.text("channels")
    ids = [each for each in named.split(",") if each]
    if len(ids) > CHANNELS:
        raise Refusal("invalid_channel")
    found: list[Channel] = []
    for each in ids:
        channel = caller.service.world.channels.get(each)
        if channel is None or caller.bot.team_id not in channel.teams:
            raise Refusal("channel_not_found")
        if channel.is_archived:
            raise Refusal("is_archived")
        if caller.bot.bot_user_id not in channel.members:
            raise Refusal("not_in_channel")
        found.append(channel)
    return found


async def _share(
    service: Service, bot: Installation, channel: Channel, files: list[File], thread_ts: str, comment: str
) -> None:
    await service.clock.sleep(service.share_seconds)
    root = channel.messages.get(thread_ts)
    message = Message(
        ts=service.world.mint_ts(service.clock.now()),
        channel=channel.id,
        user=bot.bot_user_id,
        text=markup.normalised(comment),
        via="files.completeUploadExternal",
        installation=bot,
        root=thread_ts if root is not None and root.deleted_at is None and not root.root else "",
        subtype="file_share",
        files=files,
    )
    for file in files:
        file.shares.setdefault(channel.id, []).append(message.ts)
    shown = (Piece("mrkdwn", comment),) if comment else ()
    posting.unfurl(message, shown, wanted=True)
    posting.show(service, message, shown, message.via)
    posting.place(service, channel, message)


def _file(caller: Caller) -> File:
    file = caller.service.world.files.get(caller.arguments.required("file", "file_not_found"))
    if file is None or file.team_id != caller.bot.team_id or file.deleted:
        raise Refusal("file_not_found")
    return file


async def info(caller: Caller) -> Json:
    """`files.info`."""
    return {"ok": True, "file": file_json(_file(caller), base_url=caller.service.base_url)}


async def delete(caller: Caller) -> Json:
    """`files.delete`: only one's own."""
    file = _file(caller)
    if file.user != caller.bot.bot_user_id:
        raise Refusal("cant_delete_file")
    file.deleted = True
    caller.service.changed()
    return {"ok": True}


METHODS = {
    "files.getUploadURLExternal": Method(get_upload_url, 4, ("files:write",)),
    "files.completeUploadExternal": Method(complete_upload, 4, ("files:write",)),
    "files.info": Method(info, 4, ("files:read",)),
    "files.delete": Method(delete, 3, ("files:write",)),
}
