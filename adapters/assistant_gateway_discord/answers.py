"""
How Discord is told about an interaction: within a second, whatever takes longer.

Discord waits three seconds. What is not ready by then is announced ("thinking…") and told later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import structlog

from assistant_gateway.errors import AdapterError, NotAllowed, RateLimited, StoreUnavailable
from assistant_gateway.values import JsonObject
from assistant_gateway_discord import routes
from assistant_gateway_discord.drafts import EPHEMERAL, SUPPRESS_EMBEDS, private, small
from assistant_gateway_discord.faults import Stumbled, TokenEnded
from assistant_gateway_discord.interactions import Interaction
from assistant_gateway_discord.web import Web

PATIENCE = 0.8  # seconds
IN_TIME = 2.5  # seconds after which Discord need not be told any more: it waits for three
AGAIN = 0.2  # seconds between two tries to tell it
TRIES = 6  # to put words in the place of what was announced
PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two of them
MESSAGE, THINKING, MODAL = 4, 5, 9  # kinds of answers
NOT_NOW = "That could not be done just now. Please try again in a moment."


class Answers:
    """Answers interactions; Discord's own refusals are logged and end nothing."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._log = structlog.get_logger()

    async def privately(self, asked: Interaction, saying: Coroutine[None, None, str]) -> None:
        """Tell the person what *saying* brings, and nobody else."""
        task = asyncio.create_task(_words(saying))
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        if done:
            await self._respond(asked, {"type": MESSAGE, "data": private(task.result())})
            return
        await self._respond(asked, {"type": THINKING, "data": {"flags": EPHEMERAL}})
        await self.instead(asked, private(await task))

    async def thinking(self, asked: Interaction) -> None:
        """Announce an answer that everybody sees."""
        await self._respond(asked, {"type": THINKING})

    async def queued(self, asked: Interaction, text: str) -> None:
        """Say in public, in small print, what the answer waits for; it takes the place of this."""
        await self._respond(asked, {"type": MESSAGE, "data": small(text)})

    async def form(self, asked: Interaction, form: JsonObject) -> None:
        """Show a form."""
        await self._respond(asked, {"type": MODAL, "data": form})

    async def instead(self, asked: Interaction, body: JsonObject) -> None:
        """Put *body* in place of what was announced."""
        route = routes.edit_original(asked.token.application, asked.token.token)
        # Whether only one person sees it was settled by the announcement.
        changed = {**body, "flags": SUPPRESS_EMBEDS}
        pause = PAUSE
        for tries_left in reversed(range(TRIES)):
            try:
                await self._web.call(route, changed)
                return
            except AdapterError as error:
                if not (tries_left and isinstance(error, (RateLimited, Stumbled))):
                    self._log.warning("discord.interaction_unanswered", error=str(error))
                    return
                await asyncio.sleep(min(_wait(error) or pause, LONGEST_PAUSE))
                pause *= 2

    async def _respond(self, asked: Interaction, body: JsonObject) -> None:
        while True:
            try:
                await self._web.call(routes.respond(asked.id, asked.token.token), body)
                return
            except TokenEnded as error:
                # It came too late, or twice: after a gap Discord sends old ones again.
                self._log.info("discord.interaction_too_late", error=str(error))
                return
            except AdapterError as error:
                wait = max(AGAIN, _wait(error))
                may_pass = isinstance(error, (RateLimited, Stumbled))
                if not may_pass or asked.token.age + wait > IN_TIME:
                    self._log.warning("discord.interaction_unanswered", error=str(error))
                    return
                await asyncio.sleep(wait)


def _wait(error: AdapterError) -> float:
    """Seconds that Discord asks to wait; 0 where it does not."""
    return error.retry_after if isinstance(error, RateLimited) else 0.0


async def _words(saying: Coroutine[None, None, str]) -> str:
    try:
        return await saying
    except NotAllowed as error:
        return str(error)
    except StoreUnavailable:
        return NOT_NOW
    except Exception:  # the person waits, whatever it was
        structlog.get_logger().exception("discord.interaction_failed")
        return NOT_NOW
