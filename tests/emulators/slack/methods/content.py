"""What a post or an edit says, checked as Slack checks it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from emulators.shapes import Json
from emulators.slack import markup, sizes, translation
from emulators.slack.arguments import Arguments
from emulators.slack.blocks import Piece, check_message_blocks, seen, seen_attachments
from emulators.slack.refusal import Refusal

EVENT_TYPE = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class Said:
    """
    What is said.

    Attributes:
        text: As it is stored.
        blocks: As they are stored; None when none were given.
        shown: As it was sent.
        metadata: None when it was not given; empty removes it.
    """

    text: str
    blocks: list[Json] | None
    attachments: list[Json] | None
    shown: tuple[Piece, ...]
    metadata: Json | None
    names: bool
    unfurls: bool


def said_in(arguments: Arguments, prefix: str, *, parse: str) -> Said:
    """
    What *arguments* say; *parse* is the method's default of that argument.

    Raises:
        Refusal: One of the documented errors of `chat.postMessage` and `chat.update` (2026-08-20).
    """
    text, markdown = arguments.text("text"), arguments.text("markdown_text")
    blocks = arguments.objects("blocks", "invalid_blocks_format")
    attachments = arguments.objects("attachments", "invalid_attachments")
    metadata = metadata_in(arguments)
    if markdown and (text or blocks):
        raise Refusal("markdown_text_conflict")
    if not (text or markdown or blocks or attachments):
        raise Refusal("no_text")
    if len(markdown) > sizes.MARKDOWN:
        raise Refusal("msg_too_long")
    if attachments and len(attachments) > sizes.ATTACHMENTS:
        raise Refusal("too_many_attachments")
    if blocks:
        check_message_blocks(blocks)
    named = arguments.text("parse", parse) in ("full", "client") or arguments.flag("link_names")
    wanted = not (_refused(arguments, "unfurl_links") and _refused(arguments, "unfurl_media"))
    if markdown:
        shown: tuple[Piece, ...] = (Piece("markdown", markdown),)
        text = markup.normalised(translation.mrkdwn(markdown))
        stored: list[Json] | None = [translation.rich_text(markdown, f"{prefix}0")]
    else:
        shown = seen(blocks) if blocks else (Piece("mrkdwn", text),) if text else ()
        text = markup.normalised(text)
        stored = None if blocks is None else translation.stored_blocks(blocks, prefix)
    shown += seen_attachments(attachments or [])
    return Said(text, stored, attachments, shown, metadata, named, wanted)


def _refused(arguments: Arguments, name: str) -> bool:
    """Both flags must say no: docs.slack.dev, "Unfurling links in messages", 2026-09-14."""
    return arguments.has(name) and not arguments.flag(name)


def metadata_in(arguments: Arguments) -> Json | None:
    """
    A message's metadata; None when it was not given.

    An `event_type` with a ``.`` loses all of it: reported bolt-python#863.

    Raises:
        Refusal: `invalid_metadata_format` or `metadata_too_large`.
    """
    metadata = arguments.object("metadata", "invalid_metadata_format")
    if metadata is None or not metadata:
        return metadata
    if not isinstance(metadata.get("event_type"), str) or not isinstance(metadata.get("event_payload"), dict):
        raise Refusal("invalid_metadata_format")
    if len(json.dumps(metadata).encode()) > sizes.METADATA_BYTES:
        raise Refusal("metadata_too_large")
    return metadata if EVENT_TYPE.fullmatch(str(metadata["event_type"])) else {}
