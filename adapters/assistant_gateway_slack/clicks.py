"""
The buttons below an answer, pressed: Stop, Regenerate, and two thumbs.

A click is believed only where Slack shows the pressed button, with the same value, in a message that
this installation posted; whether its person may do that there is the intake's to say. What comes of it
is on disk before Slack is told that the click was taken, and told to its person alone.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from assistant_gateway.adapter import Intake
from assistant_gateway.errors import NotAllowed
from assistant_gateway.platforms.shapes import Json, table, tables, text
from assistant_gateway.values import Command, Conversation, Inbound, Rating, User
from assistant_gateway_slack import buttons, dialogs
from assistant_gateway_slack.asides import Aside
from assistant_gateway_slack.bolt import TAKEN, Acknowledgement, form_error
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.opening import open_dialog
from assistant_gateway_slack.people import People
from assistant_gateway_slack.said import ADAPTER, ID, TS, is_direct, topic_of
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.web import Web

OURS = frozenset({buttons.STOP, buttons.REGENERATE, buttons.FEEDBACK})
OVER = "That answer is complete already."
UNKNOWN = "That answer is not known any more."
THANKS = "Thank you, that was noted."


class Clicks:
    """
    What is pressed in one workspace.

    Args:
        tell: Shows an aside, soon, and does not wait.
    """

    def __init__(
        self, settings: SlackSettings, web: Web, people: People, tell: Callable[[Aside], None]
    ) -> None:
        self._settings = settings
        self._web = web
        self._people = people
        self._tell = tell
        self._log = structlog.get_logger()

    async def press(self, payload: Json, me: Identity, intake: Intake) -> Acknowledgement | None:
        """
        Take a click; None where it is on none of our buttons.

        Raises:
            StoreUnavailable: It could not be kept; its person sees that it failed.
        """
        pressed = [each for each in tables(payload.get("actions")) if each.get("action_id") in OURS]
        if not pressed:
            return None
        if not _is_genuine(payload, pressed[0], me):
            self._log.warning("slack.forged_click", action=text(pressed[0].get("action_id")))
            return TAKEN
        channel = table(payload.get("channel"))
        message = table(payload.get("message"))
        topic = topic_of(text(message.get("ts")), text(message.get("thread_ts")), begins=False)
        where = Conversation(ADAPTER, me.team_id, text(channel.get("id")), topic)
        pressed_by = text(table(payload.get("user")).get("id"))
        direct = is_direct(where.channel, text(channel.get("name")))
        if not self._settings.admits(pressed_by, where.channel, direct=direct):
            self._log.info("slack.click_refused", channel=where.channel)
            return TAKEN
        user = await self._people.presser(payload, me)
        try:
            told = await self._do(payload, pressed[0], where, user, intake)
        except NotAllowed as error:
            told = str(error)
        if told:
            self._tell(Aside(where, user.id, told))
        return TAKEN

    async def comment(self, view: Json, payload: Json, me: Identity, intake: Intake) -> Acknowledgement:
        """
        Take what somebody wrote about an answer.

        Raises:
            StoreUnavailable: It could not be kept; its person sees that it failed.
        """
        kept, words = dialogs.kept_in(view), dialogs.words_in(view)
        if not words:
            return TAKEN
        where = Conversation(ADAPTER, me.team_id, kept.get("channel", ""), kept.get("topic", ""))
        writer = text(table(payload.get("user")).get("id"))
        if not self._settings.admits(
            writer, where.channel, direct=is_direct(where.channel, kept.get("kind", ""))
        ):
            return TAKEN
        user = await self._people.presser(payload, me)
        try:
            known = await intake.feedback(where, user, kept.get("run", ""), Rating.BAD, words)
        except NotAllowed as error:
            return form_error(dialogs.FIELD, str(error))
        return TAKEN if known else form_error(dialogs.FIELD, UNKNOWN)

    async def _do(self, payload: Json, action: Json, where: Conversation, user: User, intake: Intake) -> str:
        """Do what a button is for; what to tell its person."""
        value = text(action.get("value"))
        match action.get("action_id"):
            case buttons.STOP:
                return "" if await intake.stop(where, user, run_id=value) else OVER
            case buttons.REGENERATE:
                return await intake.command(_again(payload, action, where, user), run_id=value)
        if (thumb := buttons.rated(value)) is None:
            return UNKNOWN
        rating, run_id = thumb
        if not await intake.feedback(where, user, run_id, rating):
            return UNKNOWN
        if rating is Rating.BAD:
            kind = text(table(payload.get("channel")).get("name"))
            kept = {"channel": where.channel, "kind": kind[:80], "topic": where.topic, "run": run_id}
            # The rating stands already; without the dialog there is only no comment.
            await open_dialog(self._web, text(payload.get("trigger_id")), dialogs.comment_dialog(kept))
            return ""
        return THANKS


def _is_genuine(payload: Json, action: Json, me: Identity) -> bool:
    """Whether the button stands in a message of ours, as it was pressed."""
    message, container = table(payload.get("message")), table(payload.get("container"))
    channel, ts = text(table(payload.get("channel")).get("id")), text(message.get("ts"))
    if not (
        ID.fullmatch(channel)
        and TS.fullmatch(ts)
        and ID.fullmatch(text(table(payload.get("user")).get("id")))
    ):
        return False
    if container.get("channel_id") != channel or container.get("message_ts") != ts or not me.posted(message):
        return False
    value = action.get("value")
    return any(
        element.get("action_id") == action.get("action_id") and value in _values(element)
        for block in tables(message.get("blocks"))
        for element in tables(block.get("elements"))
    )


def _values(element: Json) -> list[object]:
    sides = [table(element.get(f"{side}_button")).get("value") for side in ("positive", "negative")]
    return [value for value in (element.get("value"), *sides) if value]


def _again(payload: Json, action: Json, where: Conversation, user: User) -> Inbound:
    """
    The click as a message, whose answer is younger than the click.

    Its id is the answer's: an answer is given again once, however often and by whomever it is clicked.
    """
    at = text(action.get("action_ts"))
    at = at if TS.fullmatch(at) else text(table(payload.get("message")).get("ts"))
    return Inbound(
        conversation=where,
        message_id=f"{where.channel}:again:{text(action.get('value'))}",
        user=user,
        text="",
        reply_to={"ts": at, "team": text(table(payload.get("user")).get("team_id"))},
        command=Command.RETRY,
    )
