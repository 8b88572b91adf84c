"""
Slack's other hosts, as paths of this one: uploads, downloads, response URLs, the install page.

A download with a bad token or without the scope is a 302 to a sign-in page, which is 200 and HTML:
reported vercel/eve#1531.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlencode

from aiohttp import BodyPartReader, web

from emulators.slack import posting, sizes
from emulators.slack.arguments import Arguments
from emulators.slack.manifest import SCOPES
from emulators.slack.methods.content import said_in
from emulators.slack.refusal import Refusal
from emulators.slack.service import Code, ResponseUrl, Service
from emulators.slack.web_api import arguments_of, bearer
from emulators.slack.world import Message

SIGN_IN = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body>Sign in</body></html>"


class Places:
    """The endpoints beside the Web API."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def upload(self, request: web.Request) -> web.Response:
        """The bytes of a file, raw or as a form; as many as were announced."""
        file = self._service.world.files.get(request.match_info["file"])
        if file is None or file.uploaded:
            return web.Response(status=404, text="not found")
        content = b""
        if request.content_type == "multipart/form-data":
            async for part in _parts(request):
                content = part
        else:
            content = await request.read()
        if len(content) != file.length:
            return web.Response(status=400, text="length mismatch")
        file.content, file.uploaded = content, True
        return web.Response(text=f"OK - {len(content)}")

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The bytes of a file, for a bot that may read files."""
        token = bearer(request)
        world = self._service.world
        now = self._service.clock.now()
        reader = next((each for each in world.installations if each.refuses(token, now) == ""), None)
        file = world.files.get(request.match_info["file"])
        if reader is None or "files:read" not in reader.scopes:
            raise web.HTTPFound(f"/signin?{urlencode({'redir': request.path})}")
        if file is None or file.deleted or file.team_id != reader.team_id or not file.uploaded:
            return web.Response(status=404, text="not found")
        disposition = {"Content-Disposition": "attachment"}
        return web.Response(body=file.content, content_type=file.mimetype, headers=disposition)

    async def sign_in(self, request: web.Request) -> web.Response:
        """The page that people sign in on."""
        return web.Response(text=SIGN_IN, content_type="text/html")

    async def respond(self, request: web.Request) -> web.Response:
        """A response_url: 5 posts in 30 minutes; who has it needs no token."""
        known = self._service.response_urls.get(request.match_info["secret"])
        if known is None:
            return _refused("no_such_url")
        now = self._service.clock.now()
        if now > known.until:
            return _refused("expired_url")
        if len(known.posts) >= sizes.RESPONSE_POSTS:
            return _refused("used_url")
        known.posts.append(now)
        try:
            self._answer(known, await arguments_of(request))
        except Refusal as refusal:
            return _refused(refusal.error)
        return web.Response(text="ok")

    def _answer(self, known: ResponseUrl, arguments: Arguments) -> None:
        service = self._service
        channel = service.world.channels[known.channel]
        original = channel.messages.get(known.message_ts) or next(
            (each for each in service.world.ephemerals if each.ts == known.message_ts), None
        )
        if arguments.flag("delete_original") and original is not None:
            posting.remove(service, channel, original, "response_url")
            return
        said = said_in(arguments, service.world.mint("B"), parse="none")
        if arguments.flag("replace_original") and original is not None:
            before = posting.previous(service, original)
            original.text, original.blocks = said.text, said.blocks or []
            posting.show(service, original, said.shown, "response_url", names=said.names)
            posting.changed(service, channel, original, before)
            return
        message = Message(
            ts=service.world.mint_ts(service.clock.now()),
            channel=channel.id,
            user=known.installation.bot_user_id,
            text=said.text,
            via="response_url",
            installation=known.installation,
            root=arguments.text("thread_ts"),
            blocks=said.blocks or [],
        )
        posting.unfurl(message, said.shown, wanted=said.unfurls)
        if arguments.text("response_type") == "in_channel":
            posting.show(service, message, said.shown, "response_url", names=said.names)
            posting.place(service, channel, message)
        else:
            message.ephemeral_to = known.user
            posting.show(service, message, said.shown, "response_url", viewers=(known.user,), loud=False)
            service.world.ephemerals.append(message)

    async def authorize(self, request: web.Request) -> web.Response:
        """
        The install page, with a person who does at once what `consent` says.

        docs.slack.dev, "Installing with OAuth", 2026-09-14: scopes and client id are needed, and the
        address to come back to has to be one of the app's (here: exactly). Who cancels comes back with
        ``error=access_denied``: reported bolt-python#1454. A code is good for ten minutes.
        """
        service, query = self._service, request.query
        app = next(
            (each for each in service.world.apps.values() if each.client_id == query.get("client_id")), None
        )
        if app is None:
            return _unanswered("invalid_client_id")
        allowed = app.manifest.redirect_urls
        redirect = query.get("redirect_uri", allowed[0] if allowed else "")
        if not redirect or (allowed and redirect not in allowed):
            return _unanswered("bad_redirect_uri")
        scopes = frozenset(filter(None, query.get("scope", "").split(",")))
        if not scopes or not scopes <= SCOPES:
            return _unanswered("invalid_scope")
        told = {"state": query["state"]} if query.get("state") else {}
        consent = service.consent
        if not consent.agrees:
            told |= {"error": "access_denied", "error_description": "The user has denied access."}
            raise web.HTTPFound(f"{redirect}?{urlencode(told)}")
        team = consent.team or query.get("team") or next(iter(service.world.workspaces))
        if team not in service.world.workspaces:
            return _unanswered("invalid_team")
        code = secrets.token_hex(16)
        until = service.clock.now() + sizes.CODE_SECONDS
        given = query.get("redirect_uri", "")
        service.oauth_codes[code] = Code(app.id, team, consent.organisation, given, scopes, until)
        raise web.HTTPFound(f"{redirect}?{urlencode({'code': code, **told})}")


async def _parts(request: web.Request) -> AsyncIterator[bytes]:
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader):
            yield bytes(await part.read())


def _unanswered(error: str) -> web.Response:
    return web.Response(status=400, text=f"Something went wrong: {error}")


def _refused(error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error}, status=404)
