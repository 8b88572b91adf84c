"""
What a message is to become, checked: the same for new and edited ones, of bots and of webhooks.

Limits and codes: developers/resources/message.mdx, "Create Message" and "Edit Message", 2026-08-06. That
white space around the content is trimmed is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from emulators.discord import sizes
from emulators.discord.kinds import MessageFlag
from emulators.discord.mentions import Allowed, allowed_in
from emulators.discord.refusal import Refusal, invalid, too_long
from emulators.discord.routes.caller import Caller
from emulators.discord.routes.components import as_objects, check_components, check_layout
from emulators.discord.world import Attachment, Channel, Message
from emulators.shapes import Json, record, records, string

SETTABLE = (
    MessageFlag.SUPPRESS_EMBEDS
    | MessageFlag.SUPPRESS_NOTIFICATIONS
    | MessageFlag.COMPONENTS_V2
    | MessageFlag.VOICE_MESSAGE
)


@dataclass(frozen=True, slots=True)
class Draft:
    """
    What was sent; None for a field that was not.

    Attributes:
        kept: Ids of the attachments that stay in an edit; None keeps all.
        added: New files.
    """

    allowed: Allowed
    content: str | None = None
    embeds: list[Json] | None = None
    components: list[Json] | None = None
    flags: int | None = None
    poll: Json | None = None
    stickers: list[Json] = field(default_factory=list)
    kept: frozenset[str] | None = None
    added: list[Attachment] = field(default_factory=list)


def draft_of(
    caller: Caller,
    body: Json,
    channel: Channel,
    default: Allowed,
    *,
    settable: int = SETTABLE,
    flags: int = 0,
) -> Draft:
    """
    What *body* says; *flags* are those that an edited message has already.

    Raises:
        Refusal: Code 50035 and others, as the fields demand.
    """
    given = body.get("flags")
    if given is not None and not isinstance(given, int):
        raise invalid("flags", "NUMBER_TYPE_COERCE", "Value is not int.")
    wanted = given & settable if given is not None else None
    content = _content(body.get("content")) if "content" in body else None
    embeds = as_objects(body.get("embeds"), "embeds") if "embeds" in body else None
    if embeds is None and body.get("embed") is not None:
        raise invalid("embed", "UNKNOWN_FIELD", "The field is `embeds` since v9")
    check_embeds(embeds or [])
    components = as_objects(body.get("components"), "components") if "components" in body else None
    layout = flags | (wanted or 0)
    check_components(components or [], layout)
    check_layout(layout, content or "", bool(embeds or body.get("poll") or body.get("sticker_ids")))
    ephemeral = bool(layout & MessageFlag.EPHEMERAL)
    return Draft(
        allowed=allowed_in(body.get("allowed_mentions"), default),
        content=content,
        embeds=embeds,
        components=components,
        flags=wanted,
        poll=record(body.get("poll")) or None,
        stickers=[{"id": str(each), "name": "sticker"} for each in _list(body.get("sticker_ids"))],
        kept=_kept(body),
        added=_added(caller, body, channel, ephemeral=ephemeral),
    )


def _content(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise invalid("content", "STRING_TYPE_CONVERT", "Could not interpret value as string.")
    if len(value) > sizes.CONTENT:
        raise too_long("content", sizes.CONTENT)
    return value.strip()


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def check_embeds(embeds: list[Json]) -> None:
    """
    Look at embeds: developers/resources/message.mdx, "Embed Limits".

    Raises:
        Refusal: Code 50035.
    """
    if len(embeds) > sizes.EMBEDS:
        raise too_long("embeds", sizes.EMBEDS)
    total = 0
    for index, embed in enumerate(embeds):
        path = f"embeds.{index}"
        fields = records(embed.get("fields"))
        if len(fields) > sizes.EMBED_FIELDS:
            raise too_long(f"{path}.fields", sizes.EMBED_FIELDS)
        texts = [
            ("title", embed.get("title"), sizes.EMBED_TITLE),
            ("description", embed.get("description"), sizes.EMBED_DESCRIPTION),
            ("footer.text", record(embed.get("footer")).get("text"), sizes.EMBED_FOOTER),
            ("author.name", record(embed.get("author")).get("name"), sizes.EMBED_AUTHOR),
        ]
        for number, each in enumerate(fields):
            texts.append((f"fields.{number}.name", each.get("name"), sizes.EMBED_FIELD_NAME))
            texts.append((f"fields.{number}.value", each.get("value"), sizes.EMBED_FIELD_VALUE))
        for name, text, most in texts:
            if len(string(text).strip()) > most:
                raise too_long(f"{path}.{name}", most)
            total += len(string(text).strip())
    if total > sizes.EMBED_TOTAL:
        told = f"Embed size exceeds maximum size of {sizes.EMBED_TOTAL}"
        raise invalid("embeds", "MAX_EMBED_SIZE_EXCEEDED", told)


def _kept(body: Json) -> frozenset[str] | None:
    if "attachments" not in body:
        return None
    return frozenset(str(each.get("id")) for each in as_objects(body["attachments"], "attachments"))


def _added(caller: Caller, body: Json, channel: Channel, *, ephemeral: bool) -> list[Attachment]:
    described = {str(each.get("id")): each for each in records(body.get("attachments"))}
    added: list[Attachment] = []
    for number, upload in sorted(caller.files.items()):
        more = described.get(str(number), {})
        description = string(more.get("description"))
        if len(description) > sizes.ALT_TEXT:
            raise too_long(f"attachments.{number}.description", sizes.ALT_TEXT)
        duration = more.get("duration_secs")
        added.append(
            Attachment(
                id=caller.service.mint(),
                channel_id=channel.id,
                filename=string(more.get("filename")) or upload.filename,
                content=upload.content,
                content_type=upload.content_type,
                description=description,
                duration=float(duration) if isinstance(duration, int | float) else None,
                waveform=string(more.get("waveform")),
                ephemeral=ephemeral,
            )
        )
    return added


def fill(caller: Caller, message: Message, draft: Draft) -> None:
    """
    Put *draft* into *message*, new or old.

    Raises:
        Refusal: 50006: nothing would be left of it; 50035: more than 10 files, or the newer layout left.
    """
    flags = message.flags if draft.flags is None else _changed_flags(message.flags, draft.flags)
    content = message.content if draft.content is None else draft.content
    embeds = message.embeds if draft.embeds is None else draft.embeds
    components = message.components if draft.components is None else draft.components
    files = [each for each in message.attachments if draft.kept is None or each.id in draft.kept]
    files += draft.added
    if len(files) > sizes.FILES:
        raise Refusal(30015)
    if flags & MessageFlag.COMPONENTS_V2 and (content or embeds):
        check_layout(flags, content, bool(embeds))
    kind = bool(flags & MessageFlag.VOICE_MESSAGE)
    if kind and (content or len(files) != 1):
        raise invalid("flags", "VOICE_MESSAGE_INVALID", "Voice messages have one audio file and nothing else")
    anything = content or embeds or components or files or draft.poll or draft.stickers or message.poll
    if not (anything or message.snapshots or message.stickers):
        raise Refusal(50006)
    message.flags, message.content = flags, content
    message.embeds, message.components, message.attachments = embeds, components, files
    message.poll = draft.poll or message.poll
    message.stickers = draft.stickers or message.stickers
    for each in draft.added:
        caller.service.world.attachments[each.id] = each


def _changed_flags(old: int, wanted: int) -> int:
    """The newer layout can be set, never unset; what is not settable stays."""
    return (old & ~MessageFlag.SUPPRESS_EMBEDS) | wanted
