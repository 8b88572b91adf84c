"""
The calls of Discord's HTTP API that are made, and what each counts against.

developers/resources/*.mdx and developers/interactions/*.mdx, 2026-08-06. A path of an interaction holds
its token, which is a secret for as long as it is good: nothing that is shown is made of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

BOT = "discord:bot"  # what all calls with the bot's token share


@dataclass(frozen=True, slots=True)
class Route:
    """
    One call: *template* with *ids* in it.

    Attributes:
        query: Of the address, ready to be sent.
    """

    method: str
    template: str
    ids: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """The path below the API's address."""
        return self.template.format(*(quote(id, safe="@") for id in self.ids))

    @property
    def kind(self) -> str:
        """The call without what it is about."""
        return f"{self.method} {self.template}"

    @property
    def is_bots(self) -> bool:
        """Whether the bot's token is needed, and the call counts among the bot's."""
        return not self.template.startswith(("/webhooks/", "/interactions/"))

    @property
    def is_replys(self) -> bool:
        """Whether it makes, changes or removes a message: replies do so within their budgets."""
        return self.method != "GET" and self.template.startswith("/channels/{}/messages")

    @property
    def major(self) -> str:
        """What Discord counts such calls by: a channel, a server, or an interaction (its token hashed)."""
        if self.is_bots:
            return self.ids[0] if self.ids else ""
        return hashlib.sha256(self.ids[1].encode()).hexdigest()[:16]

    @property
    def scope(self) -> str:
        """The name of the budget of such calls."""
        return f"discord:{self.method}:{self.template}:{self.major}"


def me() -> Route:
    return Route("GET", "/users/@me")


def application() -> Route:
    return Route("GET", "/applications/@me")


def gateway() -> Route:
    return Route("GET", "/gateway/bot")


def guilds() -> Route:
    return Route("GET", "/users/@me/guilds", query=(("limit", "5"),))


def member(guild: str, user: str) -> Route:
    return Route("GET", "/guilds/{}/members/{}", (guild, user))


def channel(id: str) -> Route:
    return Route("GET", "/channels/{}", (id,))


def change_channel(id: str) -> Route:
    return Route("PATCH", "/channels/{}", (id,))


def post(channel: str) -> Route:
    return Route("POST", "/channels/{}/messages", (channel,))


def edit(channel: str, message: str) -> Route:
    return Route("PATCH", "/channels/{}/messages/{}", (channel, message))


def delete(channel: str, message: str) -> Route:
    return Route("DELETE", "/channels/{}/messages/{}", (channel, message))


def message(channel: str, id: str) -> Route:
    return Route("GET", "/channels/{}/messages/{}", (channel, id))


def messages(channel: str, limit: int, *, after: str = "", before: str = "") -> Route:
    """Either the oldest after *after* or the newest before *before*; in any case the newest come first."""
    query = [("limit", str(limit))]
    query += [("after", after)] if after else []
    query += [("before", before)] if before else []
    return Route("GET", "/channels/{}/messages", (channel,), tuple(query))


def typing(channel: str) -> Route:
    return Route("POST", "/channels/{}/typing", (channel,))


def start_thread(channel: str, message: str) -> Route:
    return Route("POST", "/channels/{}/messages/{}/threads", (channel, message))


def commands(application: str) -> Route:
    return Route("GET", "/applications/{}/commands", (application,))


def put_commands(application: str) -> Route:
    return Route("PUT", "/applications/{}/commands", (application,))


def respond(interaction: str, token: str) -> Route:
    return Route("POST", "/interactions/{}/{}/callback", (interaction, token))


def original(application: str, token: str) -> Route:
    return Route("GET", "/webhooks/{}/{}/messages/@original", (application, token))


def edit_original(application: str, token: str) -> Route:
    return Route("PATCH", "/webhooks/{}/{}/messages/@original", (application, token))


def edit_followup(application: str, token: str, message: str) -> Route:
    return Route("PATCH", "/webhooks/{}/{}/messages/{}", (application, token, message))


def follow_up(application: str, token: str) -> Route:
    return Route("POST", "/webhooks/{}/{}", (application, token))
