"""What a policy says about training, and what a detection policy need not say."""

from __future__ import annotations

import pytest

from winnow.domain.errors import BadInput
from winnow.policy.explain import explain
from winnow.policy.model import parse_policy


def test_a_detection_policy_gets_numbers_that_train_a_detector() -> None:
    training = parse_policy("label: {kind: detection}\ntraining: {epochs: 7}").training
    assert (training.epochs, training.batch_size, training.mixed_precision) == (7, 8, True)
    assert training.height_width == (192, 320)
    assert training.network_of(3, kind="detection") == "grid_detection"
    whole = parse_policy("label: {kind: detection}")
    assert parse_policy(whole.canonical()) == whole


def test_a_square_input_is_not_stretched_by_defaults() -> None:
    text = "label: {kind: detection}\ntraining: {input_pixels: 128}"
    assert parse_policy(text).training.height_width == (128, 128)
    assert parse_policy("training: {input_height: 48}").training.height_width == (48, 32)


def test_members_take_turns_at_the_networks() -> None:
    training = parse_policy("training: {networks: ['classification', 'classification:x']}").training
    names = [training.network_of(m, kind="classification") for m in range(3)]
    assert names == ["classification", "classification:x", "classification"]


def test_a_network_of_another_kind_is_a_mistake_with_its_line() -> None:
    text = "name: x\nlabel:\n  kind: detection\ntraining:\n  networks: [classification]\n"
    with pytest.raises(BadInput, match=r"line 5, .*training.networks: .*found classification"):
        parse_policy(text)


def test_more_members_cannot_be_asked_for_than_are_trained() -> None:
    with pytest.raises(BadInput, match=r"training.members_min: expected at most .*\(4\), found 5"):
        parse_policy("training: {members_min: 5}")


def test_the_explanation_tells_who_trains_on_what() -> None:
    text = "training: {bagging: true, weights: inclusion, labels_per_class_min: 3, members: 2}"
    (step,) = [one for one in explain(parse_policy(text)) if one.title == "Training"]
    told = " ".join(step.sentences)
    for words in ("2 members (classification; 32 x 32 pixels)", "bootstrap", "at most 10 times",
                  "fewer than 2", "fewer than 3 labels"):  # fmt: skip
        assert words in told


@pytest.mark.parametrize(
    ("weights", "words"),
    [("none", ""), ("inclusion", "inverse of the probability"), ("lure", "count by LURE")],
)
def test_the_explanation_tells_how_labels_are_weighed_if_they_are(weights: str, words: str) -> None:
    policy = parse_policy(f"training: {{weights: {weights}, weight_max: 7}}")
    (step,) = [one for one in explain(policy) if one.title == "Training"]
    told = " ".join(step.sentences)
    assert words in told
    assert ("at most 7 times" in told) == (weights != "none")
