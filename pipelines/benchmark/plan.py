"""What a benchmark run is told; together with the data it decides every number but the times."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchmark.methods import BASELINE, method_named
from winnow.domain.errors import BadInput
from winnow.domain.mistakes import sentence

PoolKind = Literal["plain", "duplicated", "deduplicated"]
METHODS = (
    "random", "random_warm", "entropy", "margin", "least_confidence", "bald", "k_center", "badge",
    "hybrid", "default",
)  # fmt: skip
"""Those that are compared unless others are named."""


class Plan(BaseModel):
    """One benchmark."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: tuple[str, ...] = Field(default=METHODS, min_length=1)
    budgets: tuple[float, ...] = Field(default=(0.05, 0.1, 0.25, 0.5, 0.75, 1.0), min_length=1)
    """Shares of the pool that are labeled, rising."""
    seeds: int = Field(default=5, ge=1, le=1000)
    pools: tuple[PoolKind, ...] = ("plain", "duplicated", "deduplicated")
    learner: Literal["probe", "network"] = "probe"
    holdout_share: float = Field(default=0.2, gt=0, lt=1)
    random_arm: float = Field(default=0.1, ge=0, le=1)
    starvation_share: float = Field(default=0.5, ge=0, le=1)
    """A class with fewer labels than this part of an even share starves."""
    mining: bool = True
    label_price_micros: int = Field(default=80_000, ge=0)
    """Of one label, micros of the currency."""
    machine_hour_micros: int = Field(default=3_000_000, ge=0)
    """Of one hour of what selects, trains and scores."""
    network_members: int = Field(default=3, ge=2, le=64)
    network_steps: int = Field(default=300, ge=1)

    @field_validator("methods")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            method_named(name)
        # What all others are measured against always runs.
        return tuple(dict.fromkeys((BASELINE, *names)))

    @field_validator("budgets")
    @classmethod
    def _rising(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        rising = all(a < b for a, b in pairwise(shares))
        if not rising or shares[0] <= 0 or shares[-1] > 1:
            msg = f"expected rising shares above 0 and up to 1, found {list(shares)}"
            raise ValueError(msg)
        return shares

    @classmethod
    def told(cls, **given: object) -> Self:
        """Make a plan from what a person gave.

        Raises
        ------
        BadInput
            Something that cannot be; every mistake is listed.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            lines = [sentence(mistake, cls.model_fields) for mistake in error.errors()]
            raise BadInput("benchmark: " + "; ".join(lines)) from error

    def digest(self, data_digest: str, version: str) -> str:
        """Name the runs of this plan on these frames: others never mix with them.

        More seeds, methods or pools, and other prices, change no run; only where `plain` was the
        one pool do others bring copies, and with them another digest of the data.
        """
        free = {"seeds", "methods", "pools", "mining", "label_price_micros", "machine_hour_micros"}
        text = self.model_dump_json(exclude=free)
        return hashlib.sha256(f"{text}\x1f{data_digest}\x1f{version}".encode()).hexdigest()[:16]
