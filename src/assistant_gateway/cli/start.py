"""What every command begins with: the configuration and the log."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from assistant_gateway.config import Config, load_config
from assistant_gateway.logs import configure_logging
from assistant_gateway.plugins import Plugins

DEFAULT = Path("config.toml")
OPTIONS = ("--store", "--listen", "--log-format", "--log-level")


def configured(
    arguments: argparse.Namespace, plugins: Plugins | None = None, *, level: str | None = "warning"
) -> Config:
    """
    The configuration that the command line asks for; from here on the log is redacted.

    *level* is the least important event that a command shows; None leaves it to the configuration.

    Raises:
        ConfigError: Something in it is wrong.
    """
    given = {f"--{name.replace('_', '-')}": value for name, value in vars(arguments).items()}
    if level is not None and given.get("--log-level") is None:
        given["--log-level"] = level
    options = {option: given[option] for option in OPTIONS if given.get(option) is not None}
    config = load_config(config_file(arguments), os.environ, plugins, options=options)
    configure_logging(config.log.format, config.log.level, config.secret_values())
    return config


def config_file(arguments: argparse.Namespace) -> Path | None:
    """The file that ``--config`` names, else ``./config.toml`` where there is one."""
    if arguments.config is not None:
        return Path(arguments.config)
    return DEFAULT if DEFAULT.exists() else None


def base_directory(arguments: argparse.Namespace) -> Path:
    """What relative names of tool files start from."""
    file = config_file(arguments)
    return file.parent if file else Path()
