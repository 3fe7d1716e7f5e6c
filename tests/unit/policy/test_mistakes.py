"""Every mistake of a policy in one report, each with its line."""

from __future__ import annotations

import pytest

from winnow.cli.presets import NAMES, preset
from winnow.domain.errors import BadInput
from winnow.policy.chosen_strategy import CHOSEN, chosen, plain_names
from winnow.policy.model import Policy, parse_policy, stored_policy
from winnow.strategies.registry import options_of


def mistakes(text: str) -> list[str]:
    with pytest.raises(BadInput) as refused:
        parse_policy(text, where="p.yaml")
    first, *lines = str(refused.value).splitlines()
    assert first == f"p.yaml: {len(lines)} mistake(s)"
    return [line.strip() for line in lines]


def test_an_empty_file_is_the_default_policy() -> None:
    assert parse_policy("") == parse_policy("{}") == parse_policy("# nothing") == Policy()


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_is_what_its_canonical_bytes_say(name: str) -> None:
    policy = preset(name)
    again = parse_policy(policy.canonical())
    assert again == policy
    assert again.canonical() == policy.canonical()
    assert again.sha256 == policy.sha256 != Policy().sha256


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    text = """
name: 3
selection:
  batch_size: yes
  acquistion: bald
  strategy: {name: shortlist_k_center, factor: 2}
  cold_start: topk
qa: {sample_share: 2}
qa: {}
training: {members: many}
scoring: {members_min: 9}
label: {attempts_max: 1}
shares: 1
"""
    found = mistakes(text)
    assert [line.split(": ")[0] for line in found] == [
        "line 2, column 7",
        "line 4, column 15",
        "line 5, column 3",
        "line 6, column 40",
        "line 7, column 15",
        "line 8, column 20",
        "line 9, column 1",
        "line 10, column 21",
        "line 13, column 1",
    ]
    assert found[0].endswith("name: expected a text (found 3); a text in quotes would do")
    assert found[1].endswith("selection.batch_size: expected a whole number (found 'yes')")
    assert "did you mean acquisition?" in found[2]
    assert found[3].endswith("strategy.factor: its options are shortlist_factor (found 2)")
    assert "did you mean top_k? (found 'topk')" in found[4]
    assert found[6].endswith("'qa' is already given in line 8")


def test_contradictions_come_with_all_other_mistakes_unless_they_rest_on_one() -> None:
    found = mistakes("scoring: {members_min: 9}\nlabel: {attempts_max: 1}\nmoney: {prize: 1}\n")
    assert [line.split(": ")[1] for line in found] == [
        "scoring.members_min",
        "label.attempts_max",
        "money.prize",
    ]
    found = mistakes("scoring: {members_min: 9}\ntraining: {members: no}\n")
    assert [line.split(": ")[1] for line in found] == ["training.members"]


CONTRADICTORY = """
selection: {batch_size: 20}
random_arm: {share: 0.5}
constraints:
  caps: {weather: 3}
  minimums:
    - {column: weather, value: fog, frames: 4}
    - {column: weather, value: fog, frames: 1}
    - {column: class, value: bike, frames: 11}
    - {column: site, value: a, frames: 6}
    - {column: site, value: b, frames: 6}
money: {batch_micros_max: 79999}
"""


def test_constraints_that_contradict_each_other_are_all_told() -> None:
    assert mistakes(CONTRADICTORY) == [
        "line 7, column 5: constraints.minimums: expected minimums of site that sum to at most the "
        "10 frames that are chosen (batch_size 20 without the random arm), found 12",
        "line 7, column 7: constraints.minimums.0: expected at most constraints.caps.weather (3), "
        "found 4",
        "line 8, column 7: constraints.minimums.1: expected one minimum of weather=fog, found "
        "another above",
        "line 9, column 7: constraints.minimums.2: expected at most the 10 frames that are chosen "
        "(batch_size 20 without the random arm), found 11 of class=bike",
        "line 12, column 27: money.batch_micros_max: expected at least the price of one frame "
        "(80000 = label_price_micros x slots), found 79999: no batch could have a frame",
    ]


def test_a_batch_of_random_frames_alone_can_keep_no_minimum() -> None:
    (found,) = mistakes(
        "random_arm: {share: 1}\nconstraints: {minimums: [{column: a, value: b, frames: 1}]}"
    )
    assert "expected at most the 0 frames that are chosen" in found


def test_direct_use_of_the_model_tells_contradictions_too() -> None:
    with pytest.raises(ValueError, match=r"scoring\.members_min: expected at most"):
        Policy.model_validate({"scoring": {"members_min": 9}})


@pytest.mark.parametrize("name", plain_names())
def test_a_strategy_is_a_name_or_a_name_with_its_options(name: str) -> None:
    by_name = parse_policy(f"selection: {{strategy: {name}}}").selection.strategy
    assert by_name == parse_policy(f"selection: {{strategy: {{name: {name}}}}}").selection.strategy
    assert by_name == chosen(name)
    assert by_name.options().keys() == options_of(name).model_fields.keys()


@pytest.mark.parametrize("name", sorted(CHOSEN))
def test_an_unknown_option_is_answered_with_the_known_ones(name: str) -> None:
    found = mistakes(f"selection: {{strategy: {{name: {name}, colour: red}}}}")
    known = ", ".join(options_of(name).model_fields) or "none"
    assert f"its options are {known} (found 'red')" in " ".join(found)


def test_options_that_contradict_each_other_are_told_where_they_stand() -> None:
    text = "selection:\n  strategy: {name: round_robin, columns: [a], classes: [1]}"
    (found,) = mistakes(text)
    assert found.startswith("line 2, column 13: selection.strategy: round_robin: expected columns")
    assert found.endswith("or classes, found both")


def test_the_shortlist_factor_of_older_policies_is_still_read() -> None:
    policy = parse_policy("selection: {shortlist_factor: 3}")
    assert str(policy.selection.strategy) == "shortlist_k_center (shortlist_factor 3.0)"
    old = '{"selection": {"strategy": "top_k", "shortlist_factor": 5.0}}'
    assert parse_policy(old).selection.strategy.name == "top_k"
    (found,) = mistakes("selection:\n  shortlist_factor: 0")
    assert found.startswith("line 2, column 21: selection.strategy.shortlist_factor: expected")
    named = "{name: shortlist_k_center, shortlist_factor: 2}"
    both = f"selection: {{strategy: {named}, shortlist_factor: 3}}"
    assert "expected one value" in mistakes(both)[0]


def test_a_cold_start_may_use_scores_that_frames_bring_along() -> None:
    text = "selection: {cold_start: top_k}\n"
    assert "it needs a committee's answers" in mistakes(text)[0]
    parse_policy(text + "scores: {terms: [{column: mi_person}]}")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("scores: {only: 'a > 1 and'}", "expected a condition"),
        ("scores: {only: '__import__(1)'}", "scores.only"),
        ("scores: {terms: [{}]}", "expected either an acquisition or a column"),
        ("scores: {terms: [{column: a}, {column: a}]}", "every term once"),
        ("scores: {terms: [{column: a, weight: 0}]}", "a weight above 0"),
        ("scores: {cascade: {stages: [{column: a}, {column: b}]}}", "`passes` in stage 0"),
        ("constraints: {caps: {session: -1}}", "constraints.caps.session"),
        ("constraints: {caps: {session: {a: x}}}", "constraints.caps.session.a"),
        ("constraints: {minimums: [{column: a}]}", "either frames or a share"),
        (
            "constraints: {caps: {session: 0}}",
            "constraints.caps.session: expected at least 1 of every value, found 0",
        ),
        (
            "constraints: {caps: {weather: {fog: 4}}, minimums: [{column: weather, frames: 5}]}",
            "minimums.0: expected at most constraints.caps.weather of fog (4), found 5",
        ),
        (
            "constraints: {caps: {weather: {fog: 0}}, "
            "minimums: [{column: weather, value: fog, frames: 1}]}",
            "minimums.0: expected at most constraints.caps.weather of fog (0), found 1",
        ),
        (
            "constraints: {caps: {lane: {3: 1}}, minimums: [{column: lane, value: 3, frames: 2}]}",
            "minimums.0: expected at most constraints.caps.lane of 3 (1), found 2",
        ),
        (
            "money: {batch_micros_max: 800000}\n"
            "constraints: {minimums: [{column: weather, value: fog, frames: 11}]}",
            "minimums.0: expected at most the 10 frames that money.batch_micros_max pays, found 11 "
            "of weather=fog",
        ),
        (
            "money: {batch_micros_max: 800000}\nconstraints: {minimums: ["
            "{column: sky, value: fog, frames: 6}, {column: sky, value: sun, frames: 5}]}",
            "minimums: expected minimums of sky that sum to at most the 10 frames that "
            "money.batch_micros_max pays, found 11",
        ),
        (
            "label: {class_names: [cat, dog, cat]}",
            "label.class_names: expected distinct names, found 'cat', 'dog', 'cat'",
        ),
        ("label: {class_names: ['']}", "label.class_names: expected distinct names, found ''"),
        (
            "constraints: {caps: {task: 20}, allocation: {column: task, "
            "budget_micros: {pose: 100, detect: 300}}}",
            "allocation.column: expected shares of the batch within constraints.caps.task (20), "
            "found 75 of detect, 25 of pose",
        ),
        (
            "constraints: {allocation: {column: task, budget_micros: {pose: 0}}}",
            "allocation.budget_micros: expected money for a frame of some task, found none",
        ),
        (
            "constraints: {allocation: {column: task, budget_micros: {pose: 7}, "
            "price_micros: {pose: 8}}}",
            "allocation.budget_micros: expected money for a frame of some task, found none",
        ),
        (
            "label: {class_names: [car, bicycle]}\n"
            "constraints: {minimums: [{column: predicted_class, value: bicyle, frames: 1}]}",
            "minimums: expected predicted_class of label.class_names (car, bicycle), found bicyle; "
            "did you mean bicycle?",
        ),
        (
            "label: {class_names: [car, bicycle]}\n"
            "constraints: {caps: {predicted_class: {boat: 3}}}",
            "caps: expected predicted_class of label.class_names (car, bicycle), found boat",
        ),
        (
            "label: {kind: detection, class_names: [person]}\nselection: {strategy: "
            "{name: round_robin, columns: ['map_information:persn']}}",
            "strategy: expected map_information:CLASS of label.class_names (person), found persn; "
            "did you mean person?",
        ),
        ("constraints: {gap_seconds: -1}", "expected greater than or equal to 0 (found -1)"),
        ("selection: {batch_size: 0}", "expected greater than or equal to 1 (found 0)"),
        ("selection: {batch_size: {start: 10, end: 0}}", "greater than or equal to 1 (found 0)"),
        (
            "constraints: {allocation: {column: a, budget_micros: {x: 1}, price_micros: {y: 1}}}",
            "expected a price of every task, found none of x",
        ),
        (
            "constraints: {allocation: {column: modality, budget_micros: {x: 1}}}",
            "expected modalities in scores.modalities",
        ),
        (
            "constraints: {allocation: {column: a, budget_micros: {x: 1}}, "
            "minimums: [{column: a, frames: 1}]}",
            "expected a column without minimums, found a in minimums.0",
        ),
        ("risk: {weights: [{column: a}]}", "either values or points"),
        ("risk: {weights: [{column: a, points: [[1, 1], [1, 2]]}]}", "rising numbers"),
        ("risk: {weights: [{column: a, values: {b: -1}}]}", "factors of at least 0"),
        ("selection: {batch_size: {start: 10, end: 20}}", "start is 10, but end is 20"),
        ("money: {label_price_micros: 100000000000}", "less than or equal to 10000000000"),
        ("seed: .nan", "expected a whole number"),
        ("random_arm: {share: .nan}", "a finite number"),
    ],
)
def test_what_a_section_cannot_be_is_told(section: str, expected: str) -> None:
    assert any(expected in line for line in mistakes(section))


@pytest.mark.parametrize(
    "section",
    [
        "constraints: {caps: {weather: {fog: 0}}}",
        "constraints: {caps: {weather: {fog: 0}}, minimums: [{column: weather, frames: 5}]}",
        "constraints: {caps: {weather: {fog: 4}}, minimums: [{column: weather, frames: 5}, "
        "{column: weather, value: fog, frames: 2}]}",
        "constraints: {gap_seconds: 0, caps: {session: 1}}",
        "label: {class_names: [car]}\nconstraints: {caps: {predicted_class: {car: 0}}}",
        "money: {batch_micros_max: 800000, price_column: price}\n"
        "constraints: {minimums: [{column: weather, value: fog, frames: 11}]}",
    ],
)
def test_what_only_looks_like_a_contradiction_is_sound(section: str) -> None:
    parse_policy(section)


def test_values_of_slices_may_be_written_as_numbers_and_flags() -> None:
    text = """
constraints:
  minimums: [{column: incident, value: true, frames: 1}, {column: lane, value: 3, share: 0.1}]
"""
    first, second = parse_policy(text).constraints.minimums
    assert (first.value, second.value) == ("true", "3")
    assert second.least(15) == 2


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(BadInput, match="expected a mapping of sections, found list"):
        parse_policy("- 1")


@pytest.mark.parametrize(
    "contradicting",
    [
        "constraints: {caps: {session: 0}}",
        "constraints: {caps: {predicted_class: {cow: 3}}}",
        "constraints: {minimums: [{column: site, frames: 5}], caps: {site: {a: 3}}}",
        "money: {label_price_micros: 80_000, batch_micros_max: 1}",
    ],
)
def test_a_round_goes_on_with_a_policy_whose_contradiction_is_found_only_since(
    contradicting: str,
) -> None:
    text = f"{contradicting}\nlabel: {{kind: classification, class_names: [cat, dog]}}"
    with pytest.raises(BadInput):
        parse_policy(text)

    stored = stored_policy(text)

    assert stored_policy(stored.canonical()) == stored
    with pytest.raises(BadInput, match="colour"):
        stored_policy("colour: red")
