"""A policy names acquisition functions and strategies by their registries, never by a list."""

from __future__ import annotations

import pytest

from winnow.acquisition.detection import DETECTION_ACQUISITIONS
from winnow.cli.policy import policy_named
from winnow.cli.presets import preset_text
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


@pytest.mark.parametrize("place", ["strategy", "cold_start"])
@pytest.mark.parametrize("name", sorted(set(NAMES) - STRATEGIES.keys()))
def test_an_acquisition_function_named_as_a_strategy_is_told_its_place(
    name: str, place: str
) -> None:
    for written in (name, f"{{name: {name}}}"):
        with pytest.raises(BadInput) as refused:
            parse_policy(f"selection: {{{place}: {written}}}")
        assert f"; {name} is an acquisition function: selection.acquisition" in str(refused.value)
        assert "did you mean" not in str(refused.value)


@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - set(NAMES)))
def test_a_strategy_named_as_an_acquisition_function_is_told_its_place(name: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_policy(f"scores: {{terms: [{{acquisition: {name}}}]}}")
    assert f"; {name} is a strategy: selection.strategy (found" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("selection: {strategy: kcenter}", "did you mean k_center?"),
        ("label: {kind: detektion}", "did you mean detection?"),
        ("approval: {mode: persn}", "did you mean person?"),
        ("scores: {terms: [{acquisition: entropie}]}", "did you mean entropy?"),
        ("selection: {strategy: {name: herding, weight: scores}}", "did you mean score?"),
        ("training: {networks: [clasification]}", "did you mean classification?"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_one_that_is_alike(text: str, hint: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_policy(text)
    assert hint in str(refused.value)


def test_a_misspelt_preset_is_answered_with_the_one_that_is_alike() -> None:
    with pytest.raises(BadInput, match="found 'saftey'; did you mean safety"):
        preset_text("saftey")
    with pytest.raises(BadInput, match=r"rare_class: .*or a preset.*did you mean rare_classes"):
        policy_named("rare_class")
