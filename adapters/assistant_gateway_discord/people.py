"""The roles and names of people, where a message itself does not tell: in histories."""

from __future__ import annotations

from dataclasses import replace

import structlog

from assistant_gateway.errors import AdapterError, Forbidden, RateLimited
from assistant_gateway.platforms.shapes import table
from assistant_gateway_discord import routes
from assistant_gateway_discord.faults import Stumbled, Unauthorised
from assistant_gateway_discord.said import Said, name_of
from assistant_gateway_discord.shapes import snowflakes
from assistant_gateway_discord.web import Web


class People:
    """Asks for the members of servers."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self._log = structlog.get_logger()

    async def with_roles(self, said: Said) -> Said:
        """
        The message with its author's roles; of somebody who has left, without any.

        Raises:
            AdapterError: Discord can't be asked now.
        """
        if said.roles is not None or said.direct:
            return replace(said, roles=said.roles or ())
        try:
            member = await self._web.get(routes.member(said.guild, said.user))
        except (RateLimited, Stumbled, Unauthorised):
            raise
        except Forbidden:
            return replace(said, roles=())
        except AdapterError as error:
            self._log.warning("discord.person_unknown", user=said.user, error=str(error))
            return replace(said, roles=())
        name = name_of(table(member.get("user")), member) or said.name
        return replace(said, roles=snowflakes(member.get("roles")), name=name)
