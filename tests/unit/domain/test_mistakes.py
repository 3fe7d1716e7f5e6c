"""A validator's errors in words: what was expected, what was found, and where."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from winnow.domain.mistakes import FOUND_LENGTH_MAX, expected, sentence


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 1


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seeds: int = Field(ge=1)
    learner: Literal["probe", "network"] = "probe"
    shares: tuple[float, ...] = (0.5,)
    part: Part = Part()

    @field_validator("shares")
    @classmethod
    def _rising(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if sorted(shares) != list(shares):
            msg = f"expected rising shares, found {list(shares)}"
            raise ValueError(msg)
        return shares


def wrong(**given: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Asked.model_validate(given)
    return [sentence(one, Asked.model_fields) for one in caught.value.errors()]


def test_every_mistake_says_where_what_was_expected_and_what_was_found() -> None:
    assert wrong(learner="prob", shares=[2, 1]) == [
        "seeds: expected a value",
        "learner: expected 'probe' or 'network' (found 'prob')",
        "shares: expected rising shares, found [2.0, 1.0]",
    ]
    assert wrong(seeds=0) == ["seeds: expected greater than or equal to 1 (found 0)"]
    assert wrong(seeds="ten") == ["seeds: expected a whole number (found 'ten')"]


def test_a_name_that_is_none_is_answered_with_those_that_are() -> None:
    assert wrong(seeds=1, seed=2, part={"sizes": 3}) == [
        "part.sizes: expected nothing of this name (found 3)",
        "seed: expected one of seeds, learner, shares, part (found 2)",
    ]


def test_what_was_found_is_shortened_and_can_be_kept_secret() -> None:
    long = "x" * (2 * FOUND_LENGTH_MAX)
    (text,) = wrong(seeds=long)
    assert len(text) < len(long)
    with pytest.raises(ValidationError) as caught:
        Asked.model_validate({"seeds": "password"})
    assert [expected(one) for one in caught.value.errors()] == ["expected a whole number"]
