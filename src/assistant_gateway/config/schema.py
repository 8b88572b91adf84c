"""
Which setting a key path belongs to: follow a table through the annotations of its models.

Models are the settings of this package or a plugin's own; what they do not describe
(``dict[str, object]``) is left as it is.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

Shapes: TypeAlias = tuple[object, ...]
"""The annotations that a value may satisfy, unions already taken apart."""


def shapes(annotation: object) -> Shapes:
    """Take optionals, unions, ``Annotated`` and root models apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return shapes(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(shape for part in get_args(annotation) for shape in shapes(part))
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return shapes(annotation.model_fields["root"].annotation)
    return (annotation,)


def members(parents: Shapes, key: str | int) -> Shapes:
    """The shapes of the member *key* of a table or list."""
    return tuple(found for parent in parents for found in _members(parent, key))


def known_keys(parents: Shapes) -> frozenset[str] | None:
    """The keys that a table of these shapes may have; None where it may have any."""
    models = _models(parents)
    if not models or len(models) < len([parent for parent in parents if _holds_keys(parent)]):
        return None
    if any(model.model_config.get("extra") == "allow" for model in models):
        return None
    return frozenset(name for model in models for name, _ in _fields(model))


def is_secret(candidates: Shapes) -> bool:
    """Whether a value of these shapes is a secret."""
    return SecretStr in candidates or SecretBytes in candidates


def description(parents: Shapes, key: str | int) -> str:
    """What the setting's author wrote about it; empty when nothing."""
    for model in _models(parents):
        for name, field in _fields(model):
            if name == key and field.description:
                return field.description
    return ""


def _models(parents: Shapes) -> list[type[BaseModel]]:
    return [parent for parent in parents if isinstance(parent, type) and issubclass(parent, BaseModel)]


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        yield (alias if isinstance(alias, str) else name), field


def _holds_keys(shape: object) -> bool:
    origin = get_origin(shape) or shape
    return isinstance(origin, type) and issubclass(origin, BaseModel | Mapping)


def _members(parent: object, key: str | int) -> Shapes:
    for model in _models((parent,)):
        return tuple(
            shape for name, field in _fields(model) if name == key for shape in shapes(field.annotation)
        )
    origin, arguments = get_origin(parent), get_args(parent)
    if not isinstance(origin, type) or not arguments:
        return ()
    if isinstance(key, str):
        return shapes(arguments[1]) if issubclass(origin, Mapping) else ()
    if issubclass(origin, tuple) and arguments[-1] is not Ellipsis:
        return shapes(arguments[key]) if key < len(arguments) else ()
    return shapes(arguments[0]) if issubclass(origin, Collection) and not issubclass(origin, Mapping) else ()
