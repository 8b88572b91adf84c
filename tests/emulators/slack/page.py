"""
The page at `/`: the workspace as people see it, and a line to write in.

It is made here, whole, each time; the browser fetches it again every second. Nothing comes from elsewhere
and every text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from aiohttp import web

from emulators.page import act_button, page
from emulators.shapes import Json, record, records, string
from emulators.slack.markup import readable
from emulators.slack.world import Channel, Message, User, World

if TYPE_CHECKING:
    from emulators.slack.emulator import SlackEmulator

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; color: #1d1c1d; background: #fff }
header { background: #3f0e40; color: #fff; padding: .6em 1em }
main { padding: 0 1em 7em } h2 { font-size: 1em; border-bottom: 1px solid #ddd; padding: .8em 0 .3em }
article { margin: .5em 0 }
article.reply { margin-left: 2.2em; border-left: 3px solid #eee; padding-left: .7em }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .1em 0; font: inherit }
small { color: #666 } .live { color: #0a7d32 } .mine { color: #b3261e } button { margin-right: .4em }
form { position: fixed; inset: auto 0 0 0; background: #f8f8f8; padding: .7em 1em }
input[name=text] { width: 45% }
"""
SCRIPT = """
const send = (act, body) => fetch('/control/' + act, {method: 'POST', body: JSON.stringify(body),
  headers: {'Content-Type': 'application/json'}});
document.addEventListener('click', event => {
  const data = event.target.dataset;
  if (data.act) send(data.act, JSON.parse(data.body)).then(show);
  if (data.thread) document.forms[0].thread_ts.value = data.thread;
});
document.forms[0].addEventListener('submit', event => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(event.target));
  send('say', given).then(() => { event.target.text.value = ''; show(); });
});
const show = async () => {
  const page = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html');
  document.querySelector('main').replaceWith(page.querySelector('main'));
};
setInterval(show, 1000);
"""


class Page:
    """The endpoint of the page."""

    def __init__(self, slack: SlackEmulator) -> None:
        self._slack = slack

    async def take(self, request: web.Request) -> web.Response:
        """`GET /`."""
        self._slack.settle()
        return page(self._html)

    def _html(self, nonce: str) -> str:
        world = self._slack.world
        people = [user for user in world.users.values() if not user.is_bot and not user.deleted]
        for user in people:  # so that everybody can write to the bot
            if user.team_id == self._slack.team and not user.guest:
                self._slack.direct(user.id)
        channels = [channel for channel in world.channels.values() if not channel.is_archived]
        body = "".join(_channel(world, channel) for channel in world.channels.values())
        names = escape(", ".join(workspace.name for workspace in world.workspaces.values()))
        connections = len(self._slack.service.sockets.connections)
        return (
            "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>Slack emulator</title>"
            f"<style nonce={nonce}>{STYLE}</style>"
            f"<header>Slack emulator · {names}</header>"
            f"<main><small>{connections} socket(s), {len(self._slack.calls())} calls</small>{body}</main>"
            f"<form><select name=user>{_options((u.id, u.name) for u in people)}</select> "
            f"<select name=channel>{_options((c.id, _name(world, c)) for c in channels)}</select> "
            "<input name=thread_ts size=18 placeholder=thread> "
            f"<input name=text placeholder='Message; &lt;@{self._slack.bot_user}&gt; is the bot' autofocus> "
            f"<button>Send</button></form><script nonce={nonce}>{SCRIPT}</script></html>"
        )


def _options(choices: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(id)}">{escape(name)}</option>' for id, name in choices)


def _name(world: World, channel: Channel) -> str:
    if channel.kind == "im":
        return "direct: " + ", ".join(_who(world, each) for each in sorted(channel.members))
    return f"#{channel.name}" + (" (archived)" if channel.is_archived else "")


def _who(world: World, user_id: str) -> str:
    user: User | None = world.users.get(user_id)
    return user.name if user is not None else user_id


def _named(world: World, text: str) -> str:
    """*text* with the names of who is mentioned, as people read it."""
    text = re.sub(r"<@([UW]\w+)(?:\|[^>]*)?>", lambda match: f"@{_who(world, match[1])}", text)
    text = re.sub(r"<!(here|channel|everyone)(?:\|[^>]*)?>", r"@\1", text)
    text = re.sub(r"<(https?://[^>|\s]+)\|([^>]*)>", r"\2 (\1)", text)
    return re.sub(r"<(https?://[^>|\s]+)>", r"\1", text)


def _channel(world: World, channel: Channel) -> str:
    if channel.kind == "im" and not channel.messages:
        return ""
    parts = [f"<h2>{escape(_name(world, channel))}</h2>"]
    for prompt in channel.prompts:
        parts.append(f"<small>» {escape(string(prompt.get('title')))}</small> ")
    for message in channel.messages.values():
        if message.root in channel.messages and message.root:
            continue
        parts.append(_message(world, message))
        parts += [_message(world, reply) for reply in world.thread(channel, message.ts)]
    private = [each for each in world.ephemerals if each.channel == channel.id and each.deleted_at is None]
    return "".join([*parts, *(_message(world, each) for each in private)])


def _message(world: World, message: Message) -> str:
    if message.deleted_at is not None:
        return "<article><small>This message was deleted.</small></article>" if message.subtype else ""
    notes = [f'<small data-thread="{message.root or message.ts}">{message.ts}</small>']
    if message.ephemeral_to:
        notes.append(f"<small>only visible to {escape(_who(world, message.ephemeral_to))}</small>")
    if message.edited_at:
        notes.append("<small>(edited)</small>")
    if message.stream is not None and message.stream.state != "completed":
        notes.append(f"<span class=live>{message.stream.state}</span>")
    if message.pinged:
        told = ", ".join(_who(world, each) for each in sorted(message.pinged))
        notes.append(f"<span class=mine>pings {escape(told)}</span>")
    for session in world.sessions.values():
        if (session.channel, session.thread_ts) == (message.channel, message.ts):
            notes.append(f"<span class=live>{escape(session.text or session.status)}</span>")
            if session.status == "processing":
                body = {"user": message.user, "channel": message.channel, "thread_ts": message.ts}
                notes.append(act_button("Stop", "press_stop", body))
    files = "".join(f"<small>📎 {escape(file.name)}</small> " for file in message.files)
    reactions = "".join(
        f"<small>:{escape(name)}: {len(by)}</small> " for name, by in message.reactions.items()
    )
    text = escape(readable(_named(world, message.visible)))
    kind = " class=reply" if message.root else ""
    who = escape(message.username or _who(world, message.user))
    buttons = "".join(_buttons(world, message))
    return (
        f"<article{kind}><b>{who}</b> {' '.join(notes)}<pre>{text}</pre>{files}{reactions}{buttons}</article>"
    )


def _buttons(world: World, message: Message) -> Iterable[str]:
    channel = world.channels[message.channel]
    people = sorted(each for each in channel.members if not world.users[each].is_bot)
    for block in message.blocks:
        for element in [*records(block.get("elements")), record(block.get("accessory"))]:
            sides = [record(element.get(f"{side}_button")) for side in ("positive", "negative")]
            shown = sides if element.get("type") == "feedback_buttons" else [element]
            for button in shown:
                if element.get("action_id") and people:
                    label = string(record(button.get("text")).get("text"))
                    act: Json = {"user": people[0], "channel": channel.id, "ts": message.ts}
                    act |= {"action_id": element["action_id"], "value": button.get("value")}
                    yield act_button(label, "click", act)
