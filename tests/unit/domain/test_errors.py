"""Refusals as who uses the library without the rest meets them."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.acquisition import entropy
from winnow.domain.errors import BadInput, Conflict, DomainError, PoolExhausted
from winnow.strategies import Candidates, TopK


def test_a_wrong_value_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="they sum to 2") as wrong:
        entropy(np.array([[[1.0, 1.0]]]))
    assert isinstance(wrong.value, BadInput)
    pool = Candidates(np.array(["a"]), scores_N=np.array([0.5]))
    with pytest.raises(ValueError, match="found 2") as too_many:
        TopK().choose(pool, 2, seed=0)
    assert isinstance(too_many.value, PoolExhausted)


def test_what_the_world_refuses_is_no_wrong_value() -> None:
    assert not issubclass(Conflict, ValueError)
    assert issubclass(BadInput, DomainError)
