"""Slack: a bot that answers mentions, direct messages, and follow-ups in threads that it takes part in."""

from assistant_gateway_slack.plugin import plugin

__all__ = ["plugin"]
