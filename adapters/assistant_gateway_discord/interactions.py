"""
A command, a press on a button or a form that was filled in, as Discord tells of it.

developers/interactions/receiving-and-responding.mdx, 2026-08-06.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from assistant_gateway.platforms.shapes import Json, number, table, tables, text
from assistant_gateway.values import User
from assistant_gateway_discord.places import Place, place
from assistant_gateway_discord.said import name_of
from assistant_gateway_discord.shapes import snowflake, snowflakes
from assistant_gateway_discord.targets import LIFE, Token

COMMAND, COMPONENT, FORM = 2, 3, 5  # kinds of interactions


@dataclass(frozen=True, slots=True)
class Interaction:
    """
    What a person did.

    Attributes:
        kind: A command, a component or a form.
        data: What Discord tells of it.
        message: The message whose button was pressed.
    """

    id: str
    kind: int
    token: Token
    data: Json
    place: Place
    channel: str
    user: User
    message: Json

    @property
    def command(self) -> str:
        """The command's name."""
        return text(self.data.get("name"))

    @property
    def custom_id(self) -> str:
        return text(self.data.get("custom_id"))

    def option(self, name: str) -> str:
        """An option's value: words, or the id of a file."""
        return next(
            (
                text(each.get("value"))
                for each in tables(self.data.get("options"))
                if each.get("name") == name
            ),
            "",
        )

    def resolved(self, kind: str, id: str) -> Json:
        """What Discord tells of a thing that the command names."""
        return table(table(table(self.data.get("resolved")).get(kind)).get(id))


def read(told: Json) -> Interaction | None:
    """The interaction that a gateway event tells of; None where it is none for us."""
    id, application = snowflake(told.get("id")), snowflake(told.get("application_id"))
    member = table(told.get("member"))
    author = table(member.get("user")) or table(told.get("user"))
    user, secret = snowflake(author.get("id")), text(told.get("token"))
    guild = snowflake(told.get("guild_id"))
    channel = table(told.get("channel"))
    where = snowflake(channel.get("id")) or snowflake(told.get("channel_id"))
    if not (id and application and user and secret and where):
        return None
    return Interaction(
        id=id,
        kind=number(told.get("type")),
        token=Token(id, application, secret, time.time() + LIFE),
        data=table(told.get("data")),
        place=place(channel, guild) if guild and channel else Place(guild, where),
        channel=where,
        user=User(
            id=user,
            name=name_of(author, member),
            is_bot=author.get("bot") is True,
            roles=snowflakes(member.get("roles")),
        ),
        message=table(told.get("message")),
    )
