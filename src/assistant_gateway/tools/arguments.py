"""
The arguments of a call: JSON text from the model in, checked Python values out.

Nothing is coerced and nothing is ignored. Text that is not JSON, too large, too deep, or
ambiguous (a key given twice, NaN) is refused, as is a value that does not fit the schema
or that the schema does not name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Never

from pydantic import BaseModel, ValidationError

from assistant_gateway.values import JsonObject

MAX_SIZE = 65_536  # bytes of the arguments as UTF-8
MAX_DEPTH = 8  # levels of objects and lists, the arguments object included
MAX_FAULTS = 8  # faults that the model is told of at once


class InvalidArguments(Exception):
    """The arguments do not fit; the message tells the model what to mend."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """
    What a function takes from the model.

    Attributes:
        schema: The JSON schema that the model is given.
        strict: Whether the schema is one for strict mode.
        model: The schema as a pydantic model, its fields aliased to the parameters' names.
        optional: Parameters for which null means the function's own default.
    """

    schema: JsonObject
    strict: bool
    model: type[BaseModel]
    optional: frozenset[str]

    def parse(self, text: str) -> dict[str, object]:
        """
        The arguments by parameter; one that is left to its default is missing.

        Raises:
            InvalidArguments: The text is not what the schema asks for.
        """
        # Several servers send an empty text where a function takes nothing (vllm #19419).
        text = text or "{}"
        given = _read(text)
        try:
            checked = self.model.model_validate_json(text, strict=True, extra="forbid")
        except ValidationError as error:
            raise InvalidArguments(_faults(error)) from None
        fields = self.model.model_fields
        values = {str(fields[key].alias): getattr(checked, key) for key in checked.model_fields_set}
        return {
            name: value
            for name, value in values.items()
            if given[name] is not None or name not in self.optional
        }


def _read(text: str) -> Mapping[str, object]:
    if len(text) > MAX_SIZE or len(text.encode(errors="surrogatepass")) > MAX_SIZE:
        raise InvalidArguments(f"The arguments are larger than {MAX_SIZE} bytes.")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_finite_number, parse_constant=_not_a_number
        )
    except RecursionError:
        raise InvalidArguments(f"The arguments are nested deeper than {MAX_DEPTH} levels.") from None
    except ValueError:
        raise InvalidArguments("The arguments are not valid JSON.") from None
    if not isinstance(value, dict):
        raise InvalidArguments("The arguments are not a JSON object.")
    if _is_deeper(value, MAX_DEPTH):
        raise InvalidArguments(f"The arguments are nested deeper than {MAX_DEPTH} levels.")
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidArguments("The arguments name a key twice.")
    return found


def _finite_number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_a_number(text)


def _not_a_number(text: str) -> Never:
    raise InvalidArguments("The arguments contain a number that JSON does not have (NaN or infinite).")


def _is_deeper(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        return levels == 0 or any(_is_deeper(member, levels - 1) for member in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_is_deeper(member, levels - 1) for member in value)
    return False


def _faults(error: ValidationError) -> str:
    """One line per fault, without the values that were given."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [
        f"{'.'.join(str(part)[:64] for part in fault['loc']) or 'arguments'}: {fault['msg'][:200]}"
        for fault in faults[:MAX_FAULTS]
    ]
    if len(faults) > MAX_FAULTS:
        lines.append(f"… and {len(faults) - MAX_FAULTS} more")
    return "\n".join(lines)
