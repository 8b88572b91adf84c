"""The description of all HTTP routes: the server's own and those that adapters describe."""

from __future__ import annotations

from collections.abc import Iterable

from assistant_gateway.values import JsonObject, JsonValue

PROBLEM: JsonObject = {
    "description": "What went wrong (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

_PROBLEM_SCHEMA: JsonObject = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "id": {"type": "string", "description": "Of an internal error: the log line carries it too."},
        "reasons": {"type": "array", "items": {"type": "string"}, "description": "Why it is not ready."},
    },
}

_STATUS_SCHEMA: JsonObject = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string"}},
}


def document(version: str, described: Iterable[tuple[JsonObject, JsonObject]]) -> JsonObject:
    """The OpenAPI document; *described* are path items and the schemas they use."""
    paths: dict[str, JsonValue] = dict(_own_paths())
    schemas: dict[str, JsonValue] = {"Problem": _PROBLEM_SCHEMA, "Status": _STATUS_SCHEMA}
    for more_paths, more_schemas in described:
        paths.update(more_paths)
        schemas.update(more_schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "assistant-gateway",
            "version": version,
            "description": "Errors of all routes are problem details (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": PROBLEM},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "webhookSignature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": "Standard Webhooks: HMAC-SHA256 over id.timestamp.body; "
                    "webhook-id and webhook-timestamp accompany it.",
                },
            },
        },
    }


def _own_paths() -> JsonObject:
    status: JsonObject = {
        "description": "It is",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}},
    }
    refused: JsonObject = {"$ref": "#/components/responses/Problem"}
    return {
        "/": {
            "get": {
                "summary": "What this is",
                "responses": {
                    "200": {
                        "description": "The name of the program and where it is described",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    }
                },
            }
        },
        "/healthz": {"get": {"summary": "Is the process alive?", "responses": {"200": status}}},
        "/readyz": {
            "get": {
                "summary": "Is every adapter connected and can the store write?",
                "responses": {"200": status, "503": refused},
            }
        },
        "/metrics": {
            "get": {
                "summary": "Numbers for Prometheus",
                "responses": {
                    "200": {
                        "description": "Prometheus text format",
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    }
                },
            }
        },
        "/openapi.json": {
            "get": {
                "summary": "This document",
                "responses": {
                    "200": {
                        "description": "OpenAPI 3.1",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    }
                },
            }
        },
    }
