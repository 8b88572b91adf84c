"""
JSON schemas that a provider's strict mode accepts.

In strict mode the model can only write arguments that fit the schema. The price is a small
language: every object is closed, every property is required (an optional one may be null),
and only some keywords are allowed. A limit that has no keyword there is told in the
description, and checked when the call comes in.

Source of the rules: developers.openai.com, guide "Structured Outputs", section "Supported
schemas", as of 2026-02; `minLength` is accepted by OpenAI but by few compatible servers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeAlias

from assistant_gateway.values import JsonObject, JsonValue

Node: TypeAlias = dict[str, JsonValue]

KEPT = frozenset(
    {
        "type",
        "description",
        "enum",
        "const",
        "$ref",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    }
)
TOLD = frozenset({"minLength", "maxLength", "uniqueItems", "pattern", "format", "contentEncoding"})
DROPPED = frozenset({"title", "default", "examples", "discriminator", "deprecated", "readOnly", "writeOnly"})
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
KINDS = ("type", "anyOf", "$ref")


class Inexpressible(Exception):
    """Strict mode has no words for this schema."""


def closed(schema: JsonObject) -> JsonObject:
    """*schema* without titles, with every object that names its properties closed to others."""

    def close(node: JsonObject) -> Node:
        known = _walk(node, close)
        known.pop("title", None)
        if "default" in known and known["default"] is None:
            del known["default"]
        if "properties" in known:
            known["additionalProperties"] = False
        return known

    return close(schema)


def strict(schema: JsonObject) -> JsonObject:
    """
    A `closed` schema in the words of strict mode.

    Raises:
        Inexpressible: It can't be said there.
    """
    definitions = _mapping(schema.get("$defs"))

    def say(node: JsonObject) -> Node:
        said: Node = {}
        told = []
        for key, value in _walk(node, say).items():
            if key in KEPT or key in ("properties", "items", "anyOf", "$defs"):
                said[key] = value
            elif key == "oneOf":  # of a tagged union: its variants exclude each other anyway
                said["anyOf"] = value
            elif (key == "format" and value in FORMATS) or (key == "pattern" and "(?" not in str(value)):
                said[key] = value
            elif key in TOLD:
                told.append(f"{key}: {value if isinstance(value, str) else json.dumps(value)}")
            elif key not in DROPPED and key not in ("required", "additionalProperties"):
                raise Inexpressible(key)
        if told:
            said["description"] = f"{said.get('description', '')} ({', '.join(told)})".strip()
        if not any(key in said for key in KINDS):
            raise Inexpressible("a value of any type")
        if said.get("type") == "object":
            _require_all(node, said, definitions)
        if said.get("type") == "array" and "items" not in said:
            raise Inexpressible("items of any type")
        if "$ref" in said and "description" in said:  # a reference must stand alone
            said["anyOf"] = [{"$ref": said.pop("$ref")}]
        return said

    return say(schema)


def admits_null(schema: JsonObject, definitions: JsonObject) -> bool:
    """Whether null fits *schema*."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        return admits_null(_mapping(definitions.get(name)), definitions)
    for key in ("anyOf", "oneOf"):
        variants = schema.get(key)
        if isinstance(variants, list):
            return any(admits_null(_mapping(variant), definitions) for variant in variants)
    if "const" in schema:
        return schema["const"] is None
    if isinstance(values := schema.get("enum"), list):
        return None in values
    return schema.get("type", "null") == "null"


def _require_all(node: JsonObject, said: Node, definitions: JsonObject) -> None:
    """Close an object of strict mode: it has no optional properties, but they may be null."""
    if node.get("additionalProperties") is not False:
        raise Inexpressible("an object with any properties")
    properties = _mapping(node.get("properties"))
    required = node.get("required")
    for name, value in properties.items():
        needed = isinstance(required, list) and name in required
        if not needed and not admits_null(_mapping(value), definitions):
            raise Inexpressible("an optional property that can't be null")
    said.update(properties=said.get("properties", {}), required=list(properties), additionalProperties=False)


def _walk(node: JsonObject, change: Callable[[JsonObject], Node]) -> Node:
    """A copy of *node* in which *change* was made to every schema directly below it."""
    changed: Node = dict(node)
    for key in ("properties", "$defs", "patternProperties"):
        if key in node:
            changed[key] = {name: change(_mapping(value)) for name, value in _mapping(node[key]).items()}
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if isinstance(variants := node.get(key), list):
            changed[key] = [change(_mapping(variant)) for variant in variants]
    for key in ("items", "additionalProperties"):
        if isinstance(value := node.get(key), Mapping):
            changed[key] = change(value)
    return changed


def _mapping(value: JsonValue) -> JsonObject:
    return value if isinstance(value, Mapping) else {}
