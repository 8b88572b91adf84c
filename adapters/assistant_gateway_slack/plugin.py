"""The entry point: what the gateway must know of Slack before anything of Slack's SDK is loaded."""

from __future__ import annotations

from assistant_gateway.adapter import Adapter, AdapterPlugin, AdapterServices
from assistant_gateway.errors import ConfigError
from assistant_gateway_slack.settings import SlackSettings, from_environment

PARTS = ("slack_bolt", "slack_sdk", "cryptography")  # of the extra `slack`


def build(settings: SlackSettings, services: AdapterServices) -> Adapter:
    """
    The adapter for checked settings.

    Raises:
        ConfigError: The SDK is not installed, or there is no key to keep tokens with.
    """
    try:
        from assistant_gateway_slack.adapter import SlackAdapter
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in PARTS:
            raise
        raise ConfigError(
            "Slack's SDK is not installed: pip install 'assistant-gateway[slack]'", "slack"
        ) from error
    return SlackAdapter(settings, services)


plugin = AdapterPlugin(
    section="slack", settings=SlackSettings, build=build, from_environment=from_environment
)
