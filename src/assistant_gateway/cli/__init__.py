"""
The command line.

Exit codes: 0 ended as asked, 1 failed, 2 wrong usage or configuration. What went wrong is
said in a line on standard error; a traceback is shown to nobody.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from assistant_gateway.cli.arguments import DISTRIBUTION, parse
from assistant_gateway.errors import ConfigError, GatewayError, StoreRefused
from assistant_gateway.redaction import Redaction

if TYPE_CHECKING:
    import argparse


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    arguments = parse(argv)
    try:
        return _command(arguments.command)(arguments)
    except KeyboardInterrupt:
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _report(_cause(error))


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """The command's function; only what it needs is imported."""
    match name:
        case "serve":
            from assistant_gateway.cli.serve import serve

            return serve
        case "chat":
            from assistant_gateway.cli.chat import chat

            return chat
        case "doctor":
            from assistant_gateway.cli.doctor import doctor

            return doctor
        case "threads":
            from assistant_gateway.cli.threads import threads

            return threads
        case "tools":
            from assistant_gateway.cli.tools import tools

            return tools
        case "deliveries":
            from assistant_gateway.cli.deliveries import deliveries

            return deliveries
        case "usage":
            from assistant_gateway.cli.usage import usage

            return usage
        case "discord":
            from assistant_gateway.cli.discord import discord

            return discord
        case "feedback":
            from assistant_gateway.cli.feedback import feedback

            return feedback
        case "slack":
            from assistant_gateway.cli.slack import slack

            return slack
        case _:
            from assistant_gateway.cli.config import config

            return config


def _cause(error: BaseException) -> BaseException:
    """What a task group's error is about."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _report(error: BaseException) -> int:
    text = Redaction().text(str(error))
    match error:
        case ConfigError() | StoreRefused():
            print(f"{DISTRIBUTION}: {text}", file=sys.stderr)
            return 2
        case GatewayError() | OSError():
            print(f"{DISTRIBUTION}: {text or type(error).__name__}", file=sys.stderr)
        case _:
            # A fault of ours: where it happened helps, what people said must not be shown.
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else "an unknown place"
            print(f"{DISTRIBUTION}: unexpected {type(error).__name__} at {where}: {text}", file=sys.stderr)
    return 1
