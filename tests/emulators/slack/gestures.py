"""What people do: write, edit, click, press Stop, send commands, uninstall."""

from __future__ import annotations

from collections.abc import Iterable

from emulators.shapes import Json
from emulators.slack import interactions, markup, posting
from emulators.slack.blocks import Piece
from emulators.slack.deliveries import Delivery
from emulators.slack.methods import apps, files, people, streams
from emulators.slack.methods.agents import session_of
from emulators.slack.setting import Setting
from emulators.slack.world import App, Channel, File, Installation, Message


class Gestures(Setting):
    """The people of the workspaces."""

    async def say(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str = "",
        broadcast: bool = False,
        files: Iterable[File] = (),
        client_msg_id: str = "",
    ) -> Message:
        """
        Write a message; ``<@U…>`` in *text* is a mention, other ``<`` and ``&`` are what they are.

        In the older assistant container a message outside a thread opens one.

        Raises:
            PermissionError: Not a member, an archived channel, or a guest who writes to an app with the
                agent view ("Developing agents", 2026-09-14).
        """
        place, author, shared = self.world.channels[channel], self.world.users[user], list(files)
        if user not in place.members or place.is_archived:
            raise PermissionError(f"{author.name} cannot write there")
        if place.kind == "im" and author.guest and self._app_of(place).manifest.view == "agent":
            raise PermissionError("guests cannot use an app with the Agents feature")
        if place.kind == "im" and not thread_ts and self._app_of(place).manifest.view == "assistant":
            thread_ts = (await self.open_assistant(user)).ts
        message = Message(
            ts=self.world.mint_ts(self.clock.now()),
            channel=channel,
            user=user,
            text=markup.typed(text),
            via="user",
            root=thread_ts,
            subtype="file_share" if shared else "",
            files=shared,
            client_msg_id=client_msg_id or self.world.mint("client-"),
            broadcast=broadcast and bool(thread_ts),
        )
        for file in shared:
            file.shares.setdefault(channel, []).append(message.ts)
        posting.show(self.service, message, (Piece("mrkdwn", message.text),), "user")
        posting.place(self.service, place, message)
        return message

    def _app_of(self, channel: Channel) -> App:
        found = next((bot for each in channel.members if (bot := self.world.by_bot_user(each))), self.bot)
        return found.app

    def upload(self, user: str, name: str, content: bytes) -> File:
        """A file of *user*'s, to be given to `say`."""
        team = self.world.users[user].team_id
        file = files.new_file(self.service, team, user, name, len(content))
        file.content, file.uploaded, file.completed = content, True, True
        return file

    async def edit(self, channel: str, ts: str, text: str) -> None:
        """A person edits their message."""
        place = self.world.channels[channel]
        message = place.messages[ts]
        before = posting.previous(self.service, message)
        message.text = markup.typed(text)
        message.edited_at = self.world.mint_ts(self.clock.now())
        posting.show(self.service, message, (Piece("mrkdwn", message.text),), "user.edit")
        posting.changed(self.service, place, message, before)

    async def delete(self, channel: str, ts: str) -> None:
        """Delete a message, whoever wrote it."""
        place = self.world.channels[channel]
        posting.remove(self.service, place, place.messages[ts], "user.delete")

    async def react(self, channel: str, user: str, ts: str, name: str, *, on: bool = True) -> None:
        """Add or take back a reaction."""
        place = self.world.channels[channel]
        people.react(self.service, place, place.messages[ts], user, name, on=on)

    async def open_home(self, user: str, tab: str = "messages") -> None:
        """Open the app: `app_home_opened`."""
        event: Json = {"type": "app_home_opened", "user": user, "channel": self.direct(user), "tab": tab}
        self._tell("app_home_opened", event)

    async def look_at(self, user: str, channel: str, *, thread_ts: str = "") -> None:
        """Look at a channel beside the app: its context has changed."""
        context: Json = {"channel_id": channel, "team_id": self.team, "enterprise_id": None}
        if self.app.manifest.view == "assistant":
            event = self._assistant_event("assistant_thread_context_changed", user, thread_ts, context)
            self._tell("assistant_thread_context_changed", event)
        else:
            self._tell(
                "app_context_changed", {"type": "app_context_changed", "user": user, "context": context}
            )

    async def open_assistant(self, user: str, *, looking_at: str = "") -> Message:
        """Open a new thread in the older assistant container; tells its root."""
        place = self.world.channels[self.direct(user)]
        root = Message(
            ts=self.world.mint_ts(self.clock.now()),
            channel=place.id,
            user=self.bot_user,
            text="New Assistant Thread",
            via="assistant",
            installation=self.bot,
            subtype="assistant_app_thread",
        )
        posting.show(self.service, root, (Piece("plain", root.text),), "assistant")
        posting.place(self.service, place, root)
        context: Json = {}
        if looking_at:
            context = {"channel_id": looking_at, "team_id": self.team, "enterprise_id": None}
        self._tell(
            "assistant_thread_started",
            self._assistant_event("assistant_thread_started", user, root.ts, context),
        )
        return root

    def _assistant_event(self, kind: str, user: str, thread_ts: str, context: Json) -> Json:
        thread: Json = {"user_id": user, "context": context, "channel_id": self.direct(user)}
        return {"type": kind, "assistant_thread": thread | {"thread_ts": thread_ts}}

    def _tell(self, subscription: str, event: Json) -> None:
        if subscription in self.app.manifest.events:
            stamped = event | {"event_ts": self.world.mint_ts(self.clock.now())}
            self.service.feed.event(self.bot, stamped)

    async def press_stop(self, user: str, channel: str, thread_ts: str) -> bool:
        """
        Press Stop; False when there is no button: nothing is processing, or the event is not subscribed.

        Slack ends the streams; the app leaves `processing` itself ("Developing agents", 2026-09-14).
        """
        place = self.world.channels[channel]
        session = session_of(self.service, self.bot, place, thread_ts)
        if (
            session is None
            or session.status != "processing"
            or "agent_session_stopped" not in self.app.manifest.events
        ):
            return False
        ended: list[str] = []
        for message in self.world.thread(place, thread_ts):
            if message.stream is not None and message.stream.state == "in_progress":
                streams.end_by_user(self.service, place, message)
                ended.append(message.ts)
        event: Json = {"type": "agent_session_stopped", "channel": channel, "thread_ts": thread_ts}
        self._tell("agent_session_stopped", event | {"user": user, "streaming_message_ts": ended})
        return True

    async def rename_session(self, user: str, channel: str, thread_ts: str, title: str) -> None:
        """A person renames a session."""
        session = session_of(self.service, self.bot, self.world.channels[channel], thread_ts)
        if session is None:
            raise LookupError("no session there")
        session.title = title
        event: Json = {"type": "agent_session_title_changed", "channel": channel, "thread_ts": thread_ts}
        self._tell("agent_session_title_changed", event | {"user": user, "title": title})

    async def click(
        self, user: str, channel: str, ts: str, action_id: str, *, value: str | None = None
    ) -> Delivery:
        """
        Click a button; *value* picks a side of feedback buttons, anything else is forged.

        Raises:
            LookupError: The message has no such button.
        """
        place = self.world.channels[channel]
        message = place.messages.get(ts) or next(each for each in self.world.ephemerals if each.ts == ts)
        action = interactions.find_action(self.service, message, action_id, value)
        bot = message.installation or self.bot
        person = self.world.users[user]
        payload = interactions.block_actions(self.service, bot, place, message, person, action)
        return self.service.feed.interaction(bot.app, payload)

    async def command(self, user: str, channel: str, command: str, text: str = "") -> Delivery:
        """Send a slash command; what the app answers at once is shown to *user*, or to all."""
        place, person = self.world.channels[channel], self.world.users[user]
        # As messages come, where the manifest says `should_escape`: "Slash commands", 2026-09-14.
        said = markup.typed(text)
        payload = interactions.slash_command(self.service, self.bot, place, person, command, said)
        delivery = self.service.feed.command(self.app, payload)
        self.service.spawn(self._show_answer(delivery, place, user), f"answer {delivery.envelope_id}")
        return delivery

    async def _show_answer(self, delivery: Delivery, place: Channel, user: str) -> None:
        await delivery.done.wait()
        text = str(delivery.answer.get("text", ""))
        if not text:
            return
        message = Message(
            self.world.mint_ts(self.clock.now()), place.id, self.bot_user, text, "command", self.bot
        )
        shown = (Piece("mrkdwn", text),)
        if delivery.answer.get("response_type") == "in_channel":
            posting.show(self.service, message, shown, "command")
            posting.place(self.service, place, message)
        else:
            message.ephemeral_to = user
            posting.show(self.service, message, shown, "command", viewers=(user,), loud=False)
            self.world.ephemerals.append(message)

    async def shortcut(self, user: str, channel: str, ts: str, callback_id: str) -> Delivery:
        """Choose a shortcut on a message."""
        place, person = self.world.channels[channel], self.world.users[user]
        payload = interactions.message_shortcut(
            self.service, self.bot, place, place.messages[ts], person, callback_id
        )
        return self.service.feed.interaction(self.app, payload)

    async def submit(self, user: str, view_id: str, values: Json) -> Delivery:
        """Send a dialog off."""
        view, person = self.world.views[view_id], self.world.users[user]
        payload = interactions.view_submission(self.service, self.bot, person, view, values)
        return self.service.feed.interaction(self.app, payload)

    async def uninstall(self, team: str = "") -> None:
        """Uninstall the app from a workspace; its token ends."""
        apps.end(self.service, self._installed(team), "uninstalled")

    async def revoke(self, team: str = "") -> None:
        """Revoke the app's token in a workspace."""
        apps.end(self.service, self._installed(team), "revoked")

    def _installed(self, team: str) -> Installation:
        found = self.world.installation(self.app.id, team or self.team)
        if found is None:
            raise LookupError("the app is not installed there")
        return found

    async def deliver(self, payload: Json) -> Delivery:
        """Send *payload* to the app as an event, signed, whatever it is."""
        return self.service.feed.raw(self.app, payload)
