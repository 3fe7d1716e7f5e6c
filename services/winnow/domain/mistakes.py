"""What a validator (pydantic's) found wrong, in words that say what was expected and found."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

FOUND_LENGTH_MAX: Final = 60
_WORDS: Final[Mapping[str, str]] = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "dict_type": "expected a mapping",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "missing": "expected a value",
    "model_attributes_type": "expected a mapping",
    "model_type": "expected a mapping",
    "string_type": "expected a text",
    "tuple_type": "expected a list",
    "union_tag_not_found": "expected a name",
}
_RENAMED: Final = re.compile(r"^(Input|Value|String|Tuple|Dictionary|List) should ")
_WITHOUT_FOUND: Final = frozenset({"json_invalid", "missing"})


def expected(mistake: Mapping[str, Any], known: Collection[str] = ()) -> str:
    """Say what was expected.

    Parameters
    ----------
    mistake
        One of a validation error's `errors()`.
    known
        Names that may stand at the top, for whoever wrote another.

    Examples
    --------
    >>> expected({"type": "missing", "msg": "Field required", "loc": ("a",)})
    'expected a value'
    >>> expected({"type": "greater_than", "msg": "Input should be greater than 0", "loc": ("a",)})
    'expected greater than 0'
    """
    kind, said = mistake["type"], str(mistake["msg"])
    if kind == "extra_forbidden":
        at_top = len(mistake["loc"]) == 1 and known
        return f"expected one of {', '.join(known)}" if at_top else "expected nothing of this name"
    if kind == "value_error":
        return said.removeprefix("Value error, ")
    return _WORDS.get(kind) or _RENAMED.sub("expected to ", said).replace("to be ", "", 1)


def sentence(
    mistake: Mapping[str, Any], known: Collection[str] = (), *, whole: str = "file"
) -> str:
    """Say where it stands, what was expected and what was found.

    Parameters
    ----------
    mistake, known
        As for `expected`.
    whole
        What is wrong where no part of it is named.

    Examples
    --------
    >>> sentence({"type": "int_type", "msg": "", "loc": ("seeds",), "input": "ten"})
    "seeds: expected a whole number (found 'ten')"
    """
    text = expected(mistake, known)
    found = mistake["input"]
    if mistake["type"] not in _WITHOUT_FOUND and ", found " not in text:
        text += f" (found {shortened(found)})"
    return f"{'.'.join(map(str, mistake['loc'])) or whole}: {text}"


def shortened(found: object) -> str:
    """Give what was found, or its beginning."""
    text = repr(found)
    return text if len(text) <= FOUND_LENGTH_MAX else f"{text[:FOUND_LENGTH_MAX]}…"
