"""The words of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version

DISTRIBUTION = "assistant-gateway"


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says; wrong usage ends the process with code 2, as argparse does."""
    return _parser().parse_args(argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=DISTRIBUTION, description="An AI assistant in Slack, Discord and a signed webhook."
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {version(DISTRIBUTION)}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = _common()

    serve = commands.add_parser("serve", parents=[common], help="answer on every configured platform")
    serve.add_argument("--listen", metavar="HOST:PORT", help="where to listen; port 0 takes any free one")
    serve.add_argument("--log-format", choices=("console", "json"))
    serve.add_argument("--log-level", choices=("debug", "info", "warning", "error"))

    chat = commands.add_parser("chat", parents=[common], help="talk to an assistant in this terminal")
    chat.add_argument(
        "--assistant", metavar="NAME", default="default", help="which assistant (default: default)"
    )
    chat.add_argument(
        "--conversation",
        metavar="KEY",
        default="terminal",
        help="go on with the conversation KEY (default: terminal)",
    )
    chat.add_argument("--log-level", choices=("debug", "info", "warning", "error"))

    commands.add_parser("doctor", parents=[common], help="check the installation and say what to mend")
    _add_threads(commands, common)
    _add_tools(commands, common)
    _add_deliveries(commands, common)
    _add_usage(commands, common)
    _add_feedback(commands, common)

    slack = commands.add_parser("slack", help="set up the Slack app").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    manifest = slack.add_parser("manifest", help="print the app's manifest, to be pasted into Slack")
    manifest.add_argument(
        "--config",
        metavar="FILE",
        help="its [slack] says what is asked for (default: ./config.toml if it exists)",
    )
    manifest.add_argument(
        "--name", type=_app_name, default="Assistant", help="the bot's name (default: Assistant)"
    )
    manifest.add_argument(
        "--url", type=_public, metavar="URL", help="https://HOST for HTTP; without it Socket Mode"
    )

    discord = commands.add_parser("discord", help="set up the Discord bot").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    invite = discord.add_parser(
        "invite", parents=[common], help="print the link that brings the bot into a server"
    )
    invite.add_argument("--application", type=_id, metavar="ID", help="instead of the one in the bot's token")

    config = commands.add_parser("config", help="look at the configuration").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    config.add_parser("show", parents=[common], help="print all settings as JSON, without secrets")
    return parser


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", metavar="FILE", help="configuration file (default: ./config.toml if it exists)"
    )
    common.add_argument("--store", metavar="URL", help="sqlite:///file.db or postgresql://…")
    return common


def _add_threads(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    threads = commands.add_parser("threads", help="look at what was said").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    listed = threads.add_parser("list", parents=[common], help="the newest threads")
    listed.add_argument("--limit", type=_count, default=50, metavar="N", help="how many (default: 50)")
    listed.add_argument("--adapter", default="", help="only those of one adapter")
    shown = threads.add_parser("show", parents=[common], help="the newest items of a thread")
    shown.add_argument("id", metavar="ID")
    shown.add_argument("--limit", type=_count, default=100, metavar="N", help="how many (default: 100)")
    reset = threads.add_parser(
        "reset", parents=[common], help="begin a new thread in the conversation of a thread"
    )
    reset.add_argument("id", metavar="ID")
    export = threads.add_parser("export", parents=[common], help="a whole thread, or all, as JSON Lines")
    export.add_argument("id", metavar="ID", nargs="?", help="without it all threads")
    export.add_argument("--output", metavar="FILE", help="write it there, readable by nobody else")
    taken = threads.add_parser("import", parents=[common], help="take in threads that were exported")
    taken.add_argument("file", metavar="FILE")
    taken.add_argument(
        "--format",
        choices=("lines", "assistants"),
        default="lines",
        help="lines: of `threads export`; assistants: messages of OpenAI's Assistants API (default: lines)",
    )
    taken.add_argument(
        "--replace",
        action="store_true",
        help="go on with the imported thread also where a conversation has one",
    )
    taken.add_argument(
        "--files", metavar="DIRECTORY", help="files of an Assistants export, named by their ids"
    )
    taken.add_argument(
        "--places",
        metavar="FILE",
        help="where threads of an Assistants export go on: a line of JSON each, "
        '{"thread": "thread_…", "adapter": "slack", "tenant": "T…", "channel": "C…", "topic": ""}',
    )


def _add_tools(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    tools = commands.add_parser("tools", help="look at and try the registered functions").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    tools.add_parser("list", parents=[common], help="all tools, as a model sees them")
    call = tools.add_parser("call", parents=[common], help="call a tool as a model would")
    call.add_argument("name", metavar="NAME")
    call.add_argument("arguments", metavar="JSON", nargs="?", default="{}", help="arguments (default: {})")


def _add_deliveries(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    deliveries = commands.add_parser(
        "deliveries", help="look at callbacks that did not arrive"
    ).add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = deliveries.add_parser("list", parents=[common], help="the newest deliveries")
    listed.add_argument("--state", choices=("pending", "delivered", "dead"), help="only those in one state")
    listed.add_argument("--limit", type=_count, default=50, metavar="N", help="how many (default: 50)")
    retry = deliveries.add_parser("retry", parents=[common], help="try a delivery again, at once")
    retry.add_argument("id", metavar="ID")


def _add_feedback(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    feedback = commands.add_parser("feedback", help="look at what people think of answers").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    listed = feedback.add_parser("list", parents=[common], help="the newest ratings and comments")
    listed.add_argument("--rating", choices=("good", "bad"), help="only those")
    listed.add_argument("--limit", type=_count, default=50, metavar="N", help="how many (default: 50)")


def _add_usage(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    usage = commands.add_parser("usage", parents=[common], help="what was used, and what it cost")
    usage.add_argument(
        "--by",
        choices=("user", "assistant", "model", "tenant", "conversation"),
        default="assistant",
        help="one line for each (default: assistant)",
    )
    usage.add_argument(
        "--since", type=_day, metavar="DATE", help="YYYY-MM-DD, in UTC (default: the first of this month)"
    )
    usage.add_argument("--json", action="store_true", help="one JSON object a line")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("should be a date such as 2026-11-22") from None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError("should be a number from 1 to 100000")
    return int(text)


def _id(text: str) -> str:
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise argparse.ArgumentTypeError("should be an id of Discord's, a number")
    return text


def _app_name(text: str) -> str:
    # docs.slack.dev, "App manifest reference", `display_information.name`, 2026-09-14
    if not 0 < len(text.strip()) <= 35:
        raise argparse.ArgumentTypeError("Slack takes names of 1 to 35 characters")
    return text.strip()


def _public(text: str) -> str:
    if not text.startswith("https://") or not text.removeprefix("https://").strip("/"):
        raise argparse.ArgumentTypeError("should be an address that Slack can reach: https://HOST")
    return text
