"""What people see of an answer: posts that grow, are split by length, and end complete."""

from assistant_gateway.replies.reply import Reply, Undeliverable

__all__ = ["Reply", "Undeliverable"]
