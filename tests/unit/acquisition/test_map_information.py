"""Mutual information on maps: its definition, streaming, precisions, small objects."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from winnow.acquisition import (
    cell_mutual_information,
    map_mutual_information,
    stream_map_mutual_information,
)
from winnow.acquisition.map_information import Maps
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
KINDS: list[Any] = [np.float16, np.float32, np.float64]
SHAPES = st.tuples(*[st.integers(1, top) for top in (3, 4, 3, 3, 3)])


def h(probs: Floats) -> Floats:
    terms: Floats
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(probs > 0, probs * np.log(probs), 0.0)
        terms += np.where(probs < 1, (1 - probs) * np.log1p(-probs), 0.0)
    entropies: Floats = np.negative(terms)
    return entropies


def cells(maps: Maps) -> Floats:
    probs = maps.astype(np.float64)
    information: Floats = np.maximum(h(probs.mean(axis=1)) - h(probs).mean(axis=1), 0.0)
    return information


def random_maps(kind: Any, n: int = 6, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.beta(0.4, 0.8, size=(n, 5, 3, 7, 4)).astype(kind)


def test_the_oracle_of_one_cell() -> None:
    for kind, places in ((np.float64, 10), (np.float32, 7), (np.float16, 3)):
        split: Any = np.array([0.1, 0.9], dtype=kind).reshape(1, 2, 1, 1, 1)
        score = float(map_mutual_information(split)[0, 0])
        assert score == pytest.approx(0.3680642072, abs=10.0**-places)


@settings(max_examples=40)
@given(SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(0, 1))))
def test_it_agrees_with_its_definition(maps: Floats) -> None:
    before = maps.copy()
    scores = map_mutual_information(maps)
    np.testing.assert_allclose(scores, cells(maps).mean(axis=(2, 3)), atol=2e-12)
    assert (scores >= 0).all()
    assert (scores <= math.log(2) + 1e-12).all()
    np.testing.assert_array_equal(maps, before)


@pytest.mark.parametrize("kind", KINDS)
def test_all_precisions_are_scored_from_the_same_numbers(kind: Any) -> None:
    maps = random_maps(kind)
    found = map_mutual_information(maps)
    np.testing.assert_allclose(found, cells(maps).mean(axis=(2, 3)), atol=2e-12)
    doubled = map_mutual_information(maps.astype(np.float64))
    np.testing.assert_allclose(found, doubled, rtol=0, atol=1e-15)


def test_every_half_precision_probability_has_its_entropy() -> None:
    ones = int(np.float16(1.0).view(np.uint16))
    every: Any = np.arange(ones + 1, dtype=np.uint16).view(np.float16)
    pairs = np.stack([every, every[::-1]])[None, :, None, None, :]
    found = map_mutual_information(pairs.transpose(4, 1, 2, 3, 0))
    np.testing.assert_allclose(found[:, 0], cells(pairs)[0, 0, 0], atol=2e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_agreeing_members_score_zero_and_certain_split_ones_ln_2(kind: Any) -> None:
    drawn = random_maps(kind)[:, :1]
    np.testing.assert_allclose(map_mutual_information(np.repeat(drawn, 4, axis=1)), 0, atol=1e-14)
    certain = np.zeros((2, 2, 2, 3, 3), dtype=kind)
    np.testing.assert_array_equal(map_mutual_information(certain), np.zeros((2, 2)))
    certain[:, 1, 0] = 1.0
    np.testing.assert_allclose(map_mutual_information(certain)[:, 0], math.log(2))
    np.testing.assert_array_equal(map_mutual_information(certain)[:, 1], [0.0, 0.0])
    np.testing.assert_array_equal(map_mutual_information(drawn), np.zeros((6, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_and_order_change_no_bit(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    maps = random_maps(kind, n=11)
    whole = map_mutual_information(maps)
    stream = stream_map_mutual_information(iter([maps[:4], maps[4:4], maps[4:5], maps[5:]]))
    np.testing.assert_array_equal(stream, whole)
    np.testing.assert_array_equal(map_mutual_information(maps[::-1]), whole[::-1])
    np.testing.assert_array_equal(map_mutual_information(maps[:, :, ::-1]), whole[:, ::-1])
    np.testing.assert_array_equal(map_mutual_information(np.asfortranarray(maps)), whole)
    big_endian: Any = maps.astype(np.dtype(kind).newbyteorder(">"))
    np.testing.assert_array_equal(map_mutual_information(big_endian), whole)
    np.testing.assert_allclose(map_mutual_information(maps[:, ::-1]), whole, atol=1e-15)
    for values in (1, 2 * 5 * 28, 7 * 5 * 28):  # a class at a time, two classes, some frames
        monkeypatch.setattr("winnow.acquisition.map_information.BLOCK_VALUES", values)
        np.testing.assert_array_equal(map_mutual_information(maps), whole)


def test_top_cells_are_those_with_the_most_disagreement() -> None:
    maps = random_maps(np.float32)
    flat = np.sort(cells(maps).reshape(6, 3, -1), axis=2)
    for top in (1, 5, 28, 100):
        expected = flat[:, :, -top:].mean(axis=2)
        found = map_mutual_information(maps, top_cells=top)
        np.testing.assert_allclose(found, expected, atol=2e-12)
    small = np.zeros((2, 2, 1, 40, 40), dtype=np.float16)
    small[1, 0, 0, 3, 4] = 1.0  # one member sees something small
    assert map_mutual_information(small)[1, 0] < 1e-3
    assert map_mutual_information(small, top_cells=1)[1, 0] == pytest.approx(math.log(2))


def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    def blocks(n: int) -> Iterator[Maps]:
        rng = np.random.default_rng(0)
        for _ in range(n):
            yield rng.random((4, 4, 2, 30, 20), dtype=np.float32).astype(np.float16)

    peaks = []
    for n in (5, 50):
        tracemalloc.start()
        scores = stream_map_mutual_information(blocks(n))
        peaks.append(tracemalloc.get_traced_memory()[1] - scores.nbytes)
        tracemalloc.stop()
        assert scores.shape == (4 * n, 2)
    assert peaks[1] < 1.2 * peaks[0]


def test_no_frames_give_no_scores() -> None:
    assert map_mutual_information(np.empty((0, 2, 3, 4, 4))).shape == (0, 3)
    assert stream_map_mutual_information([]).shape == (0, 0)


def test_a_negative_zero_is_a_zero() -> None:
    for kind in KINDS:
        maps = np.zeros((1, 2, 1, 2, 2), dtype=kind)
        maps[0, 0] = -0.0
        assert map_mutual_information(maps).tolist() == [[0.0]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("value", "found"),
    [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (-0.25, "-0.25"), (1.25, "1.25")],
)
def test_a_value_that_is_no_probability_is_named(kind: Any, value: float, found: str) -> None:
    blocks = [random_maps(kind), random_maps(kind)]
    blocks[1][3, 2, 1, 6, 3] = value
    where = rf"row 9, member 2, class 1, cell \(6, 3\): .*found {found}"
    with pytest.raises(BadInput, match=where):
        stream_map_mutual_information(blocks)


def test_bad_shapes_are_refused() -> None:
    for shape in ((2, 3, 4, 4), (2, 0, 1, 4, 4), (2, 1, 0, 4, 4), (2, 1, 1, 0, 4)):
        with pytest.raises(BadInput, match="expected shape"):
            map_mutual_information(np.zeros(shape))
    with pytest.raises(BadInput, match="expected float16, float32 or float64, found int64"):
        map_mutual_information(np.zeros((1, 1, 1, 1, 1), dtype=np.int64))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=r"row 6: expected \(5, 3, 7, 4\) as before"):
        stream_map_mutual_information([random_maps(np.float32), np.zeros((1, 5, 3, 7, 5))])
    with pytest.raises(BadInput, match="top_cells: expected at least 1, found 0"):
        map_mutual_information(random_maps(np.float32), top_cells=0)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_say_where_the_disagreement_is_that_the_mean_counts(kind: Any) -> None:
    maps = np.random.default_rng(3).random((2, 3, 2, 4, 5)).astype(kind)
    found = cell_mutual_information(maps)
    assert found == pytest.approx(cells(maps), abs=1e-12)
    assert found.mean(axis=(2, 3)) == pytest.approx(map_mutual_information(maps), abs=1e-12)
