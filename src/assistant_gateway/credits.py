"""
What an answer owes to others: the sources that it names, and the tools that were used for it.

Sources come in every provider's own shape and with whatever address the web has to offer. Kept are
http and https addresses in plain ASCII, whose host can't pretend to be another one, and labels on one
line. Nothing is ever fetched from them.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from assistant_gateway import items
from assistant_gateway.backends.characters import label, whole
from assistant_gateway.events import AnnotationAdded, RunEvent, ToolCallDone
from assistant_gateway.values import Citation, JsonObject, JsonValue, ToolUse

MOST_CITATIONS = 10
MOST_TOOLS = 64  # calls; who makes more is not shown the others
TITLE_LENGTH = 80  # characters
URL_LENGTH = 1000  # characters; what is longer is no address for people
CODE_LENGTH = 2000  # characters of a hosted call's code, and of its output
HOSTED = re.compile(r"(\w+)_call")

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
# What RFC 3986 lets stand in a path or a query, but for brackets and quotes, which end links in Markdown.
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE = "%/:?#@!$&*+,;=~-._"


class Credits:
    """
    The credits of one run.

    Args:
        tools: Keep the names of the tools that were used.
        code: Keep the code that hosted tools ran, and its output.
    """

    def __init__(self, *, tools: bool = False, code: bool = False) -> None:
        self._shows_tools = tools
        self._shows_code = code
        self._citations: dict[tuple[str, str], Citation] = {}
        self._tools: list[ToolUse] = []

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources, each once, in the order in which they were named."""
        return tuple(self._citations.values())

    @property
    def tools(self) -> tuple[ToolUse, ...]:
        """The calls, in the order in which they ended."""
        return tuple(self._tools)

    def hear(self, event: RunEvent) -> None:
        """Take note of an event of the run."""
        if type(event) is AnnotationAdded:
            self._cite(event.annotation)
        elif type(event) is ToolCallDone:
            code = event.arguments if event.kind == "code_interpreter" else ""
            self._use(event.name, code, event.output)

    def recall(self, body: JsonObject) -> None:
        """Take note of an item that an earlier attempt of the run has put on the thread."""
        kind = items.kind(body)
        if items.role(body) == "assistant":
            for annotation in annotations_of(body):
                self._cite(annotation)
        elif kind == "function_call":
            self._use(str(body.get("name", "")), "", "")
        elif hosted := HOSTED.fullmatch(kind):
            self._use(str(body.get("name") or hosted[1]), str(body.get("code") or ""), items.logs_of(body))

    def _cite(self, annotation: JsonObject) -> None:
        found = citation(annotation)
        if found is not None and len(self._citations) < MOST_CITATIONS:
            self._citations.setdefault((found.url, "" if found.url else found.title), found)

    def _use(self, name: str, code: str, output: str) -> None:
        if len(self._tools) >= MOST_TOOLS or not (self._shows_tools or (self._shows_code and code)):
            return
        shown = (code[:CODE_LENGTH], output[:CODE_LENGTH]) if self._shows_code and code else ("", "")
        self._tools.append(ToolUse(label(name, TITLE_LENGTH), *shown))


def citation(annotation: JsonObject) -> Citation | None:
    """The source that an annotation names; None for other annotations and for what is no decent address."""
    kind = annotation.get("type")
    told = annotation.get(str(kind))  # Chat Completions put the particulars below the type's name
    about = told if isinstance(told, dict) else annotation
    if kind == "file_citation":
        title = label(_text(about, "filename"), TITLE_LENGTH)
        return Citation(title) if title else None
    if kind != "url_citation":
        return None
    url = address(_text(about, "url"))
    if not url:
        return None
    return Citation(label(_text(about, "title"), TITLE_LENGTH) or host_of(url), url)


def address(url: str) -> str:
    """*url* as plain ASCII that no markup can misread; empty where people should not be led there."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").encode("idna").decode().lower()
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:  # UnicodeError is one
        return ""
    # A name before the host (`https://bank.example@evil.example`) only serves to deceive.
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or "@" in parts.netloc:
        return ""
    path, query, fragment = (
        _LONE_PERCENT.sub("%25", quote(whole(part), safe=_SAFE))
        for part in (parts.path, parts.query, parts.fragment)
    )
    found = urlunsplit((parts.scheme, host + port, path, query, fragment))
    return found if len(found) <= URL_LENGTH else ""


def host_of(url: str) -> str:
    """The host of an address."""
    return urlsplit(url).hostname or ""


def annotations_of(body: JsonObject) -> list[JsonObject]:
    """The annotations in a message."""
    content = body.get("content")
    found: list[JsonObject] = []
    for part in content if isinstance(content, list) else ():
        told = part.get("annotations") if isinstance(part, dict) else None
        found += [each for each in (told if isinstance(told, list) else ()) if isinstance(each, dict)]
    return found


def _text(about: JsonObject, key: str) -> str:
    value: JsonValue = about.get(key)
    return value if isinstance(value, str) else ""
