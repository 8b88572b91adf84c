"""
Block Kit: what is accepted, and what people see of it.

Sizes: docs.slack.dev, "Blocks", "Block elements" and "Composition objects", 2026-08-20. A refusal points at
the place, as Slack's do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from emulators.shapes import Json, record, records, string
from emulators.slack import sizes
from emulators.slack.refusal import Refusal, pointed

Markup: TypeAlias = Literal["mrkdwn", "markdown", "plain", "button"]

SECTION, FIELD, HEADER, BUTTON, URL, VALUE, ID = 3_000, 2_000, 150, 75, 3_000, 2_000, 255
ALT_TEXT = 1_000
LABEL, INPUT, PLACEHOLDER = 2_000, 3_000, 150  # "Input block", "Plain-text input element", 2026-08-20
ELEMENTS: Mapping[str, int] = {"context": 10, "actions": 25, "context_actions": 5}
# Only in a context actions block, and nothing else there: "Context actions block", 2026-08-20.
FEEDBACK = frozenset({"feedback_buttons", "icon_button"})
CONFIRM: Mapping[str, int] = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
TABLE_ROWS, TABLE_CELLS, TABLE_TEXT = 100, 20, 10_000
KINDS = frozenset(
    (
        "actions",
        "alert",
        "call",
        "card",
        "carousel",
        "context",
        "context_actions",
        "data_table",
        "data_visualization",
        "divider",
        "file",
        "header",
        "image",
        "input",
        "markdown",
        "plan",
        "rich_text",
        "section",
        "table",
        "task_card",
        "video",
    )
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of what people see, with the dialect it is read in; the words on buttons are no text."""

    markup: Markup
    text: str


def read(pieces: Iterable[Piece]) -> str:
    """What can be read of *pieces*, one below the other, but for the words on buttons."""
    return "\n".join(piece.text for piece in pieces if piece.markup != "button")


def check_message_blocks(blocks: list[Json], *, parameter: str = "blocks") -> None:
    """
    Check the blocks of a message.

    Raises:
        Refusal: `invalid_blocks` with a pointer, `msg_too_long` or `msg_blocks_too_long`.
    """
    if len(blocks) > sizes.BLOCKS:
        raise pointed("invalid_blocks", f"/{parameter}", f"no more than {sizes.BLOCKS} items allowed")
    _check(blocks, parameter)
    if sum(len(string(b.get("text"))) for b in blocks if b.get("type") == "markdown") > sizes.MARKDOWN:
        raise Refusal("msg_too_long")
    if sum(len(piece.text) for piece in seen(blocks)) > sizes.BLOCKS_TEXT:
        raise Refusal("msg_blocks_too_long")


def check_view_blocks(blocks: list[Json]) -> None:
    """
    Check the blocks of a view.

    Raises:
        Refusal: `invalid_arguments` with a pointer.
    """
    if len(blocks) > sizes.VIEW_BLOCKS:
        limit = f"no more than {sizes.VIEW_BLOCKS} items allowed"
        raise pointed("invalid_arguments", "/view/blocks", limit)
    _check(blocks, "view/blocks", error="invalid_arguments")


def _check(blocks: list[Json], parameter: str, error: str = "invalid_blocks") -> None:
    ids: set[str] = set()
    for index, block in enumerate(blocks):

        def refuse(where: str, problem: str, index: int = index) -> Refusal:
            return pointed(error, f"/{parameter}/{index}{where}", problem)

        kind = string(block.get("type"))
        if kind not in KINDS:
            raise refuse("/type", f"unsupported type: {kind}")
        block_id = block.get("block_id", "")
        if not isinstance(block_id, str) or len(block_id) > ID:
            raise refuse("/block_id", f"must be less than {ID + 1} characters")
        if block_id and block_id in ids:
            raise refuse("/block_id", "`block_id` already exists")
        ids.add(block_id)
        _check_kind(kind, block, refuse)


def _check_kind(kind: str, block: Json, refuse: Callable[[str, str], Refusal]) -> None:
    if kind == "section":
        _check_section(block, refuse)
    elif kind == "header":
        _check_text(block.get("text"), "/text", HEADER, refuse, ("plain_text",))
    elif kind == "markdown":
        if not string(block.get("text")):
            raise refuse("/text", "must be more than 0 characters")
    elif kind == "image":
        if not (string(block.get("image_url")) or record(block.get("slack_file"))):
            raise refuse("", "missing required field: image_url")
        if not 0 < len(string(block.get("alt_text"))) <= ALT_TEXT:
            raise refuse("/alt_text", f"must be between 1 and {ALT_TEXT} characters")
    elif kind == "table":
        _check_table(block, refuse)
    elif kind == "input":
        _check_input(block, refuse)
    elif kind in ("rich_text", *ELEMENTS):
        elements = block.get("elements")
        if not isinstance(elements, list) or (kind in ELEMENTS and not elements):
            raise refuse("/elements", "must provide an array")
        if len(elements) > ELEMENTS.get(kind, len(elements)):
            raise refuse("/elements", f"no more than {ELEMENTS[kind]} items allowed")
        for index, element in enumerate(elements):
            if not isinstance(element, dict):
                raise refuse(f"/elements/{index}", "must provide an object")
            if (kind == "context_actions") is not (element.get("type") in FEEDBACK):
                raise refuse(f"/elements/{index}/type", f"unsupported type: {element.get('type')}")
            _check_element(element, f"/elements/{index}", refuse)


def _check_section(block: Json, refuse: Callable[[str, str], Refusal]) -> None:
    fields = block.get("fields")
    if "text" not in block and not fields:
        raise refuse("", "missing required field: text or fields")
    if "text" in block:
        _check_text(block["text"], "/text", SECTION, refuse)
    for index, each in enumerate(fields if isinstance(fields, list) else []):
        if index == 10:
            raise refuse("/fields", "no more than 10 items allowed")
        _check_text(each, f"/fields/{index}", FIELD, refuse)
    if "accessory" in block:
        _check_element(record(block["accessory"]), "/accessory", refuse)


def _check_input(block: Json, refuse: Callable[[str, str], Refusal]) -> None:
    _check_text(block.get("label"), "/label", LABEL, refuse, ("plain_text",))
    element = record(block.get("element"))
    if not element.get("type"):
        raise refuse("/element", "must provide an object")
    _check_element(element, "/element", refuse)
    if element["type"] != "plain_text_input":
        return
    longest = element.get("max_length", INPUT)
    if not isinstance(longest, int) or not 1 <= longest <= INPUT:
        raise refuse("/element/max_length", f"must be between 1 and {INPUT}")
    if len(string(element.get("initial_value"))) > longest:
        raise refuse("/element/initial_value", f"must be less than {longest + 1} characters")
    if "placeholder" in element:
        _check_text(element["placeholder"], "/element/placeholder", PLACEHOLDER, refuse, ("plain_text",))


def _check_table(block: Json, refuse: Callable[[str, str], Refusal]) -> None:
    rows = block.get("rows")
    if not isinstance(rows, list) or not 0 < len(rows) <= TABLE_ROWS:
        raise refuse("/rows", f"must be between 1 and {TABLE_ROWS} items")
    if any(not isinstance(row, list) or len(row) > TABLE_CELLS for row in rows):
        raise refuse("/rows", f"no more than {TABLE_CELLS} items allowed")
    if sum(len(piece.text) for piece in seen([block])) > TABLE_TEXT:
        raise refuse("/rows", f"no more than {TABLE_TEXT} characters allowed")


def _check_text(
    text: object,
    where: str,
    limit: int,
    refuse: Callable[[str, str], Refusal],
    kinds: tuple[str, ...] = ("plain_text", "mrkdwn"),
) -> None:
    said = record(text)
    if said.get("type") not in kinds:
        raise refuse(f"{where}/type", f"must be one of {', '.join(kinds)}")
    if not 0 < len(string(said.get("text"))) <= limit:
        raise refuse(f"{where}/text", f"must be between 1 and {limit} characters")


def _check_element(element: Json, where: str, refuse: Callable[[str, str], Refusal]) -> None:
    for name, limit in (("action_id", ID), ("url", URL), ("value", VALUE)):
        if not isinstance(element.get(name, ""), str) or len(string(element.get(name))) > limit:
            raise refuse(f"{where}/{name}", f"must be less than {limit + 1} characters")
    kind = element.get("type")
    if kind == "button":
        _check_text(element.get("text"), f"{where}/text", BUTTON, refuse, ("plain_text",))
    elif kind == "feedback_buttons":
        for side in ("positive_button", "negative_button"):
            button = record(element.get(side))
            _check_text(button.get("text"), f"{where}/{side}/text", BUTTON, refuse, ("plain_text",))
            if not 0 < len(string(button.get("value"))) <= VALUE:
                raise refuse(f"{where}/{side}/value", f"must be between 1 and {VALUE} characters")
    confirm = record(element.get("confirm"))
    for name in confirm.keys() & CONFIRM.keys():
        _check_text(confirm[name], f"{where}/confirm/{name}", CONFIRM[name], refuse)


def seen(blocks: list[Json]) -> tuple[Piece, ...]:
    """What people see of *blocks*, in order."""
    return tuple(piece for block in blocks for piece in _seen(block))


def _seen(block: Json) -> list[Piece]:
    kind = block.get("type")
    if kind == "markdown":
        return [Piece("markdown", string(block.get("text")))]
    if kind == "rich_text":
        return [Piece("plain", _rich(block))]
    if kind == "table":
        rows = block.get("rows")
        cells = [cell for row in (rows if isinstance(rows, list) else []) for cell in records(row)]
        return [Piece("plain", string(cell.get("text")) or _rich(cell)) for cell in cells]
    if kind == "image":
        return [Piece("plain", string(block.get("alt_text")))]
    if kind in ("actions", "context_actions"):
        labels = [piece.text for each in records(block.get("elements")) for piece in _text(each)]
        return [Piece("button", label) for label in labels]
    texts = [block.get("text"), *records(block.get("fields")), *records(block.get("elements"))]
    return [piece for text in texts for piece in _text(record(text))] + _text(record(block.get("accessory")))


def _text(said: Json) -> list[Piece]:
    """A text object, or the words on a button."""
    if isinstance(said.get("text"), dict):
        return _text(record(said["text"]))
    buttons = [record(said.get(side)) for side in ("positive_button", "negative_button") if said.get(side)]
    if buttons:
        return [piece for button in buttons for piece in _text(button)]
    if not string(said.get("text")):
        return []
    return [Piece("mrkdwn" if said.get("type") == "mrkdwn" else "plain", string(said["text"]))]


def _rich(node: Json) -> str:
    """The words of a rich text tree; what pings is written as in mrkdwn."""
    match node.get("type"):
        case "text":
            return string(node.get("text"))
        case "link":
            return string(node.get("text")) or string(node.get("url"))
        case "user":
            return f"<@{node.get('user_id')}>"
        case "usergroup":
            return f"<!subteam^{node.get('usergroup_id')}>"
        case "broadcast":
            return f"<!{node.get('range')}>"
        case "emoji":
            return f":{node.get('name')}:"
        case "rich_text_list":
            return "\n".join(_rich(each) for each in records(node.get("elements")))
    return "".join(_rich(each) for each in records(node.get("elements")))


def rich(blocks: list[Json]) -> tuple[Piece, ...]:
    """The rich text in *blocks*: plain to read, but its mentions are alive."""
    return seen([block for block in blocks if block.get("type") in ("rich_text", "table")])


def seen_attachments(attachments: list[Json]) -> tuple[Piece, ...]:
    """What people see of the older *attachments*."""
    pieces: list[Piece] = []
    for each in attachments:
        names = ("pretext", "author_name", "title", "title_link", "text", "footer")
        texts = [string(each.get(name)) for name in names]
        texts += [string(record(field).get("value")) for field in records(each.get("fields"))]
        pieces += [Piece("mrkdwn", text) for text in texts if text]
        pieces += seen(records(each.get("blocks")))
    return tuple(pieces)
