"""
Logging: events with a name and fields, for people or as JSON, on standard error.

The gateway's own events and the warnings of the libraries it uses go the same way, and every
secret is taken out on it, tracebacks included. Libraries are heard from WARNING on, whatever
level is asked for: below it some of them log people's text and tokens.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterable
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from assistant_gateway.redaction import Redaction

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging(
    format: Literal["console", "json"] = "console",
    level: Literal["debug", "info", "warning", "error"] = "info",
    secrets: Iterable[str] = (),
    *,
    stream: TextIO | None = None,
) -> None:
    """Log to *stream* (standard error) from *level* on, without *secrets*. May be called again."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _Redactor(Redaction(secrets)),
    ]
    renderer = _renderer(format, stream)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *names: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.WARNING)  # a library may have lowered its own logger's level
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)


class _Lines(structlog.WriteLogger):
    """Writes lines. One that can't be written (a closed pipe, a full disk) is lost and stops no message."""

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = error = critical = fatal = failure = exception = msg


class _Redactor:
    """The step of the pipeline that takes secrets out."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        # structlog's own notes (the log record) are for the steps that follow.
        return {
            key: value if key.startswith("_") else self._redaction.field(key, value)
            for key, value in event.items()
        }


def _renderer(format: Literal["console", "json"], stream: TextIO) -> Processor:
    if format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
