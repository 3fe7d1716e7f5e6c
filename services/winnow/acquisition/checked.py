"""Arrays of numbers as float64, checked: a mistake names its row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import Floats, sum_last
from winnow.domain.errors import BadInput

Rows = npt.NDArray[np.float32] | npt.NDArray[np.float64]

BLOCK_VALUES: Final = 1 << 17
NUMBER_MAX: Final = 1e150
"""Squares of larger numbers come near the end of float64."""


def finite_of(values: npt.ArrayLike, *, name: str, axes: tuple[str, ...]) -> Floats:
    """Give numbers as float64.

    Raises
    ------
    BadInput
        Not numbers, another number of axes, or a row with NaN, an infinity or a number beyond
        1e150.
    """
    numbers = numbers_of(values, name=name, axes=axes)
    return _finite(numbers.astype(np.float64), name=name, first_row=0)


def numbers_of(
    values: npt.ArrayLike, *, name: str, axes: tuple[str, ...] | None = None
) -> npt.NDArray[Any]:
    """Give an array of real numbers with these axes (none: any), its values not looked at yet.

    Raises
    ------
    BadInput
        Not numbers, or another number of axes.
    """
    numbers = array_of(values, name=name)
    if numbers.dtype.kind not in "fiub":
        msg = f"{name}: expected numbers, found {numbers.dtype}"
        raise BadInput(msg)
    if axes is not None and numbers.ndim != len(axes):
        msg = f"{name}: expected shape [{', '.join(axes)}], found {numbers.shape}"
        raise BadInput(msg)
    return numbers


def array_of(values: npt.ArrayLike, *, name: str) -> npt.NDArray[Any]:
    """Give what was given as an array; arrays, memory maps among them, are given as they are.

    Raises
    ------
    BadInput
        It is none: rows of different lengths, a tensor that NumPy cannot read. Or parts of it are
        masked: what lies under a mask is no value.
    """
    if isinstance(values, np.ma.MaskedArray):
        masked = np.argwhere(np.broadcast_to(values.mask, values.shape))
        if len(masked):
            msg = f"{name}: expected values, found {len(masked)} masked, "
            raise BadInput(msg + f"the first at {tuple(masked[0].tolist())}")
        return np.asarray(values.data)
    if isinstance(values, np.ndarray):
        return values
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        msg = f"{name}: expected an array, found {type(values).__name__}: {error}"
        raise BadInput(msg) from error


def whole_numbers_of(values: npt.ArrayLike, *, name: str, unit: str) -> npt.NDArray[np.int64]:
    """Give whole numbers as int64.

    Raises
    ------
    BadInput
        Fractions, or no numbers: what is counted in a unit has no halves of it.

    Examples
    --------
    >>> whole_numbers_of([80_000, 0], name="price_micros_N", unit="micros").tolist()
    [80000, 0]
    """
    numbers = array_of(values, name=name)
    if numbers.dtype.kind not in "iu" and len(numbers):
        msg = f"{name}: expected whole numbers of {unit}, found {numbers.dtype}"
        raise BadInput(msg)
    return numbers.astype(np.int64, copy=False)


def _finite(numbers: Floats, *, name: str, first_row: int) -> Floats:
    right = np.abs(numbers) <= NUMBER_MAX  # a NaN compares false, so it is not right either
    if not right.all():
        place = tuple(int(i) for i in np.argwhere(~right)[0])
        row = first_row + place[0]
        msg = f"{name}: row {row}: expected finite numbers, found {numbers[place]!s}"
        raise BadInput(msg)
    return numbers


def row_blocks(
    values_ND: Rows, *, name: str, columns: str = "numbers"
) -> Iterator[tuple[slice, Floats]]:
    """Give checked float64 blocks of rows and where they stand.

    Raises
    ------
    BadInput
        See `finite_of`.
    """
    numbers_ND = numbers_of(values_ND, name=name, axes=("frames", columns))
    step = max(1, BLOCK_VALUES // max(1, numbers_ND.shape[1]))
    for start in range(0, len(numbers_ND), step):
        rows = slice(start, min(start + step, len(numbers_ND)))
        block = numbers_ND[rows].astype(np.float64)
        yield rows, _finite(block, name=name, first_row=start)


def norms_of(embeddings_ND: Rows, *, name: str = "embeddings_ND") -> Floats:
    """Give the Euclidean norm of each row.

    Raises
    ------
    BadInput
        See `finite_of`.
    """
    norms = np.empty(len(embeddings_ND))
    for rows, block in row_blocks(embeddings_ND, name=name):
        norms[rows] = np.sqrt(sum_last(block * block))
    return norms


def check_lengths(lengths: Mapping[str, int]) -> None:
    """Check that columns are equally long.

    Raises
    ------
    BadInput
        They are not; the text names two that differ.
    """
    for name, length in lengths.items():
        first, expected = next(iter(lengths.items()))
        if length != expected:
            msg = f"{name}: expected {expected} rows as in {first}, found {length}"
            raise BadInput(msg)
