"""What people do with an app: commands, completions, context menus, buttons, selects and dialogs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emulators.discord.acts import begin
from emulators.discord.gestures import Gestures
from emulators.discord.interactions import Interaction
from emulators.discord.kinds import CommandType, InteractionType, MessageFlag
from emulators.discord.permissions import Permission, permissions
from emulators.discord.reading import BUTTON, nested
from emulators.discord.world import App, Attachment, Channel, Command, Message
from emulators.shapes import Json, record, records, string

GROUP, SUBCOMMAND = 2, 1
RESOLVED = {6: "users", 7: "channels", 8: "roles", 11: "attachments"}
SELECTED = {3: "", 5: "users", 6: "roles", 7: "users", 8: "channels"}


class Clicks(Gestures):
    """The people, and the apps that they use."""

    async def slash(
        self,
        channel: str,
        user: str,
        command: str,
        options: Mapping[str, object] | None = None,
        *,
        app: App | None = None,
    ) -> Interaction:
        """
        Send a slash command; a subcommand is named after its command: ``"memory forget"``.

        Raises:
            LookupError: No such command is registered there.
            ValueError: A required option is missing, or one is unknown.
            PermissionError: The person may not use commands there.
        """
        place, owner = self._usable(channel, user), app or self.app
        found, rest = self._command(owner, place, command, CommandType.CHAT_INPUT)
        told, resolved = self._options(place, found.options, rest, dict(options or {}), check=True)
        data = self._data(found, told, resolved)
        return begin(self.service, owner, InteractionType.COMMAND, user, place, data)

    async def complete(
        self,
        channel: str,
        user: str,
        command: str,
        focused: str,
        options: Mapping[str, object],
        *,
        app: App | None = None,
    ) -> Interaction:
        """Type in an option with completions; the app's offer is in `Interaction.choices`."""
        place, owner = self._usable(channel, user), app or self.app
        found, rest = self._command(owner, place, command, CommandType.CHAT_INPUT)
        told, _ = self._options(place, found.options, rest, dict(options), check=False, focused=focused)
        data = self._data(found, told, {})
        return begin(self.service, owner, InteractionType.AUTOCOMPLETE, user, place, data)

    async def context_menu(
        self, user: str, command: str, target: Message | str, *, channel: str = "", app: App | None = None
    ) -> Interaction:
        """
        Choose an app's entry in the menu of a message, or of a user (an id) in *channel*.

        Raises:
            LookupError: No such command is registered there.
        """
        owner = app or self.app
        if isinstance(target, Message):
            place = self._usable(target.channel_id, user)
            found, _ = self._command(owner, place, command, CommandType.MESSAGE)
            # The target's content is there even without the privileged intent.
            message = self.service.payloads.read_by(target, owner, content=True)
            resolved: Json = {"messages": {target.id: message}}
            target_id = target.id
        else:
            place = self._usable(channel, user)
            found, _ = self._command(owner, place, command, CommandType.USER)
            resolved = self._resolve_users(place, [target])
            target_id = target
        data = self._data(found, [], resolved) | {"target_id": target_id}
        return begin(self.service, owner, InteractionType.COMMAND, user, place, data)

    async def click(
        self,
        user: str,
        message: Message,
        custom_id: str,
        values: Sequence[str] | None = None,
        *,
        forged: bool = False,
    ) -> Interaction:
        """
        Press a button, or choose *values* in a select; a *forged* one need not be there.

        Raises:
            LookupError: The message has no such component, or it is disabled.
            PermissionError: The person does not see the message.
        """
        place = self.world.channels[message.channel_id]
        if message.ephemeral_to not in ("", user) or not self.service.feed.sees(user, place):
            raise PermissionError("they do not see it")
        component = self._component(message, custom_id)
        if component is None and not forged:
            raise LookupError(f"nothing to click with custom_id {custom_id!r}")
        kind = (component or {}).get("type", BUTTON)
        data: Json = {"custom_id": custom_id, "component_type": kind, "id": 1}
        if values is not None:
            data["values"] = list(values)
            group = SELECTED.get(kind, "") if isinstance(kind, int) else ""
            data |= {"resolved": self._resolve(place, group, list(values))} if group else {}
        owner = message.app or self.app
        return begin(self.service, owner, InteractionType.COMPONENT, user, place, data, message)

    async def submit(self, interaction: Interaction, values: Mapping[str, str]) -> Interaction:
        """
        Send off the dialog that *interaction* was answered with.

        Raises:
            LookupError: There is none, or it has no such field.
        """
        modal = interaction.modal
        if modal is None:
            raise LookupError("no dialog is open")
        fields = {string(each.get("custom_id")) for each in nested(records(modal.get("components")))}
        if unknown := values.keys() - fields:
            raise LookupError(f"the dialog has no {', '.join(sorted(unknown))}")
        components = [_submitted(each, values) for each in records(modal.get("components"))]
        data: Json = {"custom_id": modal["custom_id"], "components": components}
        return begin(
            self.service,
            interaction.app,
            InteractionType.MODAL,
            interaction.user_id,
            interaction.channel,
            data,
            interaction.message,
        )

    def answers(self, interaction: Interaction) -> list[Message]:
        """The messages that answer *interaction* and are there, oldest first."""
        own = [interaction.original, *interaction.followups]
        return [each for each in own if each is not None and each.deleted_at is None]

    def is_thinking(self, interaction: Interaction) -> bool:
        """Whether people see "is thinking…"."""
        original = interaction.original
        return original is not None and bool(original.flags & MessageFlag.LOADING)

    def _usable(self, channel: str, user: str) -> Channel:
        place = self.world.channels[channel]
        may = permissions(self.world, user, place, self.clock.now())
        if place.archived or not may & Permission.USE_APPLICATION_COMMANDS:
            raise PermissionError(f"{self.world.users[user].name} cannot use commands there")
        return place

    def _command(
        self, app: App, place: Channel, command: str, kind: CommandType
    ) -> tuple[Command, list[str]]:
        """The command, and the names of the subcommand below it; a server's own hides the global one."""
        words = command.split() if kind == CommandType.CHAT_INPUT else [command]
        there = [
            each
            for each in app.commands.values()
            if each.name == words[0] and each.type == kind and each.guild_id in ("", place.guild_id)
        ]
        if not there:
            raise LookupError(f"no command {command!r} is registered there")
        return max(there, key=lambda each: bool(each.guild_id)), words[1:]

    def _data(self, command: Command, options: list[Json], resolved: Json) -> Json:
        told: Json = {"id": command.id, "name": command.name, "type": int(command.type)}
        if command.guild_id:
            told["guild_id"] = command.guild_id
        if options:
            told["options"] = options
        return told | ({"resolved": resolved} if resolved else {})

    def _options(
        self,
        place: Channel,
        registered: list[Json],
        words: list[str],
        given: dict[str, object],
        *,
        check: bool,
        focused: str = "",
    ) -> tuple[list[Json], Json]:
        if words:
            below = next((each for each in registered if each["name"] == words[0]), None)
            if below is None:
                raise LookupError(f"no subcommand {words[0]!r}")
            inner = records(below.get("options"))
            told, resolved = self._options(place, inner, words[1:], given, check=check, focused=focused)
            return [{"name": below["name"], "type": below["type"], "options": told}], resolved
        known = {string(each["name"]): each for each in registered}
        if unknown := given.keys() - known.keys():
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        missing = [name for name, each in known.items() if each.get("required") and name not in given]
        if missing and check:
            raise ValueError(f"required: {', '.join(missing)}")
        options: list[Json] = []
        resolved = {}
        for name, value in given.items():
            kind = known[name]["type"]
            option: Json = {"name": name, "type": kind}
            if isinstance(value, Attachment):
                value.channel_id, value.ephemeral = place.id, True
                self.world.attachments[value.id] = value
                resolved["attachments"] = {value.id: self.service.payloads.attachment(value)}
                option["value"] = value.id
            else:
                option["value"] = _typed(value, kind)
                group = RESOLVED.get(kind) if isinstance(kind, int) else None
                if group:
                    resolved |= self._resolve(place, group, [str(value)])
            options.append(option | ({"focused": True} if name == focused else {}))
        return options, resolved

    def _resolve(self, place: Channel, group: str, ids: list[str]) -> Json:
        match group:
            case "users":
                return self._resolve_users(place, ids)
            case "roles":
                roles = self.world.guilds[place.guild_id].roles
                return {"roles": {each: self.service.payloads.role(roles[each]) for each in ids}}
            case "channels":
                channels = self.world.channels
                return {"channels": {each: self.service.payloads.channel(channels[each]) for each in ids}}
        return {}

    def _resolve_users(self, place: Channel, ids: list[str]) -> Json:
        payloads = self.service.payloads
        told: Json = {"users": {each: payloads.user(self.world.users[each]) for each in ids}}
        guild = self.world.guilds.get(place.guild_id)
        if guild is not None:
            there = [each for each in ids if each in guild.members]
            told["members"] = {
                each: payloads.member(guild.members[each], user=False) | {"permissions": "0"}
                for each in there
            }
        return told

    def _component(self, message: Message, custom_id: str) -> Json | None:
        return next(
            (
                each
                for each in nested(message.components)
                if each.get("custom_id") == custom_id and not each.get("disabled")
            ),
            None,
        )


def _typed(value: object, kind: object) -> object:
    """What was typed, as the option's type: whole numbers, numbers and yes or no are not sent as text."""
    if not isinstance(value, str):
        return value
    match kind:
        case 4:
            return int(value)
        case 5:
            return value.lower() in ("true", "yes", "1")
        case 10:
            return float(value)
    return value


def _submitted(component: Json, values: Mapping[str, str]) -> Json:
    """What a row or a label of a dialog became."""
    told: Json = {"type": component.get("type"), "id": component.get("id", 1)}
    if "custom_id" in component:
        name = string(component["custom_id"])
        return told | {"custom_id": name, "value": values.get(name, string(component.get("value")))}
    if "component" in component:
        return told | {"component": _submitted(record(component["component"]), values)}
    return told | {"components": [_submitted(each, values) for each in records(component.get("components"))]}
