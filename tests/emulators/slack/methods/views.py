"""
The app's home and dialogs: `views.publish`, `.open`, `.push`, `.update`; docs.slack.dev, 2026-08-20.

"Modal views" (2026-08-20): a dialog with an input needs `submit`; title and buttons have 24 characters.
"""

from __future__ import annotations

import json

from emulators.shapes import Json, record, records, string
from emulators.slack import sizes
from emulators.slack.blocks import check_view_blocks
from emulators.slack.methods.caller import Caller, Method
from emulators.slack.refusal import Refusal, pointed

TITLE = 24  # characters, of the buttons too
METADATA, CALLBACK = 3_000, 255  # characters


def _view(caller: Caller, kind: str) -> Json:
    view = caller.arguments.object("view", "invalid_arguments")
    if view is None:
        raise Refusal(
            "invalid_arguments", response_metadata={"messages": ["[ERROR] missing required field: view"]}
        )
    if view.get("type") != kind:
        raise pointed("invalid_arguments", "/view/type", f"must be {kind}")
    if len(json.dumps(view).encode()) > sizes.VIEW_BYTES:
        raise Refusal("view_too_large")
    if kind == "modal" and not 0 < len(string(record(view.get("title")).get("text"))) <= TITLE:
        raise pointed("invalid_arguments", "/view/title/text", f"must be between 1 and {TITLE} characters")
    for name in ("submit", "close"):
        if name in view and not 0 < len(string(record(view[name]).get("text"))) <= TITLE:
            problem = f"must be between 1 and {TITLE} characters"
            raise pointed("invalid_arguments", f"/view/{name}/text", problem)
    for name, limit in (("private_metadata", METADATA), ("callback_id", CALLBACK)):
        if not isinstance(view.get(name, ""), str) or len(string(view.get(name))) > limit:
            raise pointed("invalid_arguments", f"/view/{name}", f"must be less than {limit + 1} characters")
    blocks = records(view.get("blocks"))
    if kind == "modal" and "submit" not in view and any(each.get("type") == "input" for each in blocks):
        raise pointed("invalid_arguments", "/view", "missing required field: submit")
    check_view_blocks(blocks)
    return view


def _kept(caller: Caller, view: Json, view_id: str) -> Json:
    kept = {**view, "id": view_id, "team_id": caller.bot.team_id, "app_id": caller.bot.app.id}
    kept |= {"bot_id": caller.bot.bot_id, "hash": caller.service.world.mint("h"), "state": {"values": {}}}
    caller.service.world.views[view_id] = kept
    caller.service.changed()
    return {"ok": True, "view": kept}


def use_trigger(caller: Caller) -> str:
    """
    Use the trigger up; tells the user.

    Raises:
        Refusal: `invalid_trigger_id`, `exchanged_trigger_id` or `expired_trigger_id`.
    """
    trigger = caller.arguments.required("trigger_id", "invalid_trigger_id")
    service = caller.service
    known = service.triggers.get(trigger)
    if known is None or known[0] != caller.bot.app.id:
        raise Refusal("invalid_trigger_id")
    if trigger in service.used_triggers:
        raise Refusal("exchanged_trigger_id")
    if service.clock.now() - known[2] > sizes.TRIGGER_SECONDS * service.clock.speed:
        raise Refusal("expired_trigger_id")
    service.used_triggers.add(trigger)
    return known[1]


async def publish(caller: Caller) -> Json:
    """`views.publish`."""
    user = caller.arguments.required("user_id")
    if user not in caller.service.world.users:
        raise Refusal("user_not_found")
    return _kept(caller, _view(caller, "home"), f"VHOME{caller.bot.app.id}{user}")


async def open_view(caller: Caller) -> Json:
    """`views.open` and `views.push`: within 3 s of the gesture, once."""
    view = _view(caller, "modal")
    use_trigger(caller)
    return _kept(caller, view, caller.service.world.mint("V"))


async def update(caller: Caller) -> Json:
    """`views.update`."""
    view_id = caller.arguments.text("view_id")
    known = caller.service.world.views.get(view_id)
    if known is None or known.get("app_id") != caller.bot.app.id:
        raise Refusal("not_found")
    if caller.arguments.text("hash") not in ("", known["hash"]):
        raise Refusal("hash_conflict")
    return _kept(caller, _view(caller, string(known.get("type"))), view_id)


METHODS = {
    "views.publish": Method(publish, 4),
    "views.open": Method(open_view, 4),
    "views.push": Method(open_view, 4),
    "views.update": Method(update, 4),
}
