"""Frame ids of any form, as texts whose order is that of the ids."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from winnow.domain.errors import BadInput

Strings = npt.NDArray[np.str_]
Form = Literal["text", "number", "digest"]

TEXT_LENGTH_MAX: Final = 64
"""NumPy gives every text the room of the longest: two million of 64 letters are half a gigabyte."""
_SHOWN: Final = 5
_BLOCK: Final = 1 << 16
_HEX: Final = np.frombuffer(b"0123456789abcdef", dtype=np.uint8).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class FrameIds:
    """The ids of a file, and what stands for them inside."""

    column: pa.ChunkedArray
    """As in the file, its own type."""
    form: Form
    """`text`: they stand for themselves. `number`: 32 digits of the same order. `digest`: the
    first 128 bits of the SHA-256, where texts are too long; ties then go by digest."""
    inner: Strings
    """What algorithms see."""


def frame_ids_of(column: pa.ChunkedArray, *, where: str) -> FrameIds:
    """Read the column of ids.

    Raises
    ------
    BadInput
        Neither texts, whole numbers nor 16-byte values; one that is missing, empty or there twice.
        The text counts them and names the first few with their rows.
    """
    column = _plain(column, where)
    missing = pc.is_null(column)
    if pa.types.is_string(column.type):
        missing = pc.or_(missing, pc.equal(pc.fill_null(column, ""), ""))
    n_missing = pc.sum(missing.cast(pa.int64())).as_py() or 0
    if n_missing:
        rows = np.flatnonzero(missing.to_numpy(zero_copy_only=False))[:_SHOWN].tolist()
        msg = f"{where}: column frame_id: {n_missing} row(s) have none, the first: {rows}"
        raise BadInput(msg)
    _refuse_twice(column, where)
    if pa.types.is_integer(column.type):
        return FrameIds(column, "number", _digits(column))
    longest = pc.max(pc.utf8_length(column)).as_py() or 0
    if longest > TEXT_LENGTH_MAX:
        return FrameIds(column, "digest", _digests(column))
    return FrameIds(column, "text", texts_of(column, width=longest))


def _plain(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type), where)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == 16:  # UUIDs
        texts = [None if value is None else value.hex() for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, type=pa.string())])
    if pa.types.is_string(kind) or pa.types.is_integer(kind):
        return column
    msg = f"{where}: column frame_id: expected texts or whole numbers, found {kind}"
    raise BadInput(msg)


def _refuse_twice(column: pa.ChunkedArray, where: str) -> None:
    if pc.count_distinct(column).as_py() == len(column):
        return
    counts = pc.value_counts(column)
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    found = ", ".join(str(value) for value in twice[:_SHOWN].to_pylist())
    msg = f"{where}: column frame_id: {len(twice)} id(s) stand in several rows, the first: {found}"
    raise BadInput(msg)


def texts_of(column: pa.ChunkedArray, *, width: int) -> Strings:
    """Give texts as NumPy's, without a Python object for each where they are ASCII."""
    texts: Strings = np.zeros(len(column), dtype=f"<U{max(1, width)}")
    letters = texts.view(np.uint32).reshape(len(column), max(1, width))
    start = 0
    for chunk in column.chunks:
        for first in range(0, len(chunk), _BLOCK):
            part = chunk.slice(first, _BLOCK)
            end = start + len(part)
            if not _fill(letters[start:end], part):
                texts[start:end] = part.to_pylist()
            start = end
    return texts


def _fill(letters: npt.NDArray[np.uint32], part: pa.Array) -> bool:
    """Write the letters of some ASCII texts; false if they are others."""
    _, offsets, data = part.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[part.offset : part.offset + len(part) + 1]
    bytes_ = np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]] if data else letters[:0, 0]
    if len(bytes_) and int(bytes_.max()) > 127:
        return False
    # A mask takes its values row by row, as they follow each other in the buffer.
    letters[np.arange(letters.shape[1]) < np.diff(ends)[:, None]] = bytes_
    return True


def _digits(column: pa.ChunkedArray) -> Strings:
    """Give whole numbers as 32 hexadecimal digits of the same order, negative ones first."""
    unsigned = pa.types.is_uint64(column.type)
    numbers = column.to_numpy() if unsigned else column.cast(pa.int64()).to_numpy()
    words = numbers.astype(np.uint64, copy=False)
    above = np.ones(len(words), dtype=np.uint64)  # the digit that tells negative from positive
    if not unsigned:
        above = (numbers >= 0).astype(np.uint64)
    texts: Strings = np.full(len(words), "0" * 32, dtype="<U32")
    letters = texts.view(np.uint32).reshape(len(words), 32)
    letters[:, 15] = _HEX[above.astype(np.intp)]
    for place in range(16):
        digit = (words >> np.uint64(4 * (15 - place))) & np.uint64(15)
        letters[:, 16 + place] = _HEX[digit.astype(np.intp)]
    return texts


def _digests(column: pa.ChunkedArray) -> Strings:
    digests = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in column.to_pylist()]
    return np.array(digests, dtype="<U32")


def rows_of(column: pa.ChunkedArray, wanted: list[str]) -> npt.NDArray[np.int64]:
    """Give the row of each wanted id (as text), -1 where no frame has it."""
    asked = pa.array(wanted, type=pa.string())
    if pa.types.is_integer(column.type):
        asked = _as_numbers(asked, column.type)
    # Hashes the few wanted ones and not the millions that there are.
    place = pc.index_in(column, value_set=asked, skip_nulls=True)
    found = np.flatnonzero(pc.is_valid(place).to_numpy(zero_copy_only=False))
    first_of = {value: pos for pos, value in reversed(list(enumerate(asked.to_pylist())))}
    row_of = np.full(len(wanted), -1, dtype=np.int64)
    row_of[place.drop_null().to_numpy(zero_copy_only=False)] = found
    firsts = [first_of[value] for value in asked.to_pylist()]
    rows: npt.NDArray[np.int64] = row_of[firsts]
    return rows


def _as_numbers(asked: pa.Array, kind: pa.DataType) -> pa.Array:
    numbers = [int(text) if _is_number(text) else None for text in asked.to_pylist()]
    low, high = _range_of(kind)
    return pa.array([n if n is not None and low <= n <= high else None for n in numbers], type=kind)


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) <= 20


def _range_of(kind: pa.DataType) -> tuple[int, int]:
    bits = kind.bit_width
    unsigned = pa.types.is_unsigned_integer(kind)
    return (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
