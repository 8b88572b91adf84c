"""What is logged, in which form, and what never is."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
import structlog
from pydantic import SecretStr

from assistant_gateway.logs import configure_logging
from assistant_gateway.redaction import Redaction

KNOWN = ("canary-known-1", "whsec_Y2FuYXJ5LWtub3du", 'canary"with\\quotes')
LOOKING = (
    "xoxb-1234-canary",
    "xoxe.xoxp-1-canary",
    "xapp-1-A0-canary",
    "sk-canary1234567",
    "sk-proj-canary_1234567",
    "whsec_canary+1234/==",
    "MTIzNDU2Nzg5MDEyMzQ1Njc4.canary.canary1234567890canary1234567",
    "https://hooks.slack.com/services/T0/B0/canary",
    "Authorization: Bearer canary-1234",
    "authorization: bearer canary-1234",
    "https://host/callback?state=1&code=canary&x=1",
    "https://host/?token=canary",
    "https://host/?access_token=canary#end",
    "https://host/?client_secret=canary",
    "postgresql://user:canary@host/db",
)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The process's logging is as before, whatever a test has configured."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)


def logged(
    write: Callable[[], object],
    format: Literal["console", "json"] = "json",
    level: Literal["debug", "info", "warning", "error"] = "debug",
) -> str:
    stream = io.StringIO()
    configure_logging(format, level, KNOWN, stream=stream)
    write()
    return stream.getvalue()


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_is_one_json_object_with_what_is_bound() -> None:
    """Name, level, time, fields and the ids that were bound where the message was claimed."""

    def write() -> None:
        structlog.contextvars.bind_contextvars(message=7)
        structlog.get_logger().info("run.completed", seconds=4.2, tools=("a", "b"))

    (event,) = events(logged(write))

    assert str(event.pop("timestamp")).endswith("Z")
    assert {
        "event": "run.completed",
        "level": "info",
        "message": 7,
        "seconds": 4.2,
        "tools": ["a", "b"],
    } == event


def test_events_below_the_level_are_left_out() -> None:
    """At level warning, of four events two are written."""

    def write() -> None:
        log = structlog.get_logger()
        log.debug("a")
        log.info("b")
        log.warning("c")
        log.error("d")

    assert ["c", "d"] == [event["event"] for event in events(logged(write, level="warning"))]


@pytest.mark.parametrize("format", ["json", "console"])
def test_libraries_are_heard_from_warning_on_even_at_debug(format: Literal["console", "json"]) -> None:
    """A library's DEBUG and INFO lines stay out, also when it has set its own logger to DEBUG."""

    def write() -> None:
        library = logging.getLogger("slack_sdk.canary")
        library.setLevel(logging.DEBUG)
        library.debug("people's text")
        library.info("people's text")
        library.warning("connection %s", "lost")

    text = logged(write, format)

    assert "people's text" not in text
    assert 1 == len(text.splitlines())
    assert "connection lost" in text
    assert "slack_sdk.canary" in text


def test_warnings_of_python_are_logged() -> None:
    """A DeprecationWarning becomes an event, not a line of its own form."""

    def write() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn("old sk-canary1234567", DeprecationWarning, stacklevel=1)

    (event,) = events(logged(write))

    assert ("py.warnings", "warning") == (event["logger"], event["level"])
    assert "canary" not in str(event)


class Talkative:
    def __repr__(self) -> str:
        return f"Talkative({KNOWN[0]}, {LOOKING[3]})"


def fail(secret: str) -> None:
    raise RuntimeError(f"refused with {secret}") from ValueError(secret)


def paths(secret: str) -> list[Callable[[], object]]:
    """Ways in which a secret gets into the log when something fails."""
    log, library = structlog.get_logger(), logging.getLogger("library")

    def excepting(report: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            try:
                fail(secret)
            except RuntimeError:
                report()

        return run

    return [
        lambda: log.error("failed", reason=f"said {secret}."),
        lambda: log.error(f"failed with {secret}"),
        lambda: log.error("failed", headers={"Some": [secret, {secret: ("x", secret)}]}),
        lambda: log.error("failed", error=RuntimeError(secret)),
        lambda: log.error("failed", body=secret.encode()),
        lambda: log.error("failed", thing=Talkative()),
        excepting(lambda: log.exception("failed")),
        excepting(lambda: log.error("failed", exc_info=True)),
        lambda: library.error("failed with %s", secret),
        lambda: library.error("failed", extra={"detail": secret}),
        excepting(lambda: library.exception("failed")),
    ]


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("secret", [*KNOWN[:2], *LOOKING])
def test_no_secret_gets_into_the_log(secret: str, format: Literal["console", "json"]) -> None:
    """Seventeen secrets through eleven failure paths each, at level debug: none is in what is written."""
    for path in paths(secret):
        text = logged(path, format)

        assert "failed" in text
        assert "canary" not in text.replace("slack_sdk.canary", "")
        assert "Y2FuYXJ5" not in text


def test_a_secret_with_quotes_is_found_before_it_is_escaped() -> None:
    """A secret that JSON and repr write differently is taken out all the same."""
    text = logged(lambda: structlog.get_logger().error("failed", reason=KNOWN[2]))

    assert "canary" not in text


def test_a_field_that_is_called_a_secret_is_not_shown() -> None:
    """token, api_key, secret, Authorization and password hide their values; tokens (a number) does not."""
    redaction = Redaction()

    shown = redaction.value(
        {
            "token": "a1",
            "api_key": "a2",
            "webhook_secret": "a3",
            "Authorization": "a4",
            "password": SecretStr("a5"),
        }
    )

    assert {"[redacted]"} == set(dict(shown).values())  # type: ignore[call-overload]
    assert {"tokens": 5, "input_tokens": 7} == redaction.value({"tokens": 5, "input_tokens": 7})


def test_ordinary_text_stays_as_it_is() -> None:
    """Words that only resemble secrets are left alone."""
    text = "risk-assessment of task-force status_code=404, bearer of news? a.b.c 12.34 code 7"

    assert text == Redaction(["abc", ""]).text(text)


def test_importing_configures_nothing() -> None:
    """Importing the package leaves Python's logging alone: no handler, level WARNING."""
    code = (
        "import logging, assistant_gateway.logs, assistant_gateway.config\n"
        "print(len(logging.getLogger().handlers), logging.getLogger().level)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert f"0 {logging.WARNING}\n" == done.stdout


def test_a_line_that_cannot_be_written_harms_nobody() -> None:
    """With the stream closed, logging at every level is silent instead of an error."""
    stream = io.StringIO()
    configure_logging("json", "debug", stream=stream)
    stream.close()

    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(structlog.get_logger(), level)("event", number=1)
    logging.getLogger("library").warning("said")
