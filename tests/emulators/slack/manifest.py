"""What an app asks for in its manifest: scopes, events, its view, and where events go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

View: TypeAlias = Literal["agent", "assistant", "none"]

EVENTS = frozenset(
    (
        "agent_session_stopped",
        "agent_session_title_changed",
        "app_context_changed",
        "app_home_opened",
        "app_mention",
        "app_uninstalled",
        "assistant_thread_context_changed",
        "assistant_thread_started",
        "member_joined_channel",
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
        "reaction_added",
        "reaction_removed",
        "tokens_revoked",
    )
)
HISTORY = tuple(f"{kind}:history" for kind in ("channels", "groups", "im", "mpim"))
READ = tuple(f"{kind}:read" for kind in ("channels", "groups", "im", "mpim"))
SCOPES = frozenset(
    (
        *HISTORY,
        *READ,
        "app_mentions:read",
        "assistant:write",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "im:write",
        "metadata.message:read",
        "mpim:write",
        "reactions:read",
        "reactions:write",
        "team:read",
        "users:read",
    )
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    An app as its manifest describes it.

    Attributes:
        scopes: The bot scopes it asks for.
        events: The event types it subscribed to, as in the manifest (`message.channels` …).
        metadata_events: Metadata types whose payload comes with message events.
        view: Whether people meet it in the agent view or in the older assistant container.
        request_url: Where events are posted; empty for Socket Mode.
        redirect_urls: Where installations may lead back to; without any, nobody looks.
        rotates_tokens: Access tokens live 12 h.
        restricted: Sold outside the Marketplace: `conversations.replies` and `.history` once a minute,
            15 messages at a time (docs.slack.dev, "Rate limits", 2026-09-14).
    """

    scopes: frozenset[str] = SCOPES
    events: frozenset[str] = EVENTS
    metadata_events: frozenset[str] = frozenset()
    view: View = "agent"
    request_url: str = ""
    redirect_urls: tuple[str, ...] = ()
    rotates_tokens: bool = False
    restricted: bool = False

    @property
    def socket_mode(self) -> bool:
        """Whether events come over a WebSocket that the app opens."""
        return not self.request_url
