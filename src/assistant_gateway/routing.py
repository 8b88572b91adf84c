"""
Decide who answers a message, and with whom it shares its memory.

The first route whose conditions all hold wins. A place that no route is for goes to the assistant
``default``; a place whose routes are all for other people is refused. People are told apart by
the platform's immutable ids alone, compared exactly: a name is never a right.
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
        self._routes: Sequence[RouteSettings] = config.routes

    def route(self, inbound: Inbound) -> Routed | Refusal:
        """Who answers *inbound*, and in which lane it waits."""
        here = [route for route in self._routes if _is_for_place(route, inbound.conversation)]
        for route in here or (RouteSettings(),):
            if route.users is None or inbound.user.id in route.users:
                return Routed(
                    lane=lane(inbound.conversation, inbound.user, route.thread),
                    assistant=route.assistant,
                    busy=route.busy,
                    instructions=route.instructions,
                    tools=route.tools,
                    on_edit=route.on_edit,
                )
        return Refusal("You are not among the people who may ask here.")


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


def _is_for_place(route: RouteSettings, conversation: Conversation) -> bool:
    return (
        route.adapter in (None, conversation.adapter)
        and route.tenant in (None, conversation.tenant)
        and route.channel in (None, conversation.channel)
    )
