"""Tensors of the Open Inference Protocol as raw bytes, little-endian on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import SchemaMismatch

Tensor: TypeAlias = npt.NDArray[Any]

DTYPES = {"FP32": "<f4", "FP16": "<f2", "INT64": "<i8", "UINT8": "|u1"}
"""The protocol's words for what is sent here; BYTES is a length before each item."""
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}


def tensor_of(raw: bytes, datatype: str, shape: Sequence[int], *, where: str) -> Tensor:
    """Give a tensor; of BYTES an array of byte strings.

    Raises
    ------
    SchemaMismatch
        The bytes do not fit the shape and type, or the type is not known here.
    """
    shape = tuple(shape)
    if datatype == "BYTES":
        return _byte_strings(raw, shape, where=where)
    dtype = dtype_of(datatype, shape, where=where)
    expected = math.prod(shape) * dtype.itemsize
    if len(raw) != expected:
        msg = f"{where}: expected {expected} bytes for {datatype} {shape}, found {len(raw)}"
        raise SchemaMismatch(msg)
    return np.frombuffer(raw, dtype=dtype).reshape(shape)


def dtype_of(datatype: str, shape: Sequence[int], *, where: str) -> np.dtype[Any]:
    """Give NumPy's type of a tensor of numbers; raises as `tensor_of` does."""
    code = DTYPES.get(datatype)
    if code is None or min(shape, default=0) < 0:
        msg = f"{where}: expected one of {', '.join(DTYPES)}, found {datatype} {tuple(shape)}"
        raise SchemaMismatch(msg)
    return np.dtype(code)


def _byte_strings(raw: bytes, shape: tuple[int, ...], *, where: str) -> Tensor:
    items, pos = [], 0
    while pos + 4 <= len(raw):
        size = int.from_bytes(raw[pos : pos + 4], "little")
        items.append(raw[pos + 4 : pos + 4 + size])
        pos += 4 + size
    if pos != len(raw) or len(items) != math.prod(shape):
        msg = f"{where}: expected {math.prod(shape)} byte strings, found {len(items)} in "
        raise SchemaMismatch(msg + f"{len(raw)} bytes")
    return objects(items).reshape(shape)


def objects(items: Sequence[object]) -> Tensor:
    """Give texts or byte strings as an array [n] of objects."""
    found = np.empty(len(items), dtype=np.object_)
    found[:] = items
    return found
