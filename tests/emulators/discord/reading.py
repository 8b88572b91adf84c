"""What people read of a message: its text, embeds, components and files, one below the other."""

from __future__ import annotations

from collections.abc import Iterator

from emulators.discord.kinds import MessageFlag
from emulators.discord.world import Message
from emulators.shapes import Json, record, records, string

ACTION_ROW, BUTTON, SECTION, TEXT_DISPLAY = 1, 2, 9, 10


def visible_text(message: Message) -> str:
    """All of it; a forward shows what it forwards."""
    parts = [message.content]
    for snapshot in message.snapshots:
        inner = record(snapshot.get("message"))
        parts += [string(inner.get("content")), *embed_texts(records(inner.get("embeds")))]
    if not message.flags & MessageFlag.SUPPRESS_EMBEDS:
        parts += embed_texts(message.embeds)
    parts += component_texts(message.components)
    return "\n".join(part for part in parts if part)


def embed_texts(embeds: list[Json]) -> Iterator[str]:
    """What is to be read in embeds, in the order in which it is shown."""
    for embed in embeds:
        yield string(record(embed.get("author")).get("name"))
        yield string(embed.get("title"))
        yield string(embed.get("description"))
        for field in records(embed.get("fields")):
            yield string(field.get("name"))
            yield string(field.get("value"))
        yield string(record(embed.get("footer")).get("text"))


def component_texts(components: list[Json]) -> Iterator[str]:
    """The text displays of the newer layout; buttons are no text."""
    return (string(each.get("content")) for each in nested(components) if each.get("type") == TEXT_DISPLAY)


def nested(components: list[Json]) -> Iterator[Json]:
    """All components, those in others too."""
    for component in components:
        yield component
        inner = records(component.get("components"))
        for name in ("accessory", "component"):
            if record(component.get(name)):
                inner.append(record(component.get(name)))
        yield from nested(inner)
