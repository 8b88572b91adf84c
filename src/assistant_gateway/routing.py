"""
Decide who answers a message, and with whom it shares its memory.

The first route whose conditions all hold wins. Where routes are configured and none of them
holds, nobody answers; without any route everything goes to the assistant ``default``. People
are told apart by the platform's immutable ids alone, compared exactly: a name is never a right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant_gateway.config import Config, RouteSettings
from assistant_gateway.values import Conversation, Inbound, Lane, Routed, User


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody answers there; ``reason`` is for people."""

    reason: str


class Router:
    """The routes of a configuration."""

    def __init__(self, config: Config) -> None:
        self._routes: Sequence[RouteSettings] = config.routes or (RouteSettings(),)

    def route(self, inbound: Inbound) -> Routed | Refusal:
        """Who answers *inbound*, and in which lane it waits."""
        for route in self._routes:
            if _matches(route, inbound.conversation, inbound.user):
                return Routed(
                    lane=lane(inbound.conversation, inbound.user, route.thread),
                    assistant=route.assistant,
                    busy=route.busy,
                    instructions=route.instructions,
                    tools=route.tools,
                )
        return Refusal("No route answers here.")


def lane(conversation: Conversation, user: User, thread: str) -> Lane:
    """Fold a conversation into the lane that a thread policy gives it."""
    place = (conversation.adapter, conversation.tenant, conversation.channel)
    match thread:
        case "topic":
            return Lane(*place, topic=conversation.topic)
        case "user":
            return Lane(*place, member=user.id)
        case _:
            return Lane(*place)


def _matches(route: RouteSettings, conversation: Conversation, user: User) -> bool:
    return (
        route.adapter in (None, conversation.adapter)
        and route.tenant in (None, conversation.tenant)
        and route.channel in (None, conversation.channel)
        and (route.users is None or user.id in route.users)
    )
