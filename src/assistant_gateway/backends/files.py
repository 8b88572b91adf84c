"""
Files of people, put into a request so that the model can read them.

A picture goes as a data URL, text as text with its name above it, any other document as base64.
What a model can't be given becomes a note in its place: a file that a provider refuses would
otherwise spoil the thread for good.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from assistant_gateway.backend import Step
from assistant_gateway.backends.characters import label, whole
from assistant_gateway.documents import kind as document_kind
from assistant_gateway.errors import FileRefused
from assistant_gateway.values import JsonObject, JsonValue

TEXT_LENGTH = 200_000  # characters of one text file
KINDS = frozenset({"input_image", "input_file"})
FILES_SIZE = 24_000_000  # bytes of all files of one request: base64 of it stays below OpenAI's 50 MB

# "Image input requirements", OpenAI's guide on images and vision, 2026-11: PNG, JPEG, WEBP and GIF.
_PICTURES = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
)
_TEXT_TYPES = re.compile(
    r"text/.*|.*[/+](json|xml|yaml)|application/((x-)?(yaml|toml|javascript|typescript|sh|sql|tex|ndjson|csv|"
    r"httpd-php|python|python-code)|json-seq|jsonl|x-subrip|graphql|ecmascript|markdown)"
)
_TEXT_NAMES = re.compile(
    r".*\.(txt|md|markdown|rst|csv|tsv|jsonl?|ndjson|xml|ya?ml|toml|ini|cfg|conf|env|log|sql|pyi?|[mc]?js|[jt]sx?|java|"
    r"kt|[ch]|cc|[ch]pp|cs|go|rs|rb|php|pl|lua|swift|scala|sh|bash|zsh|ps1|bat|r|jl|exs?|erl|hs|clj|html?|s?css|svg|"
    r"tex|diff|patch|srt|vue|svelte|gradle|properties|proto|graphql|tf|ipynb|ics|vcf)",
    re.IGNORECASE,
)
_NO_DOCUMENT = re.compile(
    r"(audio|video|image|font)/.*|application/(zip|gzip|x-(tar|7z-compressed|rar-compressed|bzip2?|xz|msdownload|"
    r"executable|sharedlib)|vnd\.rar|wasm|java-archive|zstd)"
)


class Inliner:
    """
    Puts files into one request, newest first, as long as there is room.

    Args:
        kinds: The kinds of parts that the provider takes beside text.

    Attributes:
        used: The kinds of parts beside text that there are.
    """

    def __init__(self, step: Step, *, kinds: frozenset[str] = KINDS) -> None:
        self._step = step
        self._kinds = kinds
        self._left = FILES_SIZE
        self.used: set[str] = set()

    async def inline(self, part: Mapping[str, JsonValue]) -> JsonObject:
        """The part that a provider understands for a part that names a file of ours."""
        name = label(str(part.get("filename") or "file"), 120)
        content_type = (
            str(part.get("content_type") or "application/octet-stream").split(";")[0].strip().lower()
        )
        id = str(part.get("file_id", ""))
        try:
            data = await self._step.load_file(id)
        except LookupError:
            return note(name, "it is no longer kept")
        if len(data) > self._left:
            return note(name, "it does not fit beside the other files")
        content = inlined(name, content_type, data)
        kind = str(content["type"])
        if kind in KINDS - self._kinds:
            return await self._read(id, name, content_type, data)
        self._left -= len(data)
        self.used |= KINDS & {kind}
        return content

    async def _read(self, id: str, name: str, content_type: str, data: bytes) -> JsonObject:
        """A document's text, in the place of the file that the provider does not take."""
        if document_kind(data) is None:
            return note(name, "the provider takes no files like this one")
        try:
            text = await self._step.read_document(id, data)
        except FileRefused as error:
            return note(name, str(error))
        if len(text) > self._left:
            return note(name, "it does not fit beside the other files")
        self._left -= len(text)
        return {"type": "input_text", "text": _fenced(name, content_type, text)}


def inlined(name: str, content_type: str, data: bytes) -> JsonObject:
    """The content part for a file's bytes."""
    picture = next((kind for kind, magic in _PICTURES if magic.match(data)), "")
    if picture:
        return {"type": "input_image", "image_url": _data_url(picture, data), "detail": "auto"}
    if not data:
        return note(name, "it is empty")
    if _TEXT_TYPES.fullmatch(content_type) or _TEXT_NAMES.fullmatch(name):
        text = _text(data)
        if text is not None:
            return {"type": "input_text", "text": _fenced(name, content_type, text)}
    if _NO_DOCUMENT.fullmatch(content_type):
        return note(name, f"models can't read {label(content_type)}")
    return {"type": "input_file", "filename": name, "file_data": _data_url(content_type, data)}


def note(name: str, why: str) -> JsonObject:
    """What the model is told in the place of a file."""
    return {"type": "input_text", "text": f"[The file “{name}” is not shown: {why}.]"}


def _text(data: bytes) -> str | None:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        # What calls itself text and isn't UTF-8 is mostly a spreadsheet's export from a Windows machine.
        text = data.decode("cp1252", "replace")
    return None if "\0" in text else whole(text)


def fenced(text: str) -> str:
    """*text* between two lines of backticks, of which it can't hold the second."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _fenced(name: str, content_type: str, text: str) -> str:
    cut = len(text) - TEXT_LENGTH
    if cut > 0:
        text = f"{text[:TEXT_LENGTH]}\n[cut here: {cut} more characters]"
    return f"File “{name}” ({label(content_type)}):\n{fenced(text)}"


def _data_url(content_type: str, data: bytes) -> str:
    kind = (
        content_type
        if re.fullmatch(r"[a-z0-9.+-]+/[a-z0-9.+-]+", content_type)
        else "application/octet-stream"
    )
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
