"""Small products stay on one core, and others get theirs back."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from winnow.kernels.cores import on_one_core
from winnow.kernels.lazy_greedy import greedy
from winnow.kernels.protocol import Floats, Positions


def cores() -> int:
    """Of the library that multiplies; others may be loaded beside."""
    found = [
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    ]
    return int(min(found))


def test_looks_of_a_greedy_choice_multiply_on_one_core() -> None:
    seen = []

    def gains(pos_K: Positions) -> Floats:
        seen.append(cores())
        return np.ones(len(pos_K))

    with threadpool_limits(2, user_api="blas"):
        greedy(np.full(3, np.inf), gains, lambda _: None, 2)
        assert set(seen) == {1}
        assert cores() == 2


def test_cores_come_back_after_an_error() -> None:
    @on_one_core
    def broken() -> None:
        msg = "no such row"
        raise ValueError(msg)

    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ValueError, match="no such row"):
            broken()
        assert cores() == 2
