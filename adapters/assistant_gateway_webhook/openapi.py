"""The webhook's routes as OpenAPI 3.1: path items and the schemas they use."""

from __future__ import annotations

from assistant_gateway.values import JsonObject, JsonValue, RunStatus
from assistant_gateway_webhook.answers import STATES
from assistant_gateway_webhook.body import MessageBody

_STRING: JsonObject = {"type": "string"}
_INTEGER: JsonObject = {"type": "integer"}
_SECURITY: JsonValue = [{"webhookSignature": []}, {"bearer": []}]


def described() -> tuple[JsonObject, JsonObject]:
    """Path items and schemas."""
    return _paths(), _schemas()


def _paths() -> JsonObject:
    source = _parameter("source", "path", _STRING, "The name of the source")
    id = _parameter("id", "path", _STRING, "The sender's id of the message")
    conversation = _parameter("conversation", "path", _STRING, "The source's name for the conversation")
    user = _parameter("user", "query", _STRING, "Who asks, where every user has a thread of their own")
    last = _parameter("Last-Event-ID", "header", _STRING, "Go on after this event")
    wait = _parameter(
        "wait", "query", {"type": "number", "minimum": 0, "default": 60}, "Seconds to wait for the answer"
    )
    before = _parameter("before", "query", _INTEGER, "Only items with a smaller seq")
    limit = _parameter("limit", "query", {"type": "integer", "default": 100}, "At most so many, up to 1000")
    return {
        "/webhooks/{source}": {
            "parameters": [source],
            "post": {
                "summary": "Send a message and get its answer, its events, or where to find both",
                "parameters": [wait, last],
                "requestBody": {"required": True, "content": _content("Message")},
                "responses": {
                    "200": {
                        "description": "The answer, or the events that lead to it",
                        "content": {**_content("Answer"), **_EVENTS},
                    },
                    "202": {
                        "description": "Accepted and not answered yet",
                        "headers": {"Location": {"schema": _STRING}},
                        "content": _content("Accepted"),
                    },
                    **_problems(400, 401, 403, 404, 408, 409, 413, 429, 503),
                },
                "security": _SECURITY,
            },
        },
        "/webhooks/{source}/messages/{id}": {
            "parameters": [source, id],
            "get": _operation("The state and the answer of a message", "MessageState"),
        },
        "/webhooks/{source}/messages/{id}/events": {
            "parameters": [source, id],
            "get": {
                "summary": "The events of a message, live or afterwards",
                "parameters": [last],
                "responses": {
                    "200": {"description": "Server-sent events", "content": _EVENTS},
                    **_problems(400, 401, 404, 429, 503),
                },
                "security": _SECURITY,
            },
        },
        "/webhooks/{source}/conversations/{conversation}/reset": {
            "parameters": [source, conversation, user],
            "post": _operation("Begin a new thread", "Reset"),
        },
        "/webhooks/{source}/conversations/{conversation}/stop": {
            "parameters": [source, conversation, user],
            "post": _operation("Cancel what is being answered", "Stop"),
        },
        "/webhooks/{source}/conversations/{conversation}/items": {
            "parameters": [source, conversation, user, before, limit],
            "get": _operation("The newest items of the thread, oldest first", "Items"),
        },
    }


def _schemas() -> JsonObject:
    request = MessageBody.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, JsonValue] = request.pop("$defs", {})
    answer: dict[str, JsonValue] = {
        "id": {"type": "string", "description": "The sender's id of the message"},
        "conversation": _STRING,
        "thread": _STRING,
        "run": {"anyOf": [{"$ref": "#/components/schemas/Run"}, {"type": "null"}]},
        "text": {
            "type": "string",
            "description": "All that was said in the run, parts joined by a blank line",
        },
        "files": {"type": "array", "items": {"$ref": "#/components/schemas/File"}},
        "error": {"anyOf": [{"$ref": "#/components/schemas/Failure"}, {"type": "null"}]},
    }
    optional: dict[str, JsonValue] = {
        "citations": {
            "type": "array",
            "items": _object({"title": _STRING, "url": {"type": ["string", "null"]}}),
            "description": "The sources that the answer names, untrusted; missing where it names none",
        },
        "notices": {
            "type": "array",
            "items": _STRING,
            "description": "What the gateway says beside the answer: that a budget runs low, that the text "
            "was cut; missing where it says nothing",
        },
    }
    state: JsonObject = {"type": "string", "enum": list(STATES)}
    file: dict[str, JsonValue] = {
        "id": _STRING,
        "name": _STRING,
        "content_type": _STRING,
        "size": {"type": "integer", "description": "Bytes"},
        "data": {
            "type": ["string", "null"],
            "description": "Base64; null where the answer's files are too large to be sent along",
        },
    }
    usage = _object(
        dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens", "total_tokens"), _INTEGER)
    )
    return {
        **parts,
        "Message": request,
        "Answer": _object(answer, optional),
        "MessageState": _object({"state": state, **answer}, optional),
        "Accepted": _object({"id": _STRING, "state": state, "conversation": _STRING}),
        "Run": _object(
            {
                "id": _STRING,
                "status": {"type": "string", "enum": [status.value for status in RunStatus]},
                "usage": usage,
            }
        ),
        "File": _object(file),
        "Failure": _object({"code": _STRING, "message": _STRING, "id": _STRING}),
        "Reset": _object({"conversation": _STRING, "thread": _STRING}),
        "Stop": _object({"conversation": _STRING, "stopped": {"type": "boolean"}}),
        "Items": _object(
            {
                "conversation": _STRING,
                "items": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["id", "seq"],
                        "properties": {"id": _STRING, "seq": _INTEGER},
                        "description": "An item in the shape of Open Responses",
                    },
                },
            }
        ),
    }


_EVENTS: JsonObject = {
    "text/event-stream": {
        "schema": {"type": "string", "description": "Events with id, event and JSON data; see the reference"}
    }
}


def _operation(summary: str, schema: str) -> JsonObject:
    return {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": _content(schema)},
            **_problems(400, 401, 403, 404, 429, 503),
        },
        "security": _SECURITY,
    }


def _parameter(name: str, place: str, schema: JsonObject, description: str) -> JsonObject:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "schema": schema,
        "description": description,
    }


def _content(schema: str) -> dict[str, JsonValue]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _problems(*statuses: int) -> dict[str, JsonValue]:
    return {str(status): {"$ref": "#/components/responses/Problem"} for status in statuses}


def _object(properties: JsonObject, optional: JsonObject | None = None) -> JsonObject:
    every = {**properties, **(optional or {})}
    return {"type": "object", "required": list(properties), "properties": every}
