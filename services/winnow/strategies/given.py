"""What candidates are given, as the arrays that kernels compute with, whatever type it came in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import array_of, numbers_of, whole_numbers_of
from winnow.domain.errors import BadInput
from winnow.kernels.groups import column_of

Array = npt.NDArray[Any]


def rows_of(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Give numbers as float32; what float32 cannot hold becomes an infinity, refused later.

    Kernels multiply rows in the type that they have: whole numbers would overflow, and float16
    would be wrong by more than float32 is allowed to be.

    Examples
    --------
    >>> rows_of("rows", [[200, 2]]).dtype, rows_of("rows", np.uint8([[200, 2]])).tolist()
    (dtype('float32'), [[200.0, 2.0]])
    """
    rows = _numbers(name, values)
    with np.errstate(over="ignore"):
        return rows.astype(np.float32, copy=False)


def scores_of(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Give numbers as float64."""
    return _numbers(name, values).astype(np.float64, copy=False)


def probs_of(name: str, values: npt.ArrayLike) -> Array:
    """Give numbers as float32, or as float64 where float32 is too narrow."""
    probs = _numbers(name, values)
    wide = np.result_type(probs.dtype, np.float32)
    return probs.astype(wide if wide.itemsize <= 8 else np.float64, copy=False)


def prices_of(name: str, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Give prices as int64; see `whole_numbers_of`."""
    return whole_numbers_of(_with_axes(name, array_of(values, name=name)), name=name, unit="micros")


def columns_of(name: str, columns: Mapping[str, npt.ArrayLike]) -> Mapping[str, Array]:
    """Give columns by name."""
    return {key: text_or_number_of(f"{name}: {key}", column) for key, column in columns.items()}


def text_or_number_of(name: str, values: npt.ArrayLike) -> Array:
    """Give texts or numbers; which of them they are, and how many axes, is looked at later."""
    return _with_axes(name, column_of(values, name=name))


def _numbers(name: str, values: npt.ArrayLike) -> Array:
    return _with_axes(name, numbers_of(values, name=name))


def _with_axes(name: str, array: Array) -> Array:
    if not array.ndim:
        msg = f"{name}: expected an array, found one value"
        raise BadInput(msg)
    return array


TAKEN: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "frame_ids": text_or_number_of,
    "scores_N": scores_of,
    "embeddings_ND": rows_of,
    "centers_LD": rows_of,
    "clusters_N": text_or_number_of,
    "price_micros_N": prices_of,
    "probs_NMC": probs_of,
    "sessions_N": text_or_number_of,
    "captured_us_N": text_or_number_of,
    "columns": columns_of,
    "labels_L": text_or_number_of,
    "center_probs_LMC": probs_of,
    "examples_ED": rows_of,
    "labeled_columns": columns_of,
}
"""How each field of `Candidates` is taken."""
