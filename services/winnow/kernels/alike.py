"""Which rows are the same, bit for bit."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from winnow.kernels.protocol import Positions

_BLOCK: Final = 1 << 12
_FACTOR: Final = np.uint64(0xD2E7470EE14C6C93)
_START: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


def first_alike(rows_ND: npt.NDArray[Any]) -> Positions:
    """Give for each row the first position of a row with the same bits.

    Parameters
    ----------
    rows_ND
        Any numbers of 4 or 8 bytes, two axes or more.

    Notes
    -----
    By a 64-bit hash, checked: rows that share a hash and differ stand for themselves. Costs one
    pass over the rows and a sort of N numbers; memory three numbers a row.

    Examples
    --------
    >>> first_alike(np.float32([[1, 2], [3, 4], [1, 2]])).tolist()
    [0, 1, 0]
    """
    flat = rows_ND.reshape(len(rows_ND), math.prod(rows_ND.shape[1:]))
    hash_N = np.full(len(flat), _START)
    for start in range(0, len(flat), _BLOCK):
        words = np.ascontiguousarray(flat[start : start + _BLOCK]).view(np.uint32)
        found = hash_N[start : start + _BLOCK]
        for column in range(words.shape[1]):
            found ^= words[:, column]
            found *= _FACTOR
            found ^= found >> _SHIFT
    _, first_K, group_N = np.unique(hash_N, return_index=True, return_inverse=True)
    first_N = first_K[group_N].astype(np.intp, copy=False)
    later = np.flatnonzero(first_N != np.arange(len(flat)))
    for start in range(0, len(later), _BLOCK):
        block = later[start : start + _BLOCK]
        same = (_bits(flat[block]) == _bits(flat[first_N[block]])).all(axis=1)
        first_N[block[~same]] = block[~same]
    return first_N


def _bits(rows_KD: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    return np.ascontiguousarray(rows_KD).view(np.uint32)
