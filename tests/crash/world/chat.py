"""
A chat platform in the shape of Slack's: posts with our key in their metadata, edits, deletions.

It takes the same key as often as it is posted: not to repeat a post is the gateway's business.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from crash.record import Posted, Record, Shown
from crash.world.faults import Network
from crash.world.waiting import Waiting


class Chat:
    """The posts of the bot."""

    def __init__(self, record: Record, network: Network, waiting: Waiting) -> None:
        self._record = record
        self._network = network
        self._waiting = waiting
        self._posts: dict[str, Posted] = {}

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return (
            web.post("/chat/posts", self._post),
            web.get("/chat/posts", self._find),
            web.patch("/chat/posts/{id}", self._edit),
            web.delete("/chat/posts/{id}", self._delete),
        )

    async def _post(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        post = Posted(
            id=f"p{len(self._record.posts) + 1}",
            key=asked["key"],
            conversation=asked["conversation"],
            answers=asked["answers"],
            shown=[Shown(self._record.tick(), asked["text"], asked["final"])],
        )
        self._record.posts.append(post)
        self._posts[post.id] = post
        self._waiting.shown(post.answers, post.text)
        return self._network.answer(request, {"ids": [post.id]})

    async def _find(self, request: web.Request) -> web.StreamResponse:
        key = request.query["key"]
        found = [post.id for post in self._posts.values() if post.key == key and post.deleted is None]
        return web.json_response({"ids": found})

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        post = self._posts.get(request.match_info["id"])
        if post is None or post.deleted is not None:
            return web.json_response({"error": "message_not_found"}, status=404)
        post.shown.append(Shown(self._record.tick(), asked["text"], asked["final"]))
        self._waiting.shown(post.answers, post.text)
        return self._network.answer(request, {})

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        post = self._posts.get(request.match_info["id"])
        if post is not None and post.deleted is None:
            post.deleted = self._record.tick()
        return self._network.answer(request, {})
