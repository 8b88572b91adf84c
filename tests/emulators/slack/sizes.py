"""
How much Slack takes, each number in its unit and with its source.

"reported" is an issue or a pull request by somebody on the real Slack; "assumed" is shown by nobody.
"""

from __future__ import annotations

POST_SPLIT = 4_000
"""Characters of `text` after which a post becomes several messages and one ts comes back: reported
openclaw#117809 (2026-08), slack-go#972. How it splits is assumed: at the limit, the first ts is told."""

POST_CUT = 40_000
"""Characters at which `text` is cut, with warning `message_truncated`: "chat.postMessage", 2026-08-20."""

UPDATE_TEXT = 4_000
"""Characters of `text` in an edit, else `msg_too_long`: "chat.update", 2026-08-20; reported daimon#106."""

MARKDOWN = 12_000
"""Characters of `markdown_text` in a call, and of all markdown blocks in a message: "chat.postMessage",
"markdown block", 2026-08-20; characters, not bytes: reported daimon#113."""

BLOCKS_TEXT = 13_170
"""Characters of all blocks of a message, else `msg_blocks_too_long`: reported bolt-js#2509."""

BLOCKS = 50
"""Blocks of a message: docs.slack.dev, "Blocks", 2026-08-20."""

VIEW_BLOCKS = 100
"""Blocks of a view: docs.slack.dev, "Views", 2026-08-20."""

VIEW_BYTES = 250_000
"""Bytes of a view's JSON: docs.slack.dev, "views.publish", 2026-08-20."""

ATTACHMENTS = 100
"""Attachments of a message: docs.slack.dev, "chat.postMessage", 2026-08-20."""

METADATA_BYTES = 16_000
"""Bytes of a message's metadata as JSON; Slack gives no number: assumed."""

STREAM_WEIGHT = 10_600
"""
Weighted UTF-8 bytes of a streamed message with tasks: body and titles once, details and output twice.

Reported openclaw#143882: 10,571 and 11,215 taken, 10,821 and 11,279 refused; this is the strict end.
"""

STREAM_TEXT = 11_977
"""Characters of a stream of text alone: reported CopilotKit#6064."""

STREAM_SECONDS = 300.0
"""Life of a stream from its start on, appends or not: reported python-slack-sdk#1859, node-slack-sdk#2702."""

TASK_FIELD = 256
"""Characters of a task's or plan's title, details and output in one chunk: docs.slack.dev by second hand;
that more is `invalid_chunks` is assumed."""

STATUS_SECONDS = 120.0
"""After which a status of `assistant.threads.setStatus` ends: docs.slack.dev, that page, 2026-08-20."""

PROCESSING_SECONDS = 3_600.0
"""After which a session falls from `processing` to `active`: "agents.sessions.setStatus", 2026-08-20."""

RESPONSE_POSTS = 5
"""Posts to one response_url: docs.slack.dev, "Handling user interaction", 2026-09-14."""

RESPONSE_SECONDS = 1_800.0
"""Life of a response_url: the same page."""

TRIGGER_SECONDS = 3.0
"""Life of a trigger_id: the same page."""

EVENTS_PER_HOUR = 30_000
"""Deliveries per workspace and app in 60 min: docs.slack.dev, "The Events API", 2026-09-14."""

CONNECTIONS = 10
"""Socket Mode connections of an app: docs.slack.dev, "Using Socket Mode", 2026-09-14."""

CODE_SECONDS = 600.0
"""A code of the install page is good so long: docs.slack.dev, "Installing with OAuth", 2026-09-14."""
