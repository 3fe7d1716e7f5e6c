"""A policy names acquisition functions and strategies by their registries, never by a list."""

from __future__ import annotations

import pytest

from winnow.acquisition.detection import DETECTION_ACQUISITIONS
from winnow.domain.errors import BadInput
from winnow.policy.model import parse_policy
from winnow.policy.score_section import NAMES
from winnow.strategies.registry import STRATEGIES, strategy_of


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_registered_may_be_asked_for(name: str) -> None:
    kind = "detection" if name in DETECTION_ACQUISITIONS else "classification"
    text = f"label: {{kind: {kind}}}\nselection: {{acquisition: {name}}}"
    assert parse_policy(text).selection.acquisition == name


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_cold_start_is_any_strategy_that_needs_no_scores(name: str) -> None:
    text = f"selection: {{strategy: {name}, cold_start: {name}}}"
    if strategy_of(name).needs & {"scores", "probs"}:
        with pytest.raises(BadInput, match=r"cold_start: expected one of .*k_center.*random"):
            parse_policy(text)
    else:
        assert parse_policy(text).selection.chosen_strategy(cold=True).name == name


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(BadInput) as refused:
        parse_policy("selection: {acquisition: bold}", where="p.yaml")
    assert str(refused.value) == (
        "p.yaml: 1 mistake(s)\n"
        f"  line 1, column 26: selection.acquisition: expected one of "
        f"{', '.join(NAMES)}; did you mean bald? (found 'bold')"
    )
