"""
What buttons and their like may look like: developers/components/reference.mdx, 2026-08-06.

Only what a message can carry is looked at: rows, buttons, selects, and the newer layout in part.
"""

from __future__ import annotations

from emulators.discord import sizes
from emulators.discord.kinds import MessageFlag
from emulators.discord.reading import ACTION_ROW, BUTTON, TEXT_DISPLAY, nested
from emulators.discord.refusal import invalid, out_of_range, required, too_long
from emulators.shapes import Json, records, string

SELECTS = frozenset({3, 5, 6, 7, 8})
LINK, PREMIUM = 5, 6


def check_components(components: list[Json], flags: int) -> None:
    """
    Look at the components of a message.

    Raises:
        Refusal: Code 50035, which points at the place.
    """
    layout = bool(flags & MessageFlag.COMPONENTS_V2)
    every = list(nested(components))
    if layout and len(every) > sizes.COMPONENTS_V2:
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", "Too many components.")
    if not layout and len(components) > sizes.ROWS:
        raise out_of_range("components", 1, sizes.ROWS)
    if sum(len(string(each.get("content"))) for each in every if each.get("type") == TEXT_DISPLAY) > (
        sizes.TEXT_DISPLAYS
    ):
        raise too_long("components", sizes.TEXT_DISPLAYS)
    for index, component in enumerate(components):
        path = f"components.{index}"
        if not layout and component.get("type") != ACTION_ROW:
            raise invalid(f"{path}.type", "BASE_TYPE_CHOICES", "Value must be one of (1,).")
        if component.get("type") == ACTION_ROW:
            _check_row(component, path)
    _check_ids(every)


def _check_row(row: Json, path: str) -> None:
    inner = records(row.get("components"))
    if not 1 <= len(inner) <= sizes.BUTTONS:
        raise out_of_range(f"{path}.components", 1, sizes.BUTTONS)
    if len(inner) > 1 and any(each.get("type") in SELECTS for each in inner):
        raise out_of_range(f"{path}.components", 1, 1)
    for index, each in enumerate(inner):
        place = f"{path}.components.{index}"
        if each.get("type") == BUTTON:
            _check_button(each, place)
        elif each.get("type") in SELECTS:
            _check_select(each, place)
        else:
            raise invalid(f"{place}.type", "BASE_TYPE_CHOICES", "Value must be one of (2, 3, 5, 6, 7, 8).")


def _check_button(button: Json, path: str) -> None:
    style = button.get("style")
    if style not in range(1, 7):
        raise invalid(f"{path}.style", "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3, 4, 5, 6).")
    if len(string(button.get("label"))) > sizes.LABEL:
        raise too_long(f"{path}.label", sizes.LABEL)
    if style == LINK:
        if not string(button.get("url")):
            raise required(f"{path}.url")
    elif style != PREMIUM and not button.get("custom_id"):
        raise required(f"{path}.custom_id")
    if style != PREMIUM and not (button.get("label") or button.get("emoji")):
        raise invalid(path, "BUTTON_COMPONENT_LABEL_OR_EMOJI_REQUIRED", "A label or emoji is required")


def _check_select(select: Json, path: str) -> None:
    if not select.get("custom_id"):
        raise required(f"{path}.custom_id")
    if len(string(select.get("placeholder"))) > sizes.PLACEHOLDER:
        raise too_long(f"{path}.placeholder", sizes.PLACEHOLDER)
    if select.get("type") == 3 and not 1 <= len(records(select.get("options"))) <= sizes.OPTIONS:
        raise out_of_range(f"{path}.options", 1, sizes.OPTIONS)


def _check_ids(components: list[Json]) -> None:
    seen: set[str] = set()
    for component in components:
        given = string(component.get("custom_id"))
        if len(given) > sizes.CUSTOM_ID:
            raise out_of_range("components", 1, sizes.CUSTOM_ID)
        if given and given in seen:
            told = "Component custom id cannot be duplicated"
            raise invalid("components", "COMPONENT_CUSTOM_ID_DUPLICATED", told)
        seen.add(given)


def check_modal(data: Json) -> None:
    """
    Look at a dialog: "Modal" in developers/interactions/receiving-and-responding.mdx.

    Raises:
        Refusal: Code 50035.
    """
    for name, most in (("title", sizes.MODAL_TITLE), ("custom_id", sizes.CUSTOM_ID)):
        if not 1 <= len(string(data.get(name))) <= most:
            raise out_of_range(f"data.{name}", 1, most)
    rows = records(data.get("components"))
    if not 1 <= len(rows) <= sizes.MODAL_ROWS:
        raise out_of_range("data.components", 1, sizes.MODAL_ROWS)


def check_layout(flags: int, content: str, others: bool) -> None:
    """
    With the newer layout a message has components and nothing else.

    Raises:
        Refusal: Code 50035.
    """
    if flags & MessageFlag.COMPONENTS_V2 and (content or others):
        name = "content" if content else "embeds"
        told = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
        raise invalid(name, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", told)


def as_objects(value: object, path: str) -> list[Json]:
    """
    The JSON objects of a list.

    Raises:
        Refusal: Code 50035: it is no list, or something else is in it.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    if any(not isinstance(each, dict) for each in value):
        raise invalid(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    return list(value)
