"""Rows and values: the one place that knows which column is which attribute."""

from __future__ import annotations

import json
from typing import Any, TypeAlias, cast

from assistant_gateway.adapter import Delivery, DeliveryState, EndpointFault
from assistant_gateway.store import LedgerEntry, Summary, Used
from assistant_gateway.store.text import dumps, loads
from assistant_gateway.values import (
    Answer,
    Busy,
    CallRecord,
    CallState,
    Charge,
    Citation,
    Command,
    Conversation,
    Feedback,
    FileRef,
    FunctionCall,
    Inbound,
    Item,
    JsonObject,
    JsonValue,
    Lane,
    Message,
    MessageState,
    OnEdit,
    Post,
    Rating,
    Routed,
    Run,
    RunFailure,
    RunStatus,
    Thread,
    ToolUse,
    Usage,
    User,
)

Row: TypeAlias = "tuple[Any, ...]"
Parameter: TypeAlias = "str | int | float | bytes | None"


def message(row: Row) -> Message:
    """
    A row of ``whole_messages``.

    Raises:
        ValueError, KeyError, TypeError: The row is not what this version writes.
    """
    id, lane_id, seq, state, attempts, failures, merged_into, thread_id, accepted_at = row[:9]
    adapter, tenant, channel, topic, message_id, fingerprint, user, keys, metadata, reply_to = row[9:19]
    assistant, busy, tools, route_instructions, instructions, text = row[19:25]
    command, on_edit, revision, stop_reason, note, refusal = row[25:31]
    lane = Lane(*row[31:36])
    run_row, answer_text, files = row[36:48], row[48], row[49]
    return Message(
        id=id,
        lane_id=lane_id,
        seq=seq,
        state=MessageState(state),
        inbound=Inbound(
            conversation=Conversation(adapter, tenant, channel, topic),
            message_id=message_id,
            user=_user(loads(user)),
            text=text,
            keys=() if keys == "[]" else tuple(json.loads(keys)),
            fingerprint=fingerprint,
            instructions=instructions,
            metadata=cast("dict[str, str]", loads(metadata)),
            reply_to=loads(reply_to),
            command=Command(command) if command else None,
        ),
        routed=Routed(
            lane=lane,
            assistant=assistant,
            busy=Busy(busy),
            instructions=route_instructions,
            tools=None if tools is None else tuple(json.loads(tools)),
            on_edit=OnEdit(on_edit),
        ),
        thread_id=thread_id,
        files=() if files == "[]" else _files(json.loads(files)),
        attempts=attempts,
        failures=failures,
        accepted_at=accepted_at,
        merged_into=merged_into,
        run=None if run_row[0] is None else run(run_row),
        answer=None if answer_text is None else answer(answer_text),
        revision=revision,
        stop_reason=stop_reason,
        note=note,
        refusal=refusal,
    )


def message_values(inbound: Inbound, routed: Routed) -> dict[str, Parameter]:
    """The columns that a message is kept in."""
    where, user = inbound.conversation, inbound.user
    return {
        "adapter": where.adapter,
        "tenant": where.tenant,
        "channel": where.channel,
        "topic": where.topic,
        "message_id": inbound.message_id,
        "fingerprint": inbound.fingerprint,
        "user": user_json(user),
        "keys": dumps(inbound.keys),
        "metadata": dumps(inbound.metadata),
        "reply_to": dumps(inbound.reply_to),
        "assistant": routed.assistant,
        "busy": routed.busy.value,
        "tools": None if routed.tools is None else dumps(routed.tools),
        "route_instructions": routed.instructions,
        "instructions": inbound.instructions,
        "text": inbound.text,
        "command": inbound.command.value if inbound.command else "",
        "on_edit": routed.on_edit.value,
    }


def user_json(user: User) -> str:
    """A person as JSON."""
    return dumps(
        {
            "id": user.id,
            "name": user.name,
            "is_bot": user.is_bot,
            "is_external": user.is_external,
            "roles": user.roles,
        }
    )


def lane_values(lane: Lane) -> dict[str, Parameter]:
    """The words of a lane."""
    return {
        "adapter": lane.adapter,
        "tenant": lane.tenant,
        "channel": lane.channel,
        "topic": lane.topic,
        "member": lane.member,
    }


def run(row: Row) -> Run:
    """A row of ``runs``."""
    id, thread_id, assistant, status, attempt, model, *tokens, error, revision, charges = row
    return Run(
        id=id,
        thread_id=thread_id,
        assistant=assistant,
        status=RunStatus(status),
        attempt=attempt,
        model=model,
        usage=Usage(*tokens),
        error=None if error is None else _failure(loads(error)),
        revision=revision,
        charges=() if charges == "[]" else tuple(_charge(*each) for each in json.loads(charges)),
    )


def run_values(run: Run) -> dict[str, Parameter]:
    """The columns of a run that change while it goes on, and its id."""
    return {
        "id": run.id,
        "status": run.status.value,
        "model": run.model,
        "input_tokens": run.usage.input_tokens,
        "output_tokens": run.usage.output_tokens,
        "cached_tokens": run.usage.cached_tokens,
        "error": None if run.error is None else dumps(_failure_json(run.error)),
        "cost": run.cost,
        "charges": dumps([[each.model, *_tokens(each.usage), each.cost] for each in run.charges]),
    }


def answer(text: str) -> Answer:
    """An answer from its JSON."""
    body = json.loads(text)
    return Answer(
        text=body["text"],
        status=RunStatus(body["status"]),
        usage=Usage(*body["usage"]),
        files=_files(body["files"]),
        error=None if body["error"] is None else _failure(body["error"]),
        citations=tuple(Citation(*row) for row in body.get("citations", ())),
        tools=tuple(ToolUse(*row) for row in body.get("tools", ())),
        notices=tuple(body.get("notices", ())),
    )


def answer_json(answer: Answer) -> str:
    """An answer as JSON."""
    return dumps(
        {
            "text": answer.text,
            "status": answer.status.value,
            "usage": _tokens(answer.usage),
            "files": [[file.id, file.name, file.content_type, file.size] for file in answer.files],
            "error": None if answer.error is None else _failure_json(answer.error),
            "citations": [[citation.title, citation.url] for citation in answer.citations],
            "tools": [[use.name, use.code, use.output] for use in answer.tools],
            "notices": answer.notices,
        }
    )


def thread(row: Row) -> Thread:
    """A row of ``threads`` with its lane's words."""
    id, adapter, tenant, channel, topic, member, created_at, is_current, items = row
    return Thread(id, Lane(adapter, tenant, channel, topic, member), created_at, bool(is_current), items)


def item(row: Row) -> Item:
    """A row of ``items``."""
    id, body, seq, run_id, created_at, forgotten = row
    return Item(id, loads(body), seq, run_id, created_at, bool(forgotten))


def summary(row: Row) -> Summary:
    """A row of ``items`` that is a summary."""
    id, body, covers = row
    return Summary(id, str(loads(body)["text"]), covers)


def feedback(row: Row) -> Feedback:
    """A row of ``feedback``."""
    run_id, user, rating, comment, at = row
    return Feedback(run_id, _user(loads(user)), Rating(rating), comment, at)


def used(row: Row) -> Used:
    """A count of runs, and the sums of their tokens and of what they cost."""
    runs, *tokens, cost = row
    return Used(runs, Usage(*tokens), cost)


def used_values(used: Used) -> dict[str, Parameter]:
    """The columns that add up in a ledger."""
    return {
        "runs": used.runs,
        "input_tokens": used.usage.input_tokens,
        "output_tokens": used.usage.output_tokens,
        "cached_tokens": used.usage.cached_tokens,
        "cost": used.cost,
    }


def ledger_entry(row: Row) -> LedgerEntry:
    """Rows of ``ledger``, summed."""
    adapter, tenant, user_id, assistant, model, *sums = row
    return LedgerEntry(adapter, tenant, user_id, assistant, model, used(tuple(sums)))


def call(row: Row) -> CallRecord:
    """A row of ``calls``."""
    call_id, name, arguments, key, state, output, ok = row
    return CallRecord(FunctionCall(call_id, name, arguments), key, CallState(state), output, bool(ok))


def call_values(record: CallRecord) -> dict[str, Parameter]:
    """The columns of a journaled call, but for its run."""
    return {
        "call_id": record.call.call_id,
        "name": record.call.name,
        "arguments": record.call.arguments,
        "key": record.key,
        "state": record.state.value,
        "ok": record.ok,
        "output": record.output,
    }


def post(row: Row) -> Post:
    """A row of ``posts``."""
    return Post(*row)


def delivery(row: Row) -> Delivery:
    """A row of ``deliveries``."""
    id, source, url, body, attempts, next_at, state, error, created_at = row
    return Delivery(id, source, url, body, attempts, next_at, DeliveryState(state), error, created_at)


def fault(row: Row) -> EndpointFault:
    """A row of ``endpoint_faults``."""
    failing_since, disabled, reason = row
    return EndpointFault(failing_since, bool(disabled), reason)


def file(row: Row) -> FileRef:
    """The label of a row of ``files``."""
    return FileRef(*row)


def _charge(model: str, *numbers: int) -> Charge:
    *tokens, cost = numbers
    return Charge(model, Usage(*tokens), cost)


def _tokens(usage: Usage) -> list[int]:
    return [usage.input_tokens, usage.output_tokens, usage.cached_tokens]


def _files(rows: list[list[Any]]) -> tuple[FileRef, ...]:
    return tuple(FileRef(*row) for row in rows)


def _user(body: JsonObject) -> User:
    return User(
        id=cast(str, body["id"]),
        name=cast(str, body["name"]),
        is_bot=bool(body["is_bot"]),
        is_external=bool(body["is_external"]),
        roles=tuple(cast("list[str]", body["roles"])),
    )


def _failure(body: JsonObject) -> RunFailure:
    return RunFailure(cast(str, body["code"]), cast(str, body["message"]), cast(str, body["id"]))


def _failure_json(error: RunFailure) -> JsonValue:
    return {"code": error.code, "message": error.message, "id": error.id}
