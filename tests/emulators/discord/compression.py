"""
How a connection is compressed: developers/events/gateway.mdx, "Compression", 2026-08-06.

One stream for the whole connection, flushed after each message. `zstd-stream` needs Python 3.14 or the
package zstandard; where there is neither, and without `compress`, messages are plain text.
"""

from __future__ import annotations

import importlib
import zlib
from typing import Protocol


class Compressor(Protocol):
    """Turns messages into binary frames."""

    def frame(self, message: bytes) -> bytes:
        """The next frame."""


class ZlibStream:
    """`compress=zlib-stream`: every frame ends with 00 00 ff ff."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj()

    def frame(self, message: bytes) -> bytes:
        return self._stream.compress(message) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class StandardZstd:
    """`compress=zstd-stream` with the standard library."""

    def __init__(self) -> None:
        self._zstd = importlib.import_module("compression.zstd")
        self._stream = self._zstd.ZstdCompressor()

    def frame(self, message: bytes) -> bytes:
        return bytes(self._stream.compress(message, self._stream.FLUSH_BLOCK))


class PackagedZstd:
    """`compress=zstd-stream` with the package zstandard."""

    def __init__(self) -> None:
        self._zstandard = importlib.import_module("zstandard")
        self._stream = self._zstandard.ZstdCompressor().compressobj()

    def frame(self, message: bytes) -> bytes:
        begun: bytes = self._stream.compress(message)
        return begun + bytes(self._stream.flush(self._zstandard.COMPRESSOBJ_FLUSH_BLOCK))


def compressor(asked: str) -> Compressor | None:
    """What a connection with ``compress=asked`` gets; None for plain text."""
    if asked == "zlib-stream":
        return ZlibStream()
    if asked == "zstd-stream":
        for kind in (StandardZstd, PackagedZstd):
            try:
                return kind()
            except ImportError:
                continue
    return None
