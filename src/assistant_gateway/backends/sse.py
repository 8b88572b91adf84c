"""
Server-sent events, read from raw bytes.

The SDK's own event objects cost more time per word than everything else that the gateway does
with it, so its streams are read here. Bytes may be cut anywhere, also inside a character.
"""

from __future__ import annotations

from assistant_gateway.backends.jsontext import read
from assistant_gateway.errors import StreamCut
from assistant_gateway.values import JsonObject

LINE_LIMIT = 10_000_000  # bytes of one line or one event
STREAM_LIMIT = 64_000_000  # bytes of one stream


class EventReader:
    """
    Turns chunks of bytes into the data of complete events.

    Attributes:
        signs: Grows with every event and every comment: a server that only dribbles bytes is silent.
    """

    def __init__(self, *, line_limit: int = LINE_LIMIT, stream_limit: int = STREAM_LIMIT) -> None:
        self.signs = 0
        self._line_limit = line_limit
        self._left = stream_limit
        self._pieces: list[bytes] = []
        self._pending = 0
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """
        The data of the events that *chunk* completes.

        Raises:
            StreamCut: A line, an event or the stream is larger than anybody needs.
        """
        self._left -= len(chunk)
        if self._left < 0:
            raise StreamCut("the provider's stream is longer than any answer")
        # An event whose end is in one chunk with its begin is by far the most common.
        if self._pieces:
            self._pieces.append(chunk)
            self._pending += len(chunk)
            if b"\n" not in chunk and b"\r" not in chunk:
                self._refuse_over_limit()
                return []
            chunk = b"".join(self._pieces)
            self._pieces = []
            self._pending = 0
        lines = chunk.splitlines(keepends=True)
        # A line that ends with CR alone may be the first half of CRLF.
        if lines and not lines[-1].endswith(b"\n"):
            rest = lines.pop()
            self._pieces = [rest]
            self._pending = len(rest)
            self._refuse_over_limit()
        events: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                line = line.rstrip(b"\r\n")
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._size += len(line)
                self._refuse_over_limit()
            elif line[0] in b"\r\n":
                if self._data:
                    events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                    self._data = []
                    self._size = 0
                    self.signs += 1
            elif line.startswith(b":"):
                self.signs += 1
        return events

    def _refuse_over_limit(self) -> None:
        if self._pending + self._size > self._line_limit:
            raise StreamCut(f"the provider sent an event of more than {self._line_limit} bytes")


def decode(data: bytes) -> JsonObject:
    """
    The JSON object of one event.

    Raises:
        StreamCut: It is not one.
    """
    try:
        event = read(data.decode())
    except ValueError as error:
        raise StreamCut("the provider sent an event that is not JSON") from error
    if type(event) is not dict:
        raise StreamCut("the provider sent an event that is not a JSON object")
    return event
