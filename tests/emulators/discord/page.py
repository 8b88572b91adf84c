"""
The page at `/`: the servers as people see them, and a line to write in.

It is made here, whole, each time; the browser fetches it again every second. Nothing comes from elsewhere
and every text is escaped. A line that begins with a slash is a command: ``/ask question=Why?``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from aiohttp import web

from emulators.discord.interactions import FAILED, Interaction
from emulators.discord.kinds import WITH_TEXT, ChannelType, InteractionType, MessageFlag, MessageType
from emulators.discord.reading import BUTTON, nested
from emulators.discord.typing import who_types
from emulators.discord.world import Channel, Message, World
from emulators.page import act_button, page
from emulators.shapes import Json, record, records, string

if TYPE_CHECKING:
    from emulators.discord.emulator import DiscordEmulator

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; color: #dbdee1; background: #313338 }
header { background: #1e1f22; padding: .6em 1em } main { padding: 0 1em 8em }
h2 { font-size: 1em; border-bottom: 1px solid #4e5058; padding: .8em 0 .3em; color: #f2f3f5 }
h2.thread { margin-left: 2.2em } article { margin: .5em 0 }
article.thread { margin-left: 2.2em; border-left: 3px solid #4e5058; padding-left: .7em }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .1em 0; font: inherit }
small { color: #949ba4 } .live { color: #23a55a } .loud { color: #f0b232 } .failed { color: #f23f43 }
button { margin-right: .4em; background: #4e5058; color: #fff; border: 0; padding: .3em .8em }
form { position: fixed; inset: auto 0 0 0; background: #2b2d31; padding: .7em 1em }
input, select { background: #1e1f22; color: inherit; border: 0; padding: .4em }
input[name=text] { width: 45% }
"""
SCRIPT = """
const send = async (act, body) => {
  const answer = await fetch('/control/' + act, {method: 'POST', body: JSON.stringify(body),
    headers: {'Content-Type': 'application/json'}});
  const told = await answer.json();
  document.querySelector('output').textContent = told.ok ? '' : told.error;
  await show();
};
document.addEventListener('click', event => {
  const data = event.target.dataset, form = document.forms[0];
  if (data.act) {
    event.preventDefault();
    const body = JSON.parse(data.body);
    if (data.act === 'click') body.user = form.user.value;
    for (const field of Object.keys(body.values || {}).filter(() => data.act === 'submit'))
      body.values[field] = prompt(field) || '';
    send(data.act, body);
  }
  if (data.answer) form.reply_to.value = data.answer;
});
document.forms[0].addEventListener('submit', event => {
  event.preventDefault();
  const {user, channel, text, reply_to} = Object.fromEntries(new FormData(event.target));
  event.target.text.value = event.target.reply_to.value = '';
  if (!text.startsWith('/')) return send('say', {user, channel, text, reply_to});
  const [head, ...rest] = text.slice(1).split(/ (?=[^ =]+=)/);
  const options = Object.fromEntries(rest.map(each => each.split(/=(.*)/s).slice(0, 2)));
  send('slash', {user, channel, command: head.trim(), options});
});
const show = async () => {
  const page = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html');
  document.querySelector('main').replaceWith(page.querySelector('main'));
};
setInterval(show, 1000);
"""


class Page:
    """The endpoint of the page."""

    def __init__(self, discord: DiscordEmulator) -> None:
        self._discord = discord

    async def take(self, request: web.Request) -> web.Response:
        """`GET /`."""
        self._discord.settle()
        return page(self._html)

    def _html(self, nonce: str) -> str:
        discord, world = self._discord, self._discord.world
        people = [user for user in world.users.values() if not user.bot]
        for user in people:  # so that everybody can write to the bot
            discord.direct(user.id)
        channels = [each for each in world.channels.values() if each.type in WITH_TEXT and not each.deleted]
        sessions = sum(each.connection is not None for each in discord.service.gateway.sessions.values())
        body = "".join(self._channel(each) for each in _in_order(world))
        commands = sorted({f"/{each.name}" for each in discord.app.commands.values() if each.type == 1})
        return (
            "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Discord emulator</title>"
            f"<style nonce={nonce}>{STYLE}</style>"
            f"<header>Discord emulator · {escape(', '.join(g.name for g in world.guilds.values()))}</header>"
            f"<main><small>{sessions} session(s), {len(discord.calls())} calls, "
            f"commands: {escape(' '.join(commands) or 'none')}</small>{body}</main>"
            f"<form><select name=user>{_options((u.id, u.name) for u in people)}</select> "
            f"<select name=channel>{_options((c.id, _name(world, c)) for c in channels)}</select> "
            "<input name=reply_to size=20 placeholder='answers message'> "
            f"<input name=text placeholder='Message; &lt;@{discord.bot_user}&gt; is the bot' autofocus> "
            f"<button>Send</button> <output class=failed></output></form>"
            f"<script nonce={nonce}>{SCRIPT}</script></html>"
        )

    def _channel(self, channel: Channel) -> str:
        world = self._discord.world
        if channel.type == ChannelType.DM and not channel.messages:
            return ""
        kind = " class=thread" if channel.is_thread else ""
        parts = [f"<h2{kind}>{escape(_name(world, channel))}</h2>"]
        private = [each for each in world.ephemerals if each.channel_id == channel.id]
        messages = sorted([*channel.messages.values(), *private], key=lambda each: int(each.id))
        parts += [self._message(channel, each) for each in messages if each.deleted_at is None]
        parts += [
            self._act(each) for each in self._discord.service.interactions.values() if each.channel is channel
        ]
        typing = ", ".join(_who(world, each) for each in who_types(self._discord.service, channel.id))
        return "".join(parts) + (f"<small class=live>{escape(typing)} is typing…</small>" if typing else "")

    def _act(self, interaction: Interaction) -> str:
        """What became of a command or a click, where no message shows it."""
        who = escape(_who(self._discord.world, interaction.user_id))
        name = escape(interaction.name)
        if interaction.state == "failed":
            return f"<article><small>{who} used {name}</small> <span class=failed>{FAILED}</span></article>"
        if interaction.modal is None or self._submitted(interaction):
            return ""
        title = escape(string(interaction.modal.get("title")))
        fields: Json = {
            string(each.get("custom_id")): ""
            for each in nested(records(interaction.modal.get("components")))
            if each.get("custom_id")
        }
        button = act_button("Fill in", "submit", {"interaction": interaction.id, "values": fields})
        return f"<article><small>{who} sees a dialog:</small> <b>{title}</b> {button}</article>"

    def _submitted(self, interaction: Interaction) -> bool:
        assert interaction.modal is not None
        return any(
            each.type == InteractionType.MODAL and each.data["custom_id"] == interaction.modal["custom_id"]
            for each in self._discord.service.interactions.values()
            if int(each.id) > int(interaction.id)
        )

    def _message(self, channel: Channel, message: Message) -> str:
        world = self._discord.world
        kind = " class=thread" if channel.is_thread else ""
        who = escape(_who(world, message.author_id))
        if message.flags & MessageFlag.LOADING:
            text = "<small class=live>is thinking…</small>"
        elif message.type == MessageType.THREAD_STARTER_MESSAGE:
            return ""
        else:
            text = f"<pre>{escape(_named(world, message.visible))}</pre>"
        files = "".join(f"<small>📎 {escape(each.filename)}</small> " for each in message.attachments)
        reactions = "".join(
            f"<small>{escape(name)} {len(by)}</small> " for name, by in message.reactions.items() if by
        )
        notes = " ".join(_notes(world, message))
        buttons = "".join(_buttons(message))
        return f"<article{kind}><b>{who}</b> {notes}{text}{files}{reactions}{buttons}</article>"


def _in_order(world: World) -> Iterable[Channel]:
    """The channels, each with its threads below it."""
    there = [each for each in world.channels.values() if not each.deleted]
    for channel in there:
        if not channel.is_thread and channel.type != ChannelType.CATEGORY:
            yield channel
            yield from (each for each in there if each.is_thread and each.parent_id == channel.id)


def _notes(world: World, message: Message) -> Iterable[str]:
    yield f'<small data-answer="{message.id}">{message.id}</small>'
    if message.reference is not None:
        word = "forwards" if message.snapshots else "answers"
        yield f"<small>{word} {escape(string(message.reference.get('message_id')))}</small>"
    if message.interaction_metadata is not None:
        yield f"<small>{escape(string(message.interaction_metadata.get('name')))}</small>"
    if message.ephemeral_to:
        yield f"<small>only visible to {escape(_who(world, message.ephemeral_to))}</small>"
    if message.edited_at is not None:
        yield "<small>(edited)</small>"
    if message.pinged:
        told = ", ".join(_who(world, each) for each in sorted(message.pinged))
        yield f"<span class=loud>pings {escape(told)}</span>"


def _buttons(message: Message) -> Iterable[str]:
    for each in nested(message.components):
        if each.get("disabled") or not each.get("custom_id"):
            continue
        body: Json = {"message": message.id, "custom_id": each["custom_id"]}
        if each.get("type") == BUTTON:
            emoji = string(record(each.get("emoji")).get("name"))
            yield act_button(f"{emoji} {string(each.get('label'))}".strip(), "click", body)
        for option in records(each.get("options")):
            chosen = body | {"values": [option.get("value")]}
            yield act_button(string(option.get("label")), "click", chosen)


def _options(choices: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(id)}">{escape(name)}</option>' for id, name in choices)


def _name(world: World, channel: Channel) -> str:
    if channel.type == ChannelType.DM:
        return "direct: " + ", ".join(_who(world, each) for each in sorted(channel.recipients))
    if channel.is_thread:
        return f"› {channel.name}" + (" (archived)" if channel.archived else "")
    return f"{world.guilds[channel.guild_id].name} #{channel.name}"


def _who(world: World, user_id: str) -> str:
    user = world.users.get(user_id)
    return user.global_name or user.name if user is not None else user_id


def _named(world: World, text: str) -> str:
    """*text* with the names of who is mentioned, as people read it."""
    return re.sub(r"<@!?(\d+)>", lambda match: f"@{_who(world, match[1])}", text)
