"""Columns of frames as arrays: provenance, tags, scores, prices."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from winnow.domain.errors import BadInput
from winnow.policy.section import did_you_mean
from winnow.strategies.protocol import Column

TAGS = "tags"
"""Column of canonical JSON objects; a name that is no column is looked for in them."""
EXACT_MAX: Final = 2**53
"""Whole numbers up to this are told apart as float64."""


def columns_of(
    table: pa.Table, names: Collection[str], *, there: Collection[str] = ()
) -> dict[str, Column]:
    """Give columns or tags by name.

    Parameters
    ----------
    table
        With the columns, or with `tags`.
    there
        All columns of the frames, to be told where one is missing; none: those of the table.

    Returns
    -------
    dict
        Name → float64 where all values are numbers (NaN: none), else texts (empty: none).

    Raises
    ------
    BadInput
        Neither a column nor a tag has this name; the text lists what there is.
    """
    tagged = [name for name in sorted(names) if name not in table.column_names]
    found = {name: column_of(table[name], name) for name in sorted(names) if name not in tagged}
    if tagged:
        found |= _tags(table, tagged, there or table.column_names)
    return found


def column_of(column: pa.ChunkedArray, name: str) -> Column:
    """Give one column: numbers as float64, everything else as text.

    So are whole numbers that float64 cannot tell apart: nothing but names is so large.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_integer(kind) and _largest(column) > EXACT_MAX:
        column, kind = column.cast(pa.string()), pa.string()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers: npt.NDArray[np.float64] = (
            column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            if column.null_count
            else column.to_numpy(zero_copy_only=False).astype(np.float64)
        )
        return numbers
    if pa.types.is_boolean(kind):
        column = pc.if_else(column, "true", "false")
    elif pa.types.is_string_view(kind):
        column = column.cast(pa.string())
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        msg = f"column {name}: expected texts or numbers, found {kind}"
        raise BadInput(msg)
    return texts_of(column)


def _largest(column: pa.ChunkedArray) -> int:
    """Give the largest amount of a column of whole numbers; 0 without any."""
    ends: dict[str, int | None] = pc.min_max(column).as_py()
    return max(abs(end or 0) for end in ends.values())


def texts_of(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    """Give texts, empty where there is none; equal ones are turned into NumPy's form once."""
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    names = np.array([*coded.dictionary.to_pylist(), ""], dtype=np.str_)
    codes = coded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
    texts: npt.NDArray[np.str_] = names[codes]
    return texts


def _tags(table: pa.Table, names: Collection[str], there: Collection[str]) -> dict[str, Column]:
    if TAGS not in table.column_names:
        raise missing_columns(names, there)
    if not _is_text(table[TAGS].type):
        msg = f"column {TAGS}: expected texts that are JSON objects, found {table[TAGS].type}"
        raise BadInput(msg)
    coded = table[TAGS].combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    objects = [_object(text) for text in coded.dictionary.to_pylist()]
    known = sorted(set().union(*objects))
    strangers = [name for name in names if name not in known]
    if strangers and len(table):
        raise missing_columns(strangers, there, known)
    codes = coded.indices.fill_null(len(objects)).to_numpy(zero_copy_only=False)
    return {name: _tag([*(o.get(name) for o in objects), None])[codes] for name in names}


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
    return any(check(kind) for check in checks)


def missing_columns(
    names: Collection[str], columns: Collection[str], tags: Collection[str] = (), why: str = ""
) -> BadInput:
    """Give the refusal of a table without these columns: what it has, and which is alike."""
    found = ", ".join([*columns, *(f"tag {name}" for name in tags)])
    hint = did_you_mean(names, [*columns, *tags])
    msg = f"frames: expected the columns or tags {', '.join(names)}{why}, found {found}{hint}"
    return BadInput(msg)


def _object(text: str | None) -> Mapping[str, object]:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:  # also a whole number of more digits than Python reads
        msg = f"column {TAGS}: expected a JSON object, found {text!r}"
        raise BadInput(msg) from error
    return found if isinstance(found, dict) else {}


def _tag(values: list[object]) -> Column:
    known = [value for value in values if value is not None]
    if known and all(isinstance(v, int | float) and not isinstance(v, bool) for v in known):
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return np.array(["" if v is None else _text(v) for v in values], dtype=np.str_)


def _text(value: object) -> str:
    """Give a tag as text; a list of tags as its parts with semicolons between them."""
    if isinstance(value, list):
        return ";".join(_text(part) for part in value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
