"""Query strategies by their policy name. A new one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from winnow.domain.errors import BadInput
from winnow.domain.mistakes import sentence
from winnow.kernels.protocol import DistanceKernel
from winnow.strategies.badge import Badge
from winnow.strategies.bait import Bait
from winnow.strategies.batchbald import BatchBALD
from winnow.strategies.cluster_margin import ClusterMargin
from winnow.strategies.cluster_representatives import KMeans
from winnow.strategies.cost_benefit import CostBenefit
from winnow.strategies.coverage import Coverage
from winnow.strategies.dpp import GreedyDPP
from winnow.strategies.facility_location import FacilityLocation
from winnow.strategies.herding import Herding
from winnow.strategies.hybrid import Hybrid
from winnow.strategies.k_center import KCenter, ShortlistKCenter
from winnow.strategies.mining import Mining
from winnow.strategies.probcover import ProbCover
from winnow.strategies.protocol import Strategy
from winnow.strategies.round_robin import RoundRobin
from winnow.strategies.simple_random import Random
from winnow.strategies.stochastic import Power, Rank, Softmax
from winnow.strategies.top_k import TopK
from winnow.strategies.trajectory import Trajectory
from winnow.strategies.typiclust import TypiClust

STRATEGIES: Final[dict[str, type[Strategy]]] = {
    kind.name: kind
    for kind in (
        Random,
        TopK,
        KCenter,
        Badge,
        ShortlistKCenter,
        KMeans,
        ClusterMargin,
        TypiClust,
        ProbCover,
        Hybrid,
        Herding,
        Power,
        Softmax,
        Rank,
        FacilityLocation,
        GreedyDPP,
        BatchBALD,
        Bait,
        RoundRobin,
        Trajectory,
        CostBenefit,
        Coverage,
        Mining,
    )
}


def strategy_names() -> tuple[str, ...]:
    """Give the names of all strategies, sorted."""
    return tuple(sorted(STRATEGIES))


@cache
def options_of(name: str) -> type[BaseModel]:
    """Give the typed options of a strategy: those of its fields that are `Annotated`.

    Raises
    ------
    BadInput
        There is no strategy of this name; the text lists those there are.
    """
    if name not in STRATEGIES:
        msg = f"strategy: expected one of {', '.join(strategy_names())}, found {name!r}"
        raise BadInput(msg)
    kind = STRATEGIES[name]
    hints = get_type_hints(kind, include_extras=True)
    options: dict[str, Any] = {}
    for known in fields(kind):  # type: ignore[arg-type]
        hint = hints[known.name]
        if get_origin(hint) is Annotated:
            default = known.default if known.default is not MISSING else ...
            options[known.name] = (Annotated[get_args(hint)], default)
    config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    title = "".join(word.title() for word in name.split("_")) + "Options"
    model: type[BaseModel] = create_model(title, __config__=config, **options)
    return model


def strategy_of(
    name: str,
    options: Mapping[str, object] | None = None,
    *,
    kernel: DistanceKernel | None = None,
) -> Strategy:
    """Give a query strategy.

    Parameters
    ----------
    name, options
        As in a policy.
    kernel
        Backend of strategies that measure distances; none: the CPU. Picks are the same from each.

    Raises
    ------
    BadInput
        There is none of this name, or it has no such options; the text lists every mistake.
    """
    model = options_of(name)
    try:
        checked = model.model_validate(dict(options or {}))
    except ValidationError as error:
        lines = "; ".join(sentence(mistake) for mistake in error.errors())
        known = ", ".join(model.model_fields) or "none"
        msg = f"strategy {name}: {lines} (its options: {known})"
        raise BadInput(msg) from error
    values = {field: getattr(checked, field) for field in model.model_fields}
    if kernel is not None and any(known.name == "kernel" for known in fields(STRATEGIES[name])):  # type: ignore[arg-type]
        values["kernel"] = kernel
    return STRATEGIES[name](**values)
