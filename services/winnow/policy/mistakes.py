"""What a validator found wrong, in words that say what is expected, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from winnow.domain.mistakes import expected, shortened
from winnow.policy.reading import Document, Mistake, Path
from winnow.policy.score_section import NAMES
from winnow.policy.section import did_you_mean, hint_at

_ACQUISITIONS: Final = MappingProxyType({"an acquisition function: selection.acquisition": NAMES})
_QUOTED: Final = re.compile("'([^']*)'")


def told(mistake: ErrorDetails, root: type[BaseModel], document: Document) -> Mistake:
    """Give a validator's error as a mistake of the document."""
    path: Path = tuple(mistake["loc"])
    unknown = mistake["type"] == "extra_forbidden"
    text = _unknown(path, root) if unknown else _expected(mistake)
    hint = _in_quotes(mistake)
    missing = mistake["type"] == "missing"
    found = mistake.get("ctx", {}).get("tag", mistake["input"])
    if not missing and not isinstance(found, dict):
        text = f"{text} (found {shortened(found)}){hint}"
    shown = _shown(path, document)
    return Mistake(
        document.place(path, of_key=unknown), (*shown, path[-1]) if missing else shown, text
    )


def _shown(path: Path, document: Document) -> Path:
    """Leave out of a path the variants that a validator tried: nobody wrote them."""
    shown: Path = ()
    for part in path:
        if (*shown, part) in document.values:
            shown = (*shown, part)
    return shown


def _expected(mistake: ErrorDetails) -> str:
    kind = mistake["type"]
    if kind == "union_tag_invalid":
        names = mistake["ctx"]["expected_tags"].replace("'", "")
        hint = hint_at(str(mistake["ctx"]["tag"]), names.split(", "), _ACQUISITIONS)
        return f"expected one of {names}{hint}"
    if kind == "literal_error":
        known = _QUOTED.findall(mistake["ctx"]["expected"])
        return f"{expected(mistake)}{did_you_mean(str(mistake['input']), known)}"
    return expected(mistake)


def _in_quotes(mistake: ErrorDetails) -> str:
    is_scalar = isinstance(mistake["input"], bool | int | float)
    return "; a text in quotes would do" if mistake["type"] == "string_type" and is_scalar else ""


def _unknown(path: Path, root: type[BaseModel]) -> str:
    """Say which names are known in this place, which is alike, and where else this one is."""
    name = str(path[-1])
    kinds = models_at(root, path[:-1])
    known = list(dict.fromkeys(field for kind in kinds for field in kind.model_fields))
    if not known:
        return "expected nothing here"
    homes = [
        f"{section}.{name}"
        for section, field in root.model_fields.items()
        for kind in _models_in(field.annotation)
        if len(path) == 1 and name in kind.model_fields
    ]
    hint = f"; did you mean {' or '.join(homes)}?" if homes else did_you_mean(name, known)
    place = "its options are" if "name" in known and len(path) > 1 else "expected one of"
    options = [one for one in known if place == "expected one of" or one != "name"]
    return f"{place} {', '.join(options) or 'none'}{hint}"


def models_at(root: type[BaseModel], path: Path) -> list[type[BaseModel]]:
    """Give the models that may stand at a path, which may name variants by their `name`."""
    kinds = [root]
    for part in path:
        inner = [
            model
            for kind in kinds
            if part in kind.model_fields
            for model in _models_in(kind.model_fields[str(part)].annotation)
        ]
        kinds = inner or [kind for kind in kinds if isinstance(part, int) or _is_named(kind, part)]
    return kinds


def _is_named(kind: type[BaseModel], name: str) -> bool:
    field = kind.model_fields.get("name")
    hint = None if field is None else field.annotation
    return get_origin(hint) is Literal and name in get_args(hint)


def _models_in(hint: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - a type of any form
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
        return
    for part in get_args(hint):
        yield from _models_in(part)
