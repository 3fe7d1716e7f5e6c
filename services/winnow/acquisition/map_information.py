"""Disagreement of a committee of detectors on probability maps, class by class."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.interpolated import binary_entropy_of
from winnow.acquisition.reproducible import Floats, sum_last
from winnow.domain.errors import BadInput

Maps = npt.NDArray[np.float16] | npt.NDArray[np.float32] | npt.NDArray[np.float64]
Bits = npt.NDArray[np.unsignedinteger[Any]]
Complex = npt.NDArray[np.complex128]

BLOCK_VALUES: Final = 1 << 16
"""Map cells worked on at once: 512 KiB of float64."""
_BITS: Final = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def map_mutual_information(maps_NMCHW: Maps, *, top_cells: int | None = None) -> Floats:
    """Give, for each frame and class, how much the members disagree about where the class is.

    Parameters
    ----------
    maps_NMCHW
        Probability that a cell shows the class, float16, float32 or float64 [frames, members,
        classes, height, width], 0 to 1; may be memory-mapped. Cells and classes stand alone:
        nothing has to sum to one.
    top_cells
        Mean of so many cells with the most disagreement (of all if the map has fewer), for small
        objects on large maps; none: mean of the whole map.

    Returns
    -------
    numpy.ndarray
        `scores_NC`, float64 in nats, 0 (all members draw the same map) to ln 2 (they are certain
        and split evenly); row *i* is frame *i*.

    Raises
    ------
    BadInput
        Another shape or type, no member, class or cell, NaN, or a value outside 0…1; the text
        names row, member, class and cell.

    Notes
    -----
    h(mean_m p) - mean_m h(p) in each cell, h the entropy of yes or no in nats, within 1e-12.
    Reads the maps once; costs N·M·C·H·W time (float16: two additions a value, as their entropies
    come from a table) and memory for a block of cells, at least one class of one frame.

    References
    ----------
    Haussmann et al., "Scalable Active Learning for Object Detection", 2020, arXiv 2004.04699
    (mutual information over an ensemble, per class).

    Examples
    --------
    >>> split = np.array([0.1, 0.9]).reshape(1, 2, 1, 1, 1)
    >>> map_mutual_information(split).round(10).tolist()
    [[0.3680642072]]
    """
    return stream_map_mutual_information([maps_NMCHW], top_cells=top_cells)


def stream_map_mutual_information(
    blocks: Iterable[Maps], *, top_cells: int | None = None
) -> Floats:
    """Give `map_mutual_information` of frames that come block by block.

    Parameters
    ----------
    blocks
        Arrays like `maps_NMCHW`, with any number of frames each; what follows the first axis is
        the same in all. Each is read once and let go.
    top_cells
        See `map_mutual_information`.

    Returns
    -------
    numpy.ndarray
        `scores_NC` of all frames in the order they came in; [0, 0] if there was no block. The
        cut into blocks changes no bit.

    Raises
    ------
    BadInput
        See `map_mutual_information`; rows are counted over all blocks. Also a block of another
        shape than the first.

    Examples
    --------
    >>> blocks = (np.full((2, 4, 3, 8, 8), p, dtype=np.float16) for p in (0.25, 0.5))
    >>> stream_map_mutual_information(blocks).shape
    (4, 3)
    """
    if top_cells is not None and top_cells < 1:
        msg = f"top_cells: expected at least 1, found {top_cells}"
        raise BadInput(msg)
    scores, shape, n_rows = list[Floats](), tuple[int, ...](), 0
    for block in blocks:
        maps = _checked_shape(block, first_row=n_rows)
        if shape not in ((), maps.shape[1:]):
            msg = f"maps_NMCHW: row {n_rows}: expected {shape} as before, found {maps.shape[1:]}"
            raise BadInput(msg)
        shape = maps.shape[1:]
        scores.append(_scores_of(maps, top_cells, first_row=n_rows))
        n_rows += len(maps)
    return np.concatenate(scores) if scores else np.empty((0, 0))


def cell_mutual_information(maps_NMCHW: Maps) -> Floats:
    """Give where the members disagree: the mutual information of each cell, to look at.

    Parameters
    ----------
    maps_NMCHW
        See `map_mutual_information`.

    Returns
    -------
    numpy.ndarray
        float64 [frames, classes, height, width], nats, 0 to ln 2; the mean over the cells is what
        `map_mutual_information` gives.

    Raises
    ------
    BadInput
        See `map_mutual_information`.

    Notes
    -----
    O(N·M·C·H·W) time; memory for all cells: for a handful of frames.

    Examples
    --------
    >>> split = np.array([[0.1, 0.5], [0.9, 0.5]]).reshape(1, 2, 1, 1, 2)
    >>> cell_mutual_information(split).round(4).tolist()
    [[[[0.3681, 0.0]]]]
    """
    maps = _checked_shape(maps_NMCHW, first_row=0)
    block = _probabilities(maps, (0, 0, 0))
    cells = _cell_information(block.reshape(*block.shape[:3], -1))
    return cells.reshape(len(maps), *maps.shape[2:])


def _checked_shape(maps: Maps, *, first_row: int) -> Maps:
    maps = np.asanyarray(maps)
    if maps.dtype.kind != "f" or maps.dtype.itemsize not in _BITS:
        msg = f"maps_NMCHW: expected float16, float32 or float64, found {maps.dtype}"
        raise BadInput(msg)
    if maps.ndim != 5 or min(maps.shape[1:]) < 1:
        msg = (
            f"maps_NMCHW: row {first_row}: expected shape "
            f"[frames, members, classes, height, width], found {maps.shape}"
        )
        raise BadInput(msg)
    return maps


def _scores_of(maps: Maps, top_cells: int | None, *, first_row: int) -> Floats:
    n_frames, n_members, n_classes, height, width = maps.shape
    values_of_class = n_members * height * width
    classes = min(n_classes, max(1, BLOCK_VALUES // values_of_class))
    frames = max(1, BLOCK_VALUES // (values_of_class * classes))
    scores = np.empty((n_frames, n_classes))
    for start in range(0, n_frames, frames):
        for first in range(0, n_classes, classes):
            part = np.s_[start : start + frames, :, first : first + classes]
            block = _probabilities(maps[part], (first_row + start, 0, first))
            cells = _cell_information(block.reshape(*block.shape[:3], height * width))
            scores[start : start + frames, first : first + classes] = _mean(cells, top_cells)
    return scores


def _probabilities(block: Maps, origin: tuple[int, int, int]) -> Maps:
    """Give the block in the machine's byte order, after a look at all its values."""
    dtype: np.dtype[Any] = block.dtype.newbyteorder("=")
    native: npt.NDArray[Any] = np.ascontiguousarray(block, dtype=dtype)
    bits_of_one = np.ones(1, dtype=native.dtype).view(_BITS[native.dtype.itemsize])[0]
    # Read as whole numbers, all that is not in 0…1 is larger than 1 (NaN, infinity, a sign).
    if native.size == 0 or _bits(native).max() <= bits_of_one:
        return native
    wrong = ~((native >= 0) & (native <= 1))
    if not wrong.any():
        unsigned: Maps = np.abs(native)  # -0 is 0
        return unsigned
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    row, member, column = (i + j for i, j in zip(place[:3], origin, strict=True))
    msg = (
        f"maps_NMCHW: row {row}, member {member}, class {column}, cell {place[3:]}: expected a "
        f"probability from 0 to 1, found {native[place]!s}"
    )
    raise BadInput(msg)


def _bits(block: Maps) -> Bits:
    bits: Bits = block.view(_BITS[block.dtype.itemsize])
    return bits


def _cell_information(probs_NMCU: Maps) -> Floats:
    """Give [N, C, U] the mutual information in each cell."""
    n_members = probs_NMCU.shape[1]
    if probs_NMCU.dtype.itemsize == 2:
        pairs = _sum_members(_float16_pairs().take(_bits(probs_NMCU)))
        sums, entropies = pairs.real, pairs.imag
    else:
        probs = probs_NMCU.astype(np.float64)
        sums, entropies = _sum_members(probs), _sum_members(binary_entropy_of(probs))
    information: Floats = binary_entropy_of(sums / n_members) - entropies / n_members
    return np.maximum(information, 0.0, out=information)


@cache
def _float16_pairs() -> Complex:
    """Give p + i·h(p) for the float16 numbers from 0 to 1, in the order of their bits.

    One look-up and one addition then serve the mean and the mean entropy; sums of float16 numbers
    are exact in float64.
    """
    ones = int(np.float16(1.0).view(np.uint16))
    probs = np.arange(ones + 1, dtype=np.uint16).view(np.float16).astype(np.float64)
    pairs: Complex = probs + 1j * binary_entropy_of(probs)
    return pairs


def _sum_members(values_NMCU: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return sum_last(np.moveaxis(values_NMCU, 1, -1))


def _mean(cells_NCU: Floats, top_cells: int | None) -> Floats:
    n_cells = cells_NCU.shape[2]
    if top_cells is not None and top_cells < n_cells:
        cells_NCU = np.sort(np.partition(cells_NCU, n_cells - top_cells)[..., -top_cells:])
    return sum_last(cells_NCU) / cells_NCU.shape[2]
