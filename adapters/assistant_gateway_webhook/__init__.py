"""The signed webhook: everything that is no chat platform talks to the assistant through it."""

from assistant_gateway_webhook.adapter import WebhookAdapter, plugin

__all__ = ["WebhookAdapter", "plugin"]
