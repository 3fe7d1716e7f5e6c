"""An explanation goes through the steps in their order and tells every number that matters."""

from __future__ import annotations

import pytest

from winnow.cli.presets import NAMES, preset
from winnow.policy.explain import explain
from winnow.policy.model import Policy, parse_policy

ORDER = [
    "Gates",
    "Random arm",
    "Calibration",
    "Score",
    "Conditions and risk",
    "Strategy",
    "Constraints",
    "Money",
    "Approval and labels",
    "Training",
    "Next round",
]


def words(text: str) -> str:
    return " ".join(s for step in explain(parse_policy(text)) for s in step.sentences)


@pytest.mark.parametrize("name", ["", *NAMES])
def test_the_steps_are_those_of_every_round_in_their_order(name: str) -> None:
    steps = explain(preset(name) if name else Policy())
    assert [step.title for step in steps] == ORDER
    assert all(step.sentences for step in steps)
    assert all(s.endswith(".") for step in steps for s in step.sentences)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_says_when_to_use_it_in_one_sentence(name: str) -> None:
    description = preset(name).description
    assert description.startswith("Use it ")
    assert description.count(".") == 1


def test_every_number_is_the_policys() -> None:
    told = words("""
selection:
  batch_size: 250
  strategy: {name: hybrid, uncertainty_weight: 0.6}
  cold_start: kmeans
  cold_start_rounds: 2
  switch: {labels_min: 300, labels_per_class_min: 7}
random_arm: {share: 0.2}
scores:
  terms: [{acquisition: entropy, weight: 0.75}, {column: mi_person, weight: 0.25}]
  density_beta: 0.5
  only: speed > 3
  modalities: {lidar: lidar_entropy > 0.8 and rgb_entropy < 0.5}
risk: {weights: [{column: site, values: {depot: 1.5}}, {column: speed, points: [[0, 1], [20, 2]]}]}
constraints:
  gap_seconds: 2.5
  caps: {session: 20, site: {depot: 5}}
  minimums: [{column: weather, value: fog, share: 0.1}]
money: {label_price_micros: 100000, batch_micros_max: 30000000}
approval: {mode: person}
stopping: {rounds_max: 7, plateau_rounds: 3, accuracy_target: 0.9}
""")
    for expected in (
        "50 of 250 frames (20%)",
        "0.75 x entropy, 0.25 x mi_person",
        "to the power 0.5",
        "Only frames with speed > 3",
        "lidar is labeled where lidar_entropy > 0.8 and rgb_entropy < 0.5",
        "1.5 for depot",
        "1 at 0, 2 at 20",
        "2 round(s) are behind and 300 frames are labeled and every class has 7 labels",
        "kmeans",
        "uncertainty_weight 0.6",
        "at least 2.5 s apart",
        "At most 20 frames of one session",
        "By site, at most 5 of depot",
        "At least 25 frames of weather fog",
        "A frame costs 0.10",
        "costs 25.00 currency units, never more than 30.00",
        "until a person approves",
        "after 7 rounds, or as soon as holdout accuracy reaches 0.9; or 3 rounds bring less",
    ):
        assert expected in told, expected


def test_what_changes_nothing_is_said() -> None:
    risk = "risk: {weights: [{column: site, values: {a: 2}}]}\n"
    assert "so risk changes nothing" in words(risk + "selection: {strategy: k_center}")
    assert "no score, strategy or constraint has a say" in words("random_arm: {share: 1}")
    assert "nobody will know what choosing is worth" in words("random_arm: {share: 0}")
    assert "In every round: k_center" in words(
        "selection: {strategy: k_center, cold_start_rounds: 0}"
    )
