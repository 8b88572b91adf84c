"""
What an agent says about itself: sessions, statuses, titles and suggested prompts.

`agents.sessions.*` and `assistant.threads.*`, docs.slack.dev, 2026-08-20; the guide "Developing agents",
2026-09-14. Both status methods write one slot, the last writer wins: reported agentconnect#1483.
"""

from __future__ import annotations

from emulators.shapes import Json, string
from emulators.slack import posting, sizes
from emulators.slack.methods.caller import TS, Caller, Method
from emulators.slack.refusal import Refusal, pointed
from emulators.slack.service import Service
from emulators.slack.world import Channel, Installation, Session

STATUSES = ("active", "processing", "suspended", "closed")
LOADING, LOADING_LENGTH, PROMPTS, TITLE = 10, 50, 4, 200
NO_STOP_BUTTON = "missing_agent_session_stopped_event_subscription"


def session_of(service: Service, bot: Installation, channel: Channel, thread_ts: str) -> Session | None:
    """The session of an agent in a thread."""
    return service.world.sessions.get((bot.app.id, channel.id, thread_ts))


def opened(service: Service, bot: Installation, channel: Channel, thread_ts: str) -> tuple[Session, bool]:
    """The session of an agent in a thread, and whether it is new."""
    found = session_of(service, bot, channel, thread_ts)
    if found is not None:
        return found, False
    session = Session(bot.app.id, channel.id, thread_ts, bot.bot_user_id)
    service.world.sessions[bot.app.id, channel.id, thread_ts] = session
    return session, True


def set_session(
    service: Service, bot: Installation, channel: Channel, thread_ts: str, status: str, text: str = ""
) -> Session:
    """
    Give a session its status, and the root's readers the hidden event of it.

    `processing` falls to `active` after an hour; sending it again restarts the hour. A status *text*
    (`assistant.threads.setStatus`) ends after 2 min.
    """
    root = channel.messages.get(thread_ts)
    before = posting.previous(service, root) if root is not None else {}
    session, _ = opened(service, bot, channel, thread_ts)
    now = service.clock.now()
    session.status, session.text = status, text
    life = sizes.STATUS_SECONDS if text else sizes.PROCESSING_SECONDS
    session.until = now + life if status == "processing" else None
    session.history.append((now, text or status))
    if root is not None and root.deleted_at is None:
        posting.changed(service, channel, root, before)
    service.changed()
    return session


def expire(service: Service) -> None:
    """Let go of statuses whose time is over."""
    now = service.clock.now()
    for session in service.world.sessions.values():
        if session.until is not None and session.until <= now:
            session.status, session.text, session.until = "active", "", None
            session.history.append((now, "active"))


def cleared_status(caller: Caller, channel: Channel, root: str) -> None:
    """A status ends with the app's next message: "assistant.threads.setStatus", 2026-08-20."""
    session = session_of(caller.service, caller.bot, channel, root)
    if session is not None and session.text:
        set_session(caller.service, caller.bot, channel, root, "active")


def thread_in(caller: Caller, channel: Channel) -> str:
    """
    The thread of a session.

    Raises:
        Refusal: `thread_ts_required`, `thread_ts_not_allowed` or `invalid_thread_ts`.
    """
    ts = caller.arguments.text("thread_ts")
    if channel.one_session:
        if ts:
            raise Refusal("thread_ts_not_allowed")
        return ""
    if not ts:
        raise Refusal("thread_ts_required")
    if not TS.fullmatch(ts) or ts not in channel.messages:
        raise Refusal("invalid_thread_ts")
    return ts


async def set_session_status(caller: Caller) -> Json:
    """`agents.sessions.setStatus`; title and initiator count only for a new session."""
    service, bot = caller.service, caller.bot
    if bot.app.manifest.view != "agent":
        raise Refusal("feature_disabled")
    status = caller.arguments.required("status")
    if status not in STATUSES:
        raise Refusal("invalid_status")
    channel = caller.channel("channel_id")
    if bot.bot_user_id not in channel.members:
        raise Refusal("not_authorized")
    thread_ts = thread_in(caller, channel)
    title = caller.arguments.text("title")
    if len(title) > TITLE:
        raise pointed("invalid_arguments", "/title", f"must be less than {TITLE + 1} characters")
    is_new = session_of(service, bot, channel, thread_ts) is None
    if is_new:
        session, _ = opened(service, bot, channel, thread_ts)
        session.title = title
        session.initiator = caller.arguments.text("initiator_user_id")
    session = set_session(service, bot, channel, thread_ts, status)
    told: Json = {"ok": True, "status": status, "agent_status": status, "title": session.title}
    if status == "processing" and "agent_session_stopped" not in bot.app.manifest.events:
        told |= {"warning": NO_STOP_BUTTON, "response_metadata": {"warnings": [NO_STOP_BUTTON]}}
    return told


async def rename_session(caller: Caller) -> Json:
    """`agents.sessions.rename`."""
    channel = caller.channel("channel_id")
    title = caller.arguments.text("title")
    if not 0 < len(title) <= TITLE:
        raise pointed("invalid_arguments", "/title", f"must be between 1 and {TITLE} characters")
    session = session_of(caller.service, caller.bot, channel, thread_in(caller, channel))
    if session is None:
        raise Refusal("session_not_found")
    session.title = title
    caller.service.changed()
    return {"ok": True, "title": title}


async def set_status(caller: Caller) -> Json:
    """
    `assistant.threads.setStatus`: not empty is `processing`, empty is `active`.

    In a channel's thread it answers `ok` and nothing is to be seen (reported, see `Session.text`).
    """
    channel = caller.channel("channel_id")
    ts = caller.arguments.required("thread_ts")
    if not TS.fullmatch(ts) or ts not in channel.messages:
        raise Refusal("invalid_thread_ts")
    status = caller.arguments.text("status")
    loading = caller.arguments.parsed("loading_messages", "invalid_arguments")
    told = loading if isinstance(loading, list) else []
    if len(told) > LOADING or any(not 0 < len(string(each)) <= LOADING_LENGTH for each in told):
        problem = f"no more than {LOADING} items of 1 to {LOADING_LENGTH} characters allowed"
        raise pointed("invalid_arguments", "/loading_messages", problem)
    if channel.kind == "im":
        wanted = "processing" if status else "active"
        set_session(caller.service, caller.bot, channel, ts, wanted, status)
    return {"ok": True}


async def set_title(caller: Caller) -> Json:
    """`assistant.threads.setTitle`: the same as a rename."""
    channel = caller.channel("channel_id")
    ts = caller.arguments.required("thread_ts")
    if channel.kind != "im" or ts not in channel.messages:
        raise Refusal("invalid_thread_ts")
    session, _ = opened(caller.service, caller.bot, channel, ts)
    session.title = caller.arguments.required("title")
    caller.service.changed()
    return {"ok": True}


async def set_suggested_prompts(caller: Caller) -> Json:
    """
    `assistant.threads.setSuggestedPrompts`.

    In the agent view prompts are at the top of the Messages tab and have no `thread_ts`; with one, the
    call fails silently. In the assistant container they belong to a thread: without one, `not_agent_app`.
    """
    channel = caller.channel("channel_id")
    prompts = caller.arguments.objects("prompts", "invalid_arguments") or []
    if not 0 < len(prompts) <= PROMPTS:
        raise pointed("invalid_arguments", "/prompts", f"must be between 1 and {PROMPTS} items")
    if any(not (string(each.get("title")) and string(each.get("message"))) for each in prompts):
        raise pointed("invalid_arguments", "/prompts", "missing required field: title, message")
    thread_ts = caller.arguments.text("thread_ts")
    agent = caller.bot.app.manifest.view == "agent"
    if not thread_ts and not agent:
        raise Refusal("not_agent_app")
    if thread_ts and not agent and thread_ts not in channel.messages:
        raise Refusal("invalid_thread_ts")
    if bool(thread_ts) != agent:
        channel.prompts = prompts
    caller.service.changed()
    return {"ok": True}


METHODS = {
    "agents.sessions.setStatus": Method(set_session_status, 3, ("chat:write",)),
    "agents.sessions.rename": Method(rename_session, 3, ("chat:write",)),
    "assistant.threads.setStatus": Method(set_status, None, ("chat:write", "assistant:write")),
    "assistant.threads.setTitle": Method(set_title, 4, ("assistant:write",)),
    "assistant.threads.setSuggestedPrompts": Method(set_suggested_prompts, 4, ("assistant:write",)),
}
