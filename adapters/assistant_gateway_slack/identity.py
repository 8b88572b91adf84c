"""Who the bot is in its workspace, as `auth.test` tells."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from assistant_gateway.platforms.shapes import Json, text
from assistant_gateway.values import JsonObject


@dataclass(frozen=True, slots=True)
class Identity:
    """
    The installation that our token stands for.

    Attributes:
        user_id: The bot's user, which people mention.
        bot_id: What marks the messages that this installation posted, and no other app's.
        enterprise_id: The organisation of the workspace; empty where there is none.
        scopes: What the token may do; empty when Slack did not say.
    """

    team_id: str
    user_id: str
    bot_id: str
    enterprise_id: str = ""
    team: str = ""
    name: str = ""
    scopes: frozenset[str] = frozenset()

    def posted(self, message: Json) -> bool:
        """Whether this installation posted *message*: any other app may copy our metadata, not our bot id."""
        if message.get("bot_id"):
            return message["bot_id"] == self.bot_id
        return message.get("user") == self.user_id

    def as_json(self) -> JsonObject:
        """For `from_json`."""
        return {**asdict(self), "scopes": ",".join(sorted(self.scopes))}

    @classmethod
    def from_json(cls, kept: Json) -> Identity:
        """
        What `as_json` gave.

        Raises:
            ValueError: It is something else.
        """
        return identity({**kept, "user": kept.get("name")}, text(kept.get("scopes")))


def identity(told: Json, scopes: str) -> Identity:
    """
    The identity that `auth.test` told.

    Raises:
        ValueError: The token is no bot's.
    """
    team_id, user_id, bot_id = (text(told.get(key)) for key in ("team_id", "user_id", "bot_id"))
    if not (team_id and user_id and bot_id):
        raise ValueError("this is no bot token")
    return Identity(
        team_id,
        user_id,
        bot_id,
        text(told.get("enterprise_id")),
        text(told.get("team")),
        text(told.get("user")),
        frozenset(scope.strip() for scope in scopes.split(",") if scope.strip()),
    )
