"""
Application commands: developers/interactions/application-commands.mdx, 2026-08-06.

A command keeps its id when it is registered again under its name; its `version` changes when it does.
"""

from __future__ import annotations

import re

from emulators.discord import sizes
from emulators.discord.kinds import CommandType
from emulators.discord.refusal import Refusal, invalid, out_of_range, required, too_long
from emulators.discord.routes.caller import Answer, Caller, Route, bounded
from emulators.discord.routes.components import as_objects
from emulators.discord.world import Command
from emulators.shapes import Json, records, string

NAME = re.compile(r"[-_'\w]{1,32}")
DAY = 86_400.0
SUB = (1, 2)  # option types that have options of their own
OPTIONAL = (
    "name_localizations",
    "description_localizations",
    "default_member_permissions",
    "dm_permission",
    "nsfw",
    "integration_types",
    "contexts",
)


def _scope(caller: Caller) -> str:
    """
    The server whose commands are meant; empty for the global ones.

    Raises:
        Refusal: 20012: another app's; 50001 or 10004: no such server.
    """
    if caller.id("application") != caller.app.id:
        told = "You are not authorized to perform this action on this application"
        raise Refusal(20012, status=403, message=told)
    return caller.guild().id if "guild" in caller.parameters else ""


def _in_scope(caller: Caller, scope: str) -> list[Command]:
    return [each for each in caller.app.commands.values() if each.guild_id == scope]


def _one(caller: Caller, scope: str) -> Command:
    found = caller.app.commands.get(caller.id("command"))
    if found is None or found.guild_id != scope:
        raise Refusal(10063)
    return found


def _told(caller: Caller, command: Command) -> Json:
    return caller.service.payloads.command(command, caller.app)


async def listing(caller: Caller) -> Answer:
    """`GET …/commands`."""
    return [_told(caller, each) for each in _in_scope(caller, _scope(caller))]


async def get(caller: Caller) -> Answer:
    """`GET …/commands/{command}`."""
    return _told(caller, _one(caller, _scope(caller)))


async def create(caller: Caller) -> Answer:
    """`POST …/commands`: a new one, or another one of that name and kind overwritten."""
    scope = _scope(caller)
    return _told(caller, _register(caller, scope, caller.fields, ""))


async def edit(caller: Caller) -> Answer:
    """`PATCH …/commands/{command}`."""
    command = _one(caller, _scope(caller))
    before = _told(caller, command)
    fields = {name: before.get(name) for name in ("name", "description", "options")} | caller.fields
    fields["type"] = int(command.type)
    _write(caller, command, _checked(fields, ""), fields)
    return _told(caller, command)


async def remove(caller: Caller) -> Answer:
    """`DELETE …/commands/{command}`."""
    del caller.app.commands[_one(caller, _scope(caller)).id]
    return None


async def overwrite(caller: Caller) -> Answer:
    """`PUT …/commands`: exactly these from now on; nothing changes if one of them is wrong."""
    scope = _scope(caller)
    given = as_objects(caller.body, "_")
    kinds = [_checked(fields, f"{index}.") for index, fields in enumerate(given)]
    keys = [(string(fields.get("name")), kind) for fields, kind in zip(given, kinds, strict=True)]
    if len(set(keys)) < len(keys):
        told = "Application command names must be unique"
        raise invalid("_", "APPLICATION_COMMANDS_DUPLICATE_NAME", told)
    for kind in CommandType:
        most = sizes.COMMANDS if kind == CommandType.CHAT_INPUT else sizes.CONTEXT_COMMANDS
        if kinds.count(kind) > most:
            raise Refusal(30032)
    for old in _in_scope(caller, scope):
        if (old.name, old.type) not in keys:
            del caller.app.commands[old.id]
    made = [_register(caller, scope, fields, f"{index}.") for index, fields in enumerate(given)]
    return [_told(caller, each) for each in made]


def _register(caller: Caller, scope: str, fields: Json, path: str) -> Command:
    kind = _checked(fields, path)
    there = _in_scope(caller, scope)
    name = string(fields.get("name"))
    found = next((each for each in there if (each.name, each.type) == (name, kind)), None)
    if found is None:
        most = sizes.COMMANDS if kind == CommandType.CHAT_INPUT else sizes.CONTEXT_COMMANDS
        if sum(each.type == kind for each in there) >= most:
            raise Refusal(30032)
        _count(caller, scope)
        found = Command(caller.service.mint(), scope, name, kind, caller.service.mint())
        caller.app.commands[found.id] = found
    _write(caller, found, kind, fields)
    return found


def _count(caller: Caller, scope: str) -> None:
    """200 new ones in a day: "Create Global Application Command"."""
    creates = [each for each in caller.app.creates.get(scope, ()) if each > caller.now - DAY]
    if len(creates) >= sizes.COMMAND_CREATES:
        raise Refusal(30034)
    caller.app.creates[scope] = [*creates, caller.now]


def _write(caller: Caller, command: Command, kind: CommandType, fields: Json) -> None:
    before = command.name, command.description, command.options, command.fields
    command.name, command.type = string(fields.get("name")), kind
    command.description = string(fields.get("description"))
    command.options = records(fields.get("options"))
    command.fields = {name: fields[name] for name in OPTIONAL if fields.get(name) is not None}
    if before != (command.name, command.description, command.options, command.fields):
        command.version = caller.service.mint()


def _checked(fields: Json, path: str) -> CommandType:
    """The kind of a command that is well-formed."""
    given = fields.get("type", 1)
    if given not in (1, 2, 3):
        raise invalid(f"{path}type", "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3).")
    kind = CommandType(given)
    if "name" not in fields:
        raise required(f"{path}name")
    name = bounded(fields["name"], f"{path}name", 1, sizes.COMMAND_NAME)
    if kind != CommandType.CHAT_INPUT:
        if fields.get("description"):
            told = "Context menu commands cannot have description"
            raise invalid(f"{path}description", "APPLICATION_COMMAND_DESCRIPTION_INVALID", told)
        return kind
    _check_name(name, f"{path}name")
    bounded(fields.get("description"), f"{path}description", 1, sizes.COMMAND_DESCRIPTION)
    if _check_options(fields.get("options"), path) + len(name) > sizes.COMMAND_TOTAL:
        raise too_long(path + "_", sizes.COMMAND_TOTAL)
    return kind


def _check_name(name: str, path: str) -> None:
    if not NAME.fullmatch(name) or name != name.lower():
        told = "Command name is invalid"
        raise invalid(path, "APPLICATION_COMMAND_INVALID_NAME", told)


def _check_options(given: object, path: str) -> int:
    """How many characters the options have in all."""
    options = as_objects(given, f"{path}options")
    if len(options) > sizes.OPTIONS:
        raise too_long(f"{path}options", sizes.OPTIONS)
    total, optional = 0, False
    for index, option in enumerate(options):
        place = f"{path}options.{index}."
        if option.get("type") not in range(1, 12):
            raise invalid(f"{place}type", "BASE_TYPE_CHOICES", "Value must be one of 1 to 11.")
        name = bounded(option.get("name"), f"{place}name", 1, sizes.COMMAND_NAME)
        _check_name(name, f"{place}name")
        described = bounded(option.get("description"), f"{place}description", 1, sizes.COMMAND_DESCRIPTION)
        if option.get("required") and optional:
            told = "Required options must be placed before non-required options"
            raise invalid(f"{path}options.{index}", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", told)
        optional = optional or (not option.get("required") and option.get("type") not in SUB)
        choices = as_objects(option.get("choices"), f"{place}choices")
        if len(choices) > sizes.OPTIONS:
            raise out_of_range(f"{place}choices", 0, sizes.OPTIONS)
        total += len(name) + len(described) + _check_options(option.get("options"), place)
    return total


def _routes(path: str) -> tuple[Route, ...]:
    return (
        Route("GET", path, listing),
        Route("POST", path, create),
        Route("PUT", path, overwrite),
        Route("GET", f"{path}/{{command}}", get),
        Route("PATCH", f"{path}/{{command}}", edit),
        Route("DELETE", f"{path}/{{command}}", remove),
    )


ROUTES = (
    *_routes("/applications/{application}/commands"),
    *_routes("/applications/{application}/guilds/{guild}/commands"),
)
