"""
Which app hears of what, and in which envelope.

An event goes to every app that is installed in the workspace, subscribed to it in its manifest, has the
scope and sits in the channel (docs.slack.dev, "The Events API", 2026-09-14).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from urllib.parse import urlencode

import aiohttp

from emulators.clock import Clock
from emulators.shapes import Json, record, string
from emulators.slack import sizes
from emulators.slack.deliveries import Deliveries, Delivery, EnvelopeKind, Outcome
from emulators.slack.payloads import CHANNEL_TYPES
from emulators.slack.sockets import Sockets
from emulators.slack.world import App, Channel, Installation, World

SCOPES: Mapping[str, str] = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}
SUBSCRIPTIONS = {"public": "message.channels", "private": "message.groups"} | {
    "im": "message.im",
    "mpim": "message.mpim",
}
REDIRECTS = 2  # more are `too_many_redirects`


class Feed:
    """Sends events, interactions and commands to the apps."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        deliveries: Deliveries,
        sockets: Sockets,
        spawn: Callable[[Coroutine[object, object, None], str], None],
        deadline: float,
    ) -> None:
        self._world = world
        self._clock = clock
        self._deliveries = deliveries
        self._sockets = sockets
        self._spawn = spawn
        self._deadline = deadline
        self._hour: dict[tuple[str, str], deque[float]] = {}
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections to the apps."""
        if self._http is not None:
            await self._http.close()

    def hears(self, installation: Installation, subscription: str, channel: Channel | None) -> bool:
        """Whether an app gets events of that kind from that channel."""
        app = installation.app
        scope = SCOPES.get(subscription, "")
        return (
            subscription in app.manifest.events
            and (not scope or scope in installation.scopes)
            and (channel is None or installation.bot_user_id in channel.members)
        )

    def in_channel(self, channel: Channel, subscription: str, make: Callable[[Installation], Json]) -> None:
        """Send what *make* makes for each app that hears of *subscription* in *channel*."""
        for team in sorted(channel.teams):
            for installation in list(self._world.installed(team)):
                if self.hears(installation, subscription, channel):
                    self.event(installation, make(installation), channel)

    def message(self, channel: Channel, make: Callable[[Installation], Json]) -> None:
        """Send a message event to each app that reads *channel*."""
        fields: Json = {"channel": channel.id, "channel_type": CHANNEL_TYPES[channel.kind]}
        self.in_channel(channel, SUBSCRIPTIONS[channel.kind], lambda each: make(each) | fields)

    def event(
        self, installation: Installation, event: Json, channel: Channel | None = None
    ) -> Delivery | None:
        """Send one event to one app; None when its 30,000 an hour are used up."""
        key = (installation.app.id, installation.team_id)
        now = self._clock.now()
        hour = self._hour.setdefault(key, deque())
        while hour and hour[0] <= now - 3_600:
            hour.popleft()
        if len(hour) > sizes.EVENTS_PER_HOUR:
            return None
        hour.append(now)
        if len(hour) > sizes.EVENTS_PER_HOUR:
            return self._deliver(installation.app, "events_api", self._limited(installation, now))
        return self._deliver(installation.app, "events_api", self._outer(installation, event, channel, now))

    def _outer(self, installation: Installation, event: Json, channel: Channel | None, now: float) -> Json:
        author = self._world.users.get(string(event.get("user")))
        if (
            author is not None
            and channel is not None
            and channel.connected
            and event.get("type") == "message"
        ):
            # Whose they are: docs.slack.dev, "Slack Connect", 2026-09-14.
            event = {**event, "user_team": author.team_id, "source_team": author.team_id}
        workspace = self._world.workspaces[installation.team_id]
        authorization = {
            "enterprise_id": workspace.enterprise_id or None,
            "team_id": installation.team_id,
            "user_id": installation.bot_user_id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": "emulator-verification-token",
            "team_id": installation.team_id,
            "context_team_id": installation.team_id,
            "context_enterprise_id": workspace.enterprise_id or None,
            "api_app_id": installation.app.id,
            "event": event,
            "type": "event_callback",
            "event_id": self._world.mint("Ev"),
            "event_time": int(now),
            "authorizations": [authorization],
            "is_ext_shared_channel": bool(channel is not None and channel.connected),
            "event_context": f"4-{installation.team_id}-{installation.app.id}",
        }

    def _limited(self, installation: Installation, now: float) -> Json:
        return {
            "token": "emulator-verification-token",
            "type": "app_rate_limited",
            "team_id": installation.team_id,
            "minute_rate_limited": int(now) // 60 * 60,
            "api_app_id": installation.app.id,
        }

    def interaction(self, app: App, payload: Json) -> Delivery:
        """Send a click, a shortcut or a submitted view to its app, once."""
        return self._deliver(app, "interactive", payload)

    def command(self, app: App, payload: Json) -> Delivery:
        """Send a slash command to its app, once."""
        return self._deliver(app, "slash_commands", payload)

    def raw(self, app: App, payload: Json) -> Delivery:
        """Send *payload* as an event, whatever it is."""
        return self._deliver(app, "events_api", payload)

    def _deliver(self, app: App, kind: EnvelopeKind, payload: Json) -> Delivery:
        delivery = Delivery(app, kind, payload, self._world.mint("envelope-"))
        self._deliveries.all.append(delivery)
        send = self._sockets.send if app.manifest.socket_mode else self._post
        self._spawn(self._deliveries.carry(delivery, send), f"deliver {delivery.envelope_id}")
        return delivery

    async def _post(self, delivery: Delivery, number: int, reason: str) -> Outcome:
        app = delivery.app
        if not app.manifest.request_url:
            return Outcome("connection_failed")
        headers = {}
        if delivery.kind == "events_api":
            body = json.dumps(delivery.payload).encode()
            headers["Content-Type"] = "application/json"
            if number:
                headers |= {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        else:
            form = (
                {"payload": json.dumps(delivery.payload)}
                if delivery.kind == "interactive"
                else {name: str(value) for name, value in delivery.payload.items()}
            )
            body = urlencode(form).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers |= signature(app.signing_secret, body, int(self._clock.now()))
        if self._http is None:
            self._http = aiohttp.ClientSession(headers={"User-Agent": "Slackbot 1.0"})
        try:
            async with (
                asyncio.timeout(self._deadline),
                self._http.post(
                    app.manifest.request_url, data=body, headers=headers, max_redirects=REDIRECTS + 1
                ) as answer,
            ):
                told = await answer.read()
                stop = answer.headers.get("X-Slack-No-Retry") == "1"
                if not 200 <= answer.status < 300:
                    return Outcome("http_error", stop)
                return Outcome(answer=_answered(told))
        except TimeoutError:
            return Outcome("http_timeout")
        except aiohttp.TooManyRedirects:
            return Outcome("too_many_redirects")
        except aiohttp.ClientSSLError:
            return Outcome("ssl_error")
        except aiohttp.ClientConnectionError:
            return Outcome("connection_failed")
        except aiohttp.ClientError:
            return Outcome("unknown_error")


def _answered(body: bytes) -> Json:
    try:
        return record(json.loads(body))
    except ValueError:
        return {"text": body.decode(errors="replace")} if body else {}


def signature(secret: str, body: bytes, now: int) -> dict[str, str]:
    """The headers of a signed request: docs.slack.dev, "Verifying requests from Slack", 2026-09-14."""
    base = b"v0:%d:%s" % (now, body)
    digest = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(now), "X-Slack-Signature": f"v0={digest}"}
