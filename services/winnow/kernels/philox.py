"""Random numbers that belong to a frame: Philox 4x64-10, for many counters at once.

A generator that hands out numbers in sequence ties a frame's number to its place in the input;
here the frame's id is the counter, so neither order nor company changes it.
"""

from __future__ import annotations

import hashlib
from numbers import Integral
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.reproducible import log_of
from winnow.domain.errors import BadInput

Words = npt.NDArray[np.uint64]

_MULTIPLIERS: Final = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_WEYL: Final = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_ROUNDS: Final = 10
_LOW: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)
_BLOCK: Final = 1 << 15
_HEX: Final = frozenset("0123456789abcdef")


def draws_of(frame_ids: npt.NDArray[np.str_], *, seed: int, step: int) -> Words:
    """Give each frame its 64 random bits for one step of one seed.

    Parameters
    ----------
    frame_ids
        32 hexadecimal digits each; an id of another form is stood for by the first 128 bits of
        its SHA-256.
    seed, step
        The round's stored seed and the number of the decision, both below 2**64.

    Returns
    -------
    numpy.ndarray
        uint64 [N]: element *i* is the first output of
        `np.random.Philox(key=[seed, step], counter=[0, 0, low, high])` with the halves of frame
        id *i*.

    Raises
    ------
    BadInput
        The seed is no whole number.

    References
    ----------
    Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
    """
    if not isinstance(seed, Integral):
        msg = f"seed: expected a whole number, found {seed!r}"
        raise BadInput(msg)
    seed = int(seed)  # sums of NumPy's own would wrap
    high_N, low_N = _halves(frame_ids)
    draws = np.empty(len(frame_ids), dtype=np.uint64)
    for start in range(0, len(draws), _BLOCK):
        block = slice(start, start + _BLOCK)
        draws[block] = _philox(low_N[block], high_N[block], seed, step)
    return draws


def exponentials_of(
    frame_ids: npt.NDArray[np.str_], *, seed: int, step: int
) -> npt.NDArray[np.float64]:
    """Give each frame its own standard exponential number for one step of one seed.

    The upper 53 bits of its draw, in the middle of their interval: never 0, never infinite.
    """
    draws = draws_of(frame_ids, seed=seed, step=step) >> np.uint64(11)
    return -log_of((draws.astype(np.float64) + 0.5) * 2.0**-53)


def order_of(frame_ids: npt.NDArray[np.str_], *, seed: int, step: int) -> npt.NDArray[np.intp]:
    """Give the positions in a uniformly random order; its first n are a simple random sample.

    Equal draws (one pair in 2**64) go by the smaller frame id.
    """
    draws = draws_of(frame_ids, seed=seed, step=step)
    order: npt.NDArray[np.intp] = np.argsort(draws)
    in_order = draws[order]
    if (in_order[1:] == in_order[:-1]).any():  # sorting texts takes longer than all the rest
        order = np.lexsort((frame_ids, draws))
    return order


def _philox(low_N: Words, high_N: Words, seed: int, step: int) -> Words:
    # NumPy adds one to the counter before its first output.
    words = [np.ones_like(low_N), np.zeros_like(low_N), low_N, high_N]
    for turn in range(_ROUNDS):
        key = [np.uint64((k + turn * w) % 2**64) for k, w in zip((seed, step), _WEYL, strict=True)]
        high_0, low_0 = _product(words[0], _MULTIPLIERS[0])
        high_1, low_1 = _product(words[2], _MULTIPLIERS[1])
        words = [high_1 ^ words[1] ^ key[0], low_1, high_0 ^ words[3] ^ key[1], low_0]
    return words[0]


def _product(words: Words, factor: np.uint64) -> tuple[Words, Words]:
    """Give the high and low 64 bits of each product; from halves, as there is no uint128."""
    word_low, word_high = words & _LOW, words >> _HALF
    factor_low, factor_high = factor & _LOW, factor >> _HALF
    low_low = word_low * factor_low
    middle = word_high * factor_low + (low_low >> _HALF)
    cross = word_low * factor_high + (middle & _LOW)
    return word_high * factor_high + (middle >> _HALF) + (cross >> _HALF), words * factor


def hex_words(frame_ids: npt.NDArray[np.str_]) -> tuple[Words, Words] | None:
    """Give the high and low 64 bits of each id; none if one is not 32 hexadecimal digits."""
    if len(frame_ids) == 0:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64)
    if frame_ids.dtype.itemsize != 32 * 4:  # NumPy stores 4 bytes a character
        return None
    codes = np.ascontiguousarray(frame_ids).view(np.uint32).reshape(len(frame_ids), 32)
    high, low = np.empty(len(codes), np.uint64), np.empty(len(codes), np.uint64)
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK]
        is_letter = (block >= ord("a")) & (block <= ord("f"))
        if not (is_letter | ((block >= ord("0")) & (block <= ord("9")))).all():
            return None
        values = (block - np.where(is_letter, ord("a") - 10, ord("0"))).astype(np.uint8)
        packed = (values[:, 0::2] << np.uint8(4)) | values[:, 1::2]
        words = np.ascontiguousarray(packed).view(">u8").astype(np.uint64)
        high[start : start + _BLOCK], low[start : start + _BLOCK] = words[:, 0], words[:, 1]
    return high, low


def _halves(frame_ids: npt.NDArray[np.str_]) -> tuple[Words, Words]:
    words = hex_words(frame_ids)
    if words is not None:
        return words
    digests = (_id_digest(frame_id) for frame_id in frame_ids.tolist())
    pairs = np.frombuffer(b"".join(digests), dtype=">u8").reshape(-1, 2).astype(np.uint64)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def _id_digest(frame_id: str) -> bytes:
    if len(frame_id) == 32 and not set(frame_id) - _HEX:
        return bytes.fromhex(frame_id)
    return hashlib.sha256(frame_id.encode()).digest()[:16]
