"""
What people write, turned into accepted messages: when `hear` returns, Slack may be told "received".

Messages of one conversation go in one after another, in the order in which they came, so that a slow
file or name does not let a later message overtake. A repetition waits behind the first delivery and
finds the message accepted.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import structlog

from assistant_gateway.adapter import Intake, Receipt, Verdict
from assistant_gateway.platforms.bots import BotTurns
from assistant_gateway.platforms.shapes import Json, text
from assistant_gateway.values import Conversation, Inbound
from assistant_gateway_slack.asides import Aside, ahead, refusal
from assistant_gateway_slack.downloads import Downloads
from assistant_gateway_slack.earlier import Earlier
from assistant_gateway_slack.echoes import Echoes
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.kinds import Kinds
from assistant_gateway_slack.markup import mentioned, readable
from assistant_gateway_slack.people import People, as_user
from assistant_gateway_slack.said import ADAPTER, Deleted, Echo, Edited, Ignored, Said, judge
from assistant_gateway_slack.sessions import titled
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.turns import Turns

NAMED = 20  # people of one message whose names are asked for


class Ears:
    """
    Hears messages, their edits and their deletions.

    Args:
        tell: Shows an aside, soon, and does not wait.
        looking_at: The channel that a person looks at beside the talk; tools may know it.
    """

    def __init__(
        self,
        settings: SlackSettings,
        people: People,
        downloads: Downloads,
        earlier: Earlier,
        echoes: Echoes,
        tell: Callable[[Aside], None],
        looking_at: Callable[[str], str],
    ) -> None:
        self._settings = settings
        self._people = people
        self._downloads = downloads
        self._earlier = earlier
        self._echoes = echoes
        self._tell = tell
        self._looking_at = looking_at
        self._kinds = Kinds()
        self._turns: Turns[Conversation] = Turns()
        self._bots: BotTurns[Conversation] = BotTurns(settings.max_bot_turns)
        self._told: OrderedDict[str, None] = OrderedDict()
        self._log = structlog.get_logger()

    async def hear(self, payload: Json, me: Identity, intake: Intake) -> None:
        """
        Take in what an ``event_callback`` holds.

        Raises:
            StoreUnavailable: Nothing was written; Slack must send it again.
        """
        payload = await self._kinds.completed(payload)
        judged = judge(payload, me, agent=self._settings.view == "agent")
        match judged:
            case Echo():
                self._echoes.hear(judged.channel, judged.key, judged.ts)
            case Ignored():
                log = self._log.warning if judged.odd else self._log.debug
                log("slack.ignored", reason=judged.reason, event_id=text(payload.get("event_id"))[:100])
            case Said() if self._may_speak(judged):
                async with self._turns.of(judged.conversation):
                    await self._accept(judged, me, intake)
            case Edited() | Deleted():
                async with self._turns.of(judged.conversation):
                    await self._change(judged, me, intake)

    def _may_speak(self, said: Said) -> bool:
        if said.is_bot and self._settings.ignore_bots:
            return False
        return self._settings.admits(said.user, said.channel, direct=said.direct)

    async def _accept(self, said: Said, me: Identity, intake: Intake) -> None:
        if not await self._is_for_us(said, intake):
            return
        if not self._bots.allow(said.conversation, said.message_id, is_bot=said.is_bot):
            self._log.warning("slack.bot_loop", channel=said.channel, turns=self._settings.max_bot_turns)
            return
        if await intake.message(ADAPTER, said.team, said.message_id) is not None:
            return  # a twin or a repetition: Slack wants to hear at once that it is known
        inbound, notes = await self._inbound(said, me, intake)
        receipt = await intake.accept(inbound)
        if receipt.verdict is Verdict.ACCEPTED:
            for note in (*notes, *ahead(receipt.ahead)):
                self._tell(Aside(said.conversation, said.user, note))
        elif receipt.verdict is Verdict.BUSY or (
            receipt.verdict is Verdict.REFUSED and (said.direct or said.mentioned)
        ):
            self._tell_once(said, receipt)

    async def _is_for_us(self, said: Said, intake: Intake) -> bool:
        """Direct messages, mentions, what is said where everything is answered, and follow-ups."""
        settings = self._settings
        if said.direct or said.mentioned:
            return True
        if settings.answer == "always" or said.channel in settings.always_in:
            return True
        if settings.answer == "mention" or not said.thread_ts:
            return False
        return await intake.takes_part(said.conversation)

    async def _change(self, change: Edited | Deleted, me: Identity, intake: Intake) -> None:
        if await intake.message(ADAPTER, me.team_id, change.message_id) is None:
            return
        if isinstance(change, Deleted):
            await intake.deleted(change.conversation, change.message_id)
        else:
            words = await self._words(change.text, [], me)
            await intake.edited(change.conversation, change.message_id, words)

    async def _inbound(self, said: Said, me: Identity, intake: Intake) -> tuple[Inbound, tuple[str, ...]]:
        """The message as the gateway takes it; a file that was left out is told to the model, too."""
        begins = not (said.thread_ts and await intake.takes_part(said.conversation))
        # Who gives a command (`/reset`) asks nothing that a quotation could help with.
        asks = not readable(said.text, me=me.user_id, names={}).startswith("/")

        async def earlier_words() -> str:
            return await self._earlier.quoted(said, me) if begins and asks else ""

        earlier, (attachments, notes), words = await asyncio.gather(
            earlier_words(),
            self._downloads.fetch(said.files),
            self._words(said.text, [said.user], me),
        )
        person = self._people.told([said.user]).get(said.user)  # waited for with the words
        question = "\n".join(part for part in (words, *(f"[{note}]" for note in notes)) if part)
        team = person.team_id if person is not None else ""
        title = {"title": titled(words)} if begins and said.topic and self._settings.view != "none" else {}
        inbound = Inbound(
            conversation=said.conversation,
            message_id=said.message_id,
            user=as_user(said.user, person, me, is_bot=said.is_bot, is_foreign=said.is_foreign),
            text=f"{earlier}\n\n{question}" if earlier else question,
            attachments=attachments,
            keys=said.keys,
            metadata={"looking_at": channel} if (channel := self._looking_at(said.user)) else {},
            reply_to={"ts": said.ts, "team": team or me.team_id, **title},
        )
        return inbound, notes

    async def _words(self, written: str, also: list[str], me: Identity) -> str:
        """What a person wrote, with names for ids; *also* are people to be asked for in one go."""
        ids = [id for id in mentioned(written) if id != me.user_id]
        people = await self._people.known([*also, *ids[:NAMED]])
        names = {id: person.name for id, person in people.items() if person.name}
        return readable(written, me=me.user_id, names=names)

    def _tell_once(self, said: Said, receipt: Receipt) -> None:
        """A mention comes twice, and nothing of a refused message is kept that would tell."""
        if said.message_id in self._told:
            return
        self._told[said.message_id] = None
        while len(self._told) > 1000:
            self._told.popitem(last=False)
        self._tell(Aside(said.conversation, said.user, refusal(receipt)))
