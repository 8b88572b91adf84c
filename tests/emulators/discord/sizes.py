"""
How long and how many: developers/resources/message.mdx, channel.mdx and components/reference.mdx, 2026-08-06.

The unit of a "character" is not published; here it is the code point (assumed).
"""

CONTENT = 2_000  # characters, on create and on edit
FILES = 10  # files of a message
FILE = 10 * 1024 * 1024  # bytes of one file, by default since 2025-01-16
REQUEST = 25 * 1024 * 1024  # bytes of a whole request
NONCE = 25  # characters
EMBEDS = 10
EMBED_TITLE = 256
EMBED_DESCRIPTION = 4_096
EMBED_FIELDS = 25
EMBED_FIELD_NAME = 256
EMBED_FIELD_VALUE = 1_024
EMBED_FOOTER = 2_048
EMBED_AUTHOR = 256
EMBED_TOTAL = 6_000  # characters of all embeds of a message
ROWS = 5  # action rows of a message
BUTTONS = 5  # buttons of a row
LABEL = 80
CUSTOM_ID = 100
OPTIONS = 25
PLACEHOLDER = 150
COMPONENTS_V2 = 40  # all components of a message, nested ones too
TEXT_DISPLAYS = 4_000  # characters of all text displays of a message
MODAL_TITLE = 45
MODAL_ROWS = 5
MODAL_TEXT = 4_000
MENTIONED = 100  # ids of one list of `allowed_mentions`
THREAD_NAME = 100
ALT_TEXT = 1_024
COMMANDS = 100  # chat input commands of an app, in one scope
CONTEXT_COMMANDS = 15  # user and message commands, 5 before 2025 (assumed to be 15 of each kind)
COMMAND_NAME = 32
COMMAND_DESCRIPTION = 100
COMMAND_TOTAL = 8_000
COMMAND_CREATES = 200  # in 24 h and scope
AUTOCOMPLETE = 25
"""Choices of an autocomplete answer."""
THREAD_MEMBERS = 1_000
MESSAGES = 100  # of one page of history
REACTIONS = 20  # different ones on a message
