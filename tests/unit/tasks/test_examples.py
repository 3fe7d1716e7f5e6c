"""The container of labeled frames, and batches made ahead."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image

from winnow.domain.errors import BadInput, NotFound
from winnow.tasks.devices import chosen_device
from winnow.tasks.examples import examples_of, resized
from winnow.tasks.loading import ahead
from winnow.tasks.task import task_named


def test_frames_keep_their_own_rows_whatever_the_order() -> None:
    pixels = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1) * np.ones((1, 3, 2, 2), np.uint8)
    targets = [np.full((k, 5), n, dtype=np.float32) for n, k in enumerate((2, 0, 1, 3))]
    examples = examples_of(pixels, targets, weights_N=np.array([1, 2, 3, 4], dtype=np.float32))
    taken = examples.take([3, 1, 0, 3])
    assert taken.counts_N.tolist() == [3, 0, 2, 3]
    assert [set(taken.of(n)[:, 0].tolist()) for n in range(4)] == [{3.0}, set(), {0.0}, {3.0}]
    assert taken.weights_N.tolist() == [4, 2, 1, 4]
    assert taken.pixels[:, 0, 0, 0].tolist() == [3, 1, 0, 3]
    assert len(examples.take([])) == 0


def test_a_frame_is_resized_and_its_size_remembered() -> None:
    sink = io.BytesIO()
    Image.new("L", (40, 20), 77).save(sink, "PNG")
    pixels, size = resized(sink.getvalue(), height=8, width=12)
    assert (pixels.shape, size) == ((3, 8, 12), (40, 20))
    assert (pixels == 77).all()


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_results_come_in_order_and_few_wait(threads: int) -> None:
    most, made = 0, 0
    lock = threading.Lock()

    def make(n: int) -> int:
        nonlocal made
        with lock:
            made += 1
        return n * n

    for taken, value in enumerate(ahead(make, range(50), threads=threads), start=1):
        assert value == (taken - 1) ** 2
        with lock:
            most = max(most, made - taken)
    assert most <= 2 * threads + 1


def test_an_error_comes_in_its_place() -> None:
    results = ahead(lambda n: 1 // (3 - n), range(9), threads=2)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_names_that_there_are_not_are_told() -> None:
    with pytest.raises(
        NotFound, match=r"expected one of classification, .*grid_detection.*, found"
    ):
        task_named("yolo:small")
    with pytest.raises(BadInput, match="expected auto, cpu or cuda, found 'tpu'"):
        chosen_device("tpu")
    assert chosen_device("cpu") == "cpu"
