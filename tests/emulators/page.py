"""
What the pages of all emulators have in common: they load nothing from elsewhere and run no foreign script.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from html import escape

from aiohttp import web


def page(html: Callable[[str], str]) -> web.Response:
    """The answer with what *html* makes; it is given the nonce that its styles and scripts must bear."""
    nonce = secrets.token_hex(8)
    policy = f"default-src 'none'; connect-src 'self'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    return web.Response(text=html(nonce), content_type="text/html", headers=headers)


def act_button(label: str, act: str, body: Mapping[str, object]) -> str:
    """A button; a click on it is the *act* of the control API with *body*."""
    told = escape(json.dumps(body))
    return f'<button data-act="{act}" data-body="{told}">{escape(label)}</button>'
