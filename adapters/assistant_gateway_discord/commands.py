"""
The commands that Discord offers, and what they are registered as.

They are registered for all servers at once, and only when something about them has changed: Discord
counts registrations. developers/interactions/application-commands.mdx, 2026-08-06.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from assistant_gateway.platforms.shapes import Json, table, tables
from assistant_gateway.values import Command, JsonObject, JsonValue
from assistant_gateway_discord import routes
from assistant_gateway_discord.identity import Identity
from assistant_gateway_discord.web import Web

ASK = "ask"
ASK_ABOUT = "Ask about this"
CHAT_INPUT, MESSAGE = 1, 3  # kinds of commands
STRING, ATTACHMENT = 3, 11  # kinds of options
IN_SERVERS, WITH_THE_BOT = 0, 1  # where they are offered
INSTALLED_IN_SERVER = 0
QUESTION_LENGTH = 6000  # characters of a text option

_TOLD: dict[Command, str] = {
    Command.RESET: "Begin a new conversation",
    Command.STOP: "Stop the answer that is being made",
    Command.RETRY: "Answer the last question again",
    Command.UNDO: "Forget the last question and its answer",
    Command.USAGE: "Tell what was used",
    Command.HELP: "Tell what can be asked for",
}


def definitions() -> list[JsonObject]:
    """All commands, as Discord takes them."""
    question: JsonObject = {
        "type": STRING,
        "name": "question",
        "description": "What you want to know",
        "required": True,
        "max_length": QUESTION_LENGTH,
    }
    file: JsonObject = {
        "type": ATTACHMENT,
        "name": "file",
        "description": "A file to look at",
        "required": False,
    }
    found = [_command(CHAT_INPUT, ASK, "Ask the assistant", (question, file))]
    found += [_command(CHAT_INPUT, command.value, told) for command, told in _TOLD.items()]
    found.append(_command(MESSAGE, ASK_ABOUT, ""))
    return found


async def register(web: Web, me: Identity) -> bool:
    """
    Let Discord offer the commands; whether anything had to be changed.

    Raises:
        AdapterError: Discord can't be reached, or refuses.
    """
    there = await web.get_list(routes.commands(me.application_id))
    wanted = definitions()
    if sorted(map(_essence, there)) == sorted(map(_essence, wanted)):
        return False
    await web.call(routes.put_commands(me.application_id), wanted)
    structlog.get_logger().info("discord.commands_registered", commands=len(wanted))
    return True


def _command(kind: int, name: str, description: str, options: Sequence[JsonObject] = ()) -> JsonObject:
    told: dict[str, JsonValue] = {
        "type": kind,
        "name": name,
        "contexts": [IN_SERVERS, WITH_THE_BOT],
        "integration_types": [INSTALLED_IN_SERVER],
    }
    if description:
        told["description"] = description
    if options:
        told["options"] = list(options)
    return told


def _essence(command: Json | JsonObject) -> str:
    """What makes a command the same as another one; Discord adds ids, versions and what is empty."""
    told = table(command)
    options = [
        [
            each.get("type"),
            each.get("name"),
            each.get("description"),
            bool(each.get("required")),
            each.get("max_length"),
        ]
        for each in tables(told.get("options"))
    ]
    places = [told.get("contexts"), told.get("integration_types")]
    return repr(
        [told.get("type", CHAT_INPUT), told.get("name"), told.get("description") or "", options, places]
    )
