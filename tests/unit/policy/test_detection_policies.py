"""Policies whose labels are boxes: defaults of their kind, and mistakes told with their lines."""

from __future__ import annotations

import pytest

from winnow.domain.errors import BadInput
from winnow.policy.explain import explain
from winnow.policy.model import Policy, parse_policy
from winnow.policy.needs import needs_of
from winnow.policy.round_sections import LabelSection
from winnow.policy.switch import Standing, switch_of
from winnow.policy.training_section import TrainingSection

TURNS = """
label: {kind: detection}
selection:
  strategy: {name: round_robin, columns: ["map_information:person", "map_information:bicycle"]}
"""


def test_a_detection_policy_chooses_by_the_information_of_the_maps() -> None:
    policy = parse_policy("label: {kind: detection}")
    assert policy.selection.acquisition == "map_information"
    assert policy.label.task == "detection"
    assert "box" in policy.label.instructions


def test_what_is_written_wins_over_the_defaults_of_the_kind() -> None:
    text = "label: {kind: detection, task: roads}\nselection: {acquisition: box_entropy_sum}"
    policy = parse_policy(text)
    assert (policy.label.task, policy.selection.acquisition) == ("roads", "box_entropy_sum")


def test_a_policy_built_of_sections_is_the_policy_that_is_written() -> None:
    label = LabelSection(kind="detection")
    assert Policy(label=label) == parse_policy("label: {kind: detection}")
    training = TrainingSection(epochs=7, input_pixels=96)
    written = "label: {kind: detection}\ntraining: {epochs: 7, input_pixels: 96}"
    built = Policy(label=label, training=training)
    assert built == parse_policy(written)
    assert built.training.height_width == (96, 96)
    assert training.batch_size == TrainingSection().batch_size


def test_a_kind_that_there_is_not_is_the_only_mistake() -> None:
    with pytest.raises(BadInput, match=r"1 mistake\(s\)\n  line 1, column 15: label.kind: "):
        parse_policy("label: {kind: detektion}\nselection: {acquisition: margin}")


def test_what_needs_class_probabilities_is_a_mistake_with_its_line() -> None:
    text = (
        "label: {kind: detection}\nselection:\n  strategy: badge\n  acquisition: margin\n"
        "constraints:\n  caps: {predicted_class: 3}\n"
    )
    with pytest.raises(BadInput) as told:
        parse_policy(text)
    assert "line 3, column 13: selection.strategy: expected a strategy that needs no" in str(
        told.value
    )
    assert "line 4, column 16: selection.acquisition: expected scores of detection" in str(
        told.value
    )
    assert "predicted_class" in str(told.value)


def test_a_rule_that_could_never_tell_anything_of_boxes_is_a_mistake() -> None:
    with pytest.raises(
        BadInput, match=r"line 2, column 30: stopping.mean_entropy_max: expected none, as labels"
    ):
        parse_policy("label: {kind: detection}\nstopping: {mean_entropy_max: 0.05}")
    text = "label: {kind: detection}\nstopping: {kappa_min: 0.9}"
    (step,) = [one for one in explain(parse_policy(text)) if one.title == "Next round"]
    assert "agree by F1 of boxes 0.9 over 3 rounds" in " ".join(step.sentences)


def test_round_robin_without_columns_is_told_how_to_name_classes() -> None:
    with pytest.raises(BadInput, match=r"columns: \[map_information:person\]"):
        parse_policy("label: {kind: detection}\nselection: {strategy: round_robin}")


def test_scores_of_detection_are_no_scores_of_classification() -> None:
    with pytest.raises(BadInput, match=r"line 1, column 26: .*expected scores of classification"):
        parse_policy("selection: {acquisition: map_information}")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            "selection:\n  strategy: {name: round_robin, columns: ['map_information:person']}",
            "line 2, column 13: selection.strategy",
        ),
        ("scores:\n  terms: [{column: 'map_information:person'}]", "line 2, column 3: scores"),
    ],
)
def test_a_column_of_detectors_in_a_policy_of_classes_is_a_mistake_not_a_cold_start(
    text: str, place: str
) -> None:
    with pytest.raises(BadInput) as told:
        parse_policy(text)
    assert place in str(told.value)
    assert "label: {kind: detection}" in str(told.value)


def test_columns_of_a_committee_wait_for_it_and_are_read_once_it_answered() -> None:
    policy = parse_policy(TURNS)
    cold = Standing(has_committee=False, round_number=3)
    assert switch_of(policy, cold).cold
    assert "map_information:person" not in needs_of(policy, cold).columns
    warm = Standing(has_committee=True, n_labeled=9, round_number=3)
    assert not switch_of(policy, warm).cold
    needs = needs_of(policy, warm)
    assert needs.columns >= {"map_information:person", "map_information:bicycle"}
    assert "probs" not in needs.inputs
