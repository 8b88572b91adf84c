"""What people do in channels: write, answer, forward, edit, delete, react, type, open threads."""

from __future__ import annotations

from collections.abc import Iterable

from emulators.discord import posting
from emulators.discord.channels import open_thread
from emulators.discord.kinds import WITH_TEXT, ChannelType, MessageFlag, MessageType
from emulators.discord.mentions import EVERYTHING, Allowed
from emulators.discord.permissions import Permission, permissions
from emulators.discord.routes.messages import reference_to
from emulators.discord.routes.reactions import react
from emulators.discord.setting import Setting
from emulators.discord.typing import type_in
from emulators.discord.world import Attachment, Channel, Frame, Message
from emulators.shapes import Json


class Gestures(Setting):
    """The people of the servers."""

    def file(
        self, name: str, content: bytes, *, content_type: str = "application/octet-stream"
    ) -> Attachment:
        """A file of a person's, to be given to `say`."""
        return Attachment(self.service.mint(), "", name, content, content_type)

    async def say(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        reply_to: str = "",
        ping: bool = True,
        files: Iterable[Attachment] = (),
        stickers: Iterable[str] = (),
        poll: Json | None = None,
        voice: bool = False,
    ) -> Message:
        """
        Write a message; ``<@id>`` in *text* is a mention.

        People with Nitro may write up to 4,000 characters. With *reply_to* it answers that message, and tells
        its author if *ping*.

        Raises:
            PermissionError: The person cannot write there.
            ValueError: Longer than anybody may write.
        """
        place = self.writable(channel, user)
        if len(text) > NITRO:
            raise ValueError(f"at most {NITRO} characters")
        shared = list(files)
        message = self._new(place, user, text)
        for file in shared:
            file.channel_id = channel
            self.world.attachments[file.id] = file
        message.attachments = shared
        message.stickers = [{"id": self.service.mint(), "name": each, "format_type": 1} for each in stickers]
        message.poll = poll
        if voice:
            message.flags |= MessageFlag.VOICE_MESSAGE
            for file in shared:
                file.duration, file.waveform = file.duration or 1.0, file.waveform or "AAAA"
        if reply_to:
            message.type = MessageType.REPLY
            message.reference = reference_to(place, place.messages[reply_to])
        posting.place(self.service, place, message, EVERYTHING if ping else Allowed(replied_user=False))
        return message

    async def reply(self, message: Message, user: str, text: str, *, ping: bool = True) -> Message:
        """Answer *message* where it is."""
        return await self.say(message.channel_id, user, text, reply_to=message.id, ping=ping)

    async def dm(self, user: str, text: str, *, files: Iterable[Attachment] = ()) -> Message:
        """Write to the bot in private."""
        return await self.say(self.direct(user), user, text, files=files)

    async def forward(self, channel: str, user: str, message: Message) -> Message:
        """Forward *message* to a channel: it has no text of its own."""
        place = self.writable(channel, user)
        forward = self._new(place, user, "")
        forward.reference = reference_to(self.world.channels[message.channel_id], message, 1)
        forward.snapshots = [self.service.payloads.snapshot(message)]
        forward.flags |= MessageFlag.HAS_SNAPSHOT
        posting.place(self.service, place, forward)
        return forward

    def writable(self, channel: str, user: str) -> Channel:
        """
        A channel in which a person can write.

        Raises:
            PermissionError: They cannot.
        """
        place = self.world.channels[channel]
        may = permissions(self.world, user, place, self.clock.now())
        need = Permission.SEND_MESSAGES_IN_THREADS if place.is_thread else Permission.SEND_MESSAGES
        locked = place.locked and not may & Permission.MANAGE_THREADS
        if place.deleted or place.type not in WITH_TEXT or not may & need or locked:
            raise PermissionError(f"{self.world.users[user].name} cannot write there")
        return place

    def _new(self, place: Channel, user: str, text: str) -> Message:
        return Message(self.service.mint(), place.id, user, text, "user", self.clock.now())

    async def system(self, channel: str, user: str, kind: int, text: str = "") -> Message:
        """A message that Discord writes in somebody's name, such as a pin or a new member."""
        place = self.world.channels[channel]
        message = self._new(place, user, text)
        message.type = MessageType(kind)
        posting.place(self.service, place, message)
        return message

    async def edit(self, message: Message, text: str) -> None:
        """A person edits their message."""
        place = self.world.channels[message.channel_id]
        message.content = text
        message.edited_at = self.clock.now()
        posting.changed(self.service, place, message, "user.edit")

    async def delete(self, message: Message) -> None:
        """Delete a message, whoever wrote it."""
        posting.remove(self.service, self.world.channels[message.channel_id], message, "user.delete")

    async def delete_many(self, messages: Iterable[Message]) -> None:
        """Delete messages of one channel at once: MESSAGE_DELETE_BULK."""
        gone = list(messages)
        place = self.world.channels[gone[0].channel_id]
        now = self.clock.now()
        for message in gone:
            message.deleted_at = now
            message.frames.append(Frame(now, "user.delete", ""))
        told: Json = {"ids": [each.id for each in gone], "channel_id": place.id, "guild_id": place.guild_id}
        self.service.feed.in_channel("MESSAGE_DELETE_BULK", place, lambda _: told)
        self.service.changed()

    async def react(self, message: Message, user: str, emoji: str, *, on: bool = True) -> None:
        """Add or take back a reaction."""
        place = self.world.channels[message.channel_id]
        react(self.service, place, message, user, emoji, on=on)

    async def pin(self, message: Message, *, on: bool = True) -> None:
        """Pin a message, or take it off."""
        place = self.world.channels[message.channel_id]
        message.pinned = on
        self.service.feed.message("MESSAGE_UPDATE", place, message)

    async def type_in(self, channel: str, user: str) -> None:
        """Begin to type."""
        type_in(self.service, self.writable(channel, user), user)

    async def open_thread(
        self, channel: str, user: str, name: str, *, message: Message | None = None, private: bool = False
    ) -> Channel:
        """Open a thread in a channel, from a message or without one."""
        kind = ChannelType.PRIVATE_THREAD if private else ChannelType.PUBLIC_THREAD
        return open_thread(self.service, self.world.channels[channel], user, name, kind=kind, message=message)

    async def post(self, forum: str, user: str, title: str, text: str) -> Message:
        """Post in a forum: a thread whose first message has its id."""
        parent = self.world.channels[forum]
        message = Message(self.service.mint(), "", user, text, "user", self.clock.now())
        thread = open_thread(self.service, parent, user, title, id=message.id)
        message.channel_id = thread.id
        posting.place(self.service, thread, message)
        return message

    def archive(self, thread: str, *, on: bool = True, locked: bool = False) -> None:
        """Archive a thread, or take it out again."""
        place = self.world.channels[thread]
        place.archived, place.locked = on, locked
        place.changed_at = self.clock.now()
        posting.thread_changed(self.service, place)


NITRO = 4_000  # characters
