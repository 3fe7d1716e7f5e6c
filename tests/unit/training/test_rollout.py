"""Rollout: given trained committees and what serves, then who takes over and what is ended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from rollout import steps
from rollout.comparing import Measured, Probed, agreement, chance, mean_confidence, regress
from rollout.settings import RolloutSettings
from tests.unit.training.rollout_world import ScriptedCommittee, World
from winnow.contracts.kserve_serving import KServeServing
from winnow.domain.errors import IntegrityError
from winnow.domain.events import CommitteeRolled, RoundHalted, Stage
from winnow.policy.rollout_section import RolloutSection
from winnow.ports.committee import CommitteeAnswer
from winnow.runtime.pipeline_runs import environment_of


def test_the_first_committee_takes_over_with_nothing_to_compare(world: World) -> None:
    text = world.roll(0, world.trained(0))
    assert world.rows() == {"c0": "active"}
    (fact,) = world.facts()
    assert isinstance(fact, CommitteeRolled)
    assert fact.endpoints == ("grpc://committee-r0-c0",)
    assert "**c0 takes over.**" in text
    assert "Not compared: no committee serves yet." in text
    assert world.committees["grpc://committee-r0-c0"].asked == [1, 12], "the whole holdout"


def test_nobody_is_probed_before_platform_and_members_say_ready(world: World) -> None:
    world.deployments.looks_until_ready = 2
    world.serves(0, ScriptedCommittee(not_ready=["m1 answers as c9"]))
    world.roll(0, world.trained(0))
    assert world.pauses == [2.0, 2.0, 2.0]
    assert world.rows() == {"c0": "active"}


@pytest.mark.parametrize(
    ("looks", "not_ready", "found"),
    [(99, [], "look 6 of 99"), (0, ["m1 answers as c9"] * 99, "m1 answers as c9")],
)
def test_a_committee_that_never_serves_is_given_up_with_what_was_missing(
    world: World, looks: int, not_ready: list[str], found: str
) -> None:
    world.deployments.looks_until_ready = looks
    world.serves(0, ScriptedCommittee(not_ready=not_ready))
    with pytest.raises(IntegrityError, match=f"to serve within 10 s, found: {found}"):
        world.roll(0, world.trained(0))
    assert world.rows() == {}


def test_the_one_before_serves_on_until_the_next_takes_over(world: World) -> None:
    for number in range(3):
        world.roll(number, world.trained(number, accuracy=0.7 + 0.1 * number))
        assert world.deployments.removed == ["c0"][: max(0, number - 1)]
    assert world.rows() == {"c0": "retired", "c1": "retired", "c2": "active"}
    assert sorted(world.deployments.versions()) == ["c1", "c2"]


def test_a_worse_committee_is_refused_and_the_old_one_serves_on(world: World) -> None:
    world.roll(0, world.trained(0, accuracy=0.9))
    worse = world.trained(1, accuracy=0.7)
    text = world.roll(1, worse)
    assert world.rows() == {"c0": "active", "c1": "refused"}
    assert world.deployments.removed == ["c1"]
    fact = world.facts()[-1]
    assert isinstance(fact, RoundHalted)
    assert fact.stage is Stage.ROLLOUT
    assert "accuracy of at least 0.846 on the holdout (active 0.900), found 0.700" in fact.reason
    assert "the committee that served before still serves" in fact.kept
    assert "**c1 is not taken:**" in text

    world.roll(1, worse)
    assert len(world.facts()) == 2, "a step that runs twice decides once"


def test_metrics_of_other_holdouts_are_no_regress(world: World) -> None:
    world.roll(0, world.trained(0, accuracy=0.9))
    text = world.roll(1, world.trained(1, accuracy=0.5, holdout_from=2000))
    assert world.rows() == {"c0": "retired", "c1": "active"}
    assert "| accuracy on 1000 holdout frames | 0.500 |  |" in text
    assert "Not compared: accuracy on the holdout, which was not measured for both" in text


def test_what_chance_explains_on_a_small_holdout_is_no_regress(world: World) -> None:
    world.roll(0, world.trained(0, accuracy=0.9, n_holdout=12))
    world.roll(1, world.trained(1, accuracy=0.7, n_holdout=12))
    assert world.rows() == {"c0": "retired", "c1": "active"}


def test_the_policy_says_what_a_regress_is(world: World) -> None:
    world.roll(0, world.trained(0))
    world.policy(1, "rollout: {agreement_min: 0.9}")
    world.serves(1, ScriptedCommittee(prefers=2))
    text = world.roll(1, world.trained(1))
    assert world.rows()["c1"] == "refused"
    assert "expected agreement on 90% of 12 probe frames, found 0%" in text
    assert "| agreement | 0.0% | |" in text


def test_an_active_committee_that_is_gone_holds_nobody_up(world: World) -> None:
    world.roll(0, world.trained(0))
    world.committees["grpc://committee-r0-c0"].gone = "connection refused"
    text = world.roll(1, world.trained(1))
    assert world.rows() == {"c0": "retired", "c1": "active"}
    assert (
        "Not compared: agreement and time per frame, because the active committee c0 did not "
        "answer (connection refused)." in text
    )
    assert "| accuracy on 1000 holdout frames | 0.800 | 0.800 |" in text
    assert "| agreement |  | |" in text


def test_a_worse_committee_is_refused_even_if_the_active_one_is_gone(world: World) -> None:
    world.roll(0, world.trained(0, accuracy=0.9))
    world.committees["grpc://committee-r0-c0"].gone = "connection refused"
    text = world.roll(1, world.trained(1, accuracy=0.5))
    assert world.rows() == {"c0": "active", "c1": "refused"}
    assert isinstance(world.facts()[-1], RoundHalted)
    assert "expected accuracy of at least 0.844 on the holdout (active 0.900), found 0.500" in text
    assert "Not compared: agreement and time per frame" in text


def test_what_was_not_measured_is_told_too(world: World) -> None:
    world.roll(0, world.trained(0, metrics={}))
    text = world.roll(1, world.trained(1))
    assert world.rows() == {"c0": "retired", "c1": "active"}
    assert (
        "Not compared: accuracy on the holdout, which was not measured for both on the same frames."
        in text
    )


def test_a_committee_of_other_classes_is_not_measured_against(world: World) -> None:
    world.serves(0, ScriptedCommittee(n_classes=2))
    world.roll(0, world.trained(0, accuracy=0.9, class_names=("bar", "cross")))
    text = world.roll(1, world.trained(1, accuracy=0.5))
    assert world.rows() == {"c0": "retired", "c1": "active"}
    assert "Not compared: the active committee knows other classes." in text
    assert "0.900" not in text


@pytest.mark.parametrize(
    ("committee", "found"),
    [
        (ScriptedCommittee(members=("m0",)), "expected answers of m0, m1, found m0"),
        (
            ScriptedCommittee(n_classes=5),
            r"expected finite numbers \(12, 2, 3\), found \(12, 2, 5\)",
        ),
    ],
)
def test_a_committee_that_answers_otherwise_than_its_manifest_is_not_rolled_out(
    world: World, committee: ScriptedCommittee, found: str
) -> None:
    world.serves(0, committee)
    with pytest.raises(IntegrityError, match=found):
        world.roll(0, world.trained(0))


def test_a_decision_is_about_what_was_probed(world: World) -> None:
    members = world.trained(0)
    endpoints = steps.deploy(world.context, members=members)
    probed = steps.probe(world.context, members=members, endpoints=endpoints)
    with pytest.raises(IntegrityError, match="expected a probe of c1, found one of c0"):
        steps.conclude(world.context, round_id="r1", members=world.trained(1), probed=probed)


def test_members_may_be_spread_over_servers(world: World, tmp_path: Path) -> None:
    settings = RolloutSettings.embedded(tmp_path, members_per_endpoint=1)
    context = replace(world.context, settings=settings)
    endpoints = json.loads(steps.deploy(context, members=world.trained(0)))
    assert endpoints == ["grpc://committee-r0-c0-m0", "grpc://committee-r0-c0-m1"]


def test_settings_of_a_cluster_reach_the_steps_as_text(tmp_path: Path) -> None:
    serving = KServeServing(namespace="ml", image="committee:7", blobs_secret="connections")
    settings = RolloutSettings.embedded(tmp_path, deployments="kserve", kserve=serving)
    text = environment_of(settings)["WINNOW_ROLLOUT_KSERVE"]
    assert KServeServing.model_validate_json(text) == serving
    with pytest.raises(ValidationError, match="expected it exactly for deployments=kserve"):
        RolloutSettings.embedded(tmp_path, deployments="kserve")


def detected(*boxes: str) -> CommitteeAnswer:
    texts = tuple(
        json.dumps([{"box": [0, 0, 1, 1], "class": name, "score": 0.75} for name in text.split()])
        for text in boxes
    )
    return CommitteeAnswer(("m0",), 1, information_NC=np.zeros((3, 2), np.float32), boxes=texts)


def test_detection_committees_agree_where_they_see_the_same_classes() -> None:
    one, other = detected("car", "car bus", ""), detected("car car", "bus", "")
    assert agreement(one, other) == pytest.approx(2 / 3)
    assert mean_confidence(one) == pytest.approx(0.5)


def test_slower_than_the_policy_allows_is_a_regress() -> None:
    def measured(version: str, ms: float) -> Measured:
        return Measured(
            committee_version=version, mean_confidence=0.5, ms_per_frame=ms, metric=None
        )

    probed = Probed(
        committee_version="c1",
        endpoints=(),
        members_answered=("m0",),
        n_frames=4,
        metric_name="accuracy",
        n_holdout=0,
        new=measured("c1", 9.0),
        active=measured("c0", 2.0),
        agreement=1.0,
        alone="",
    )
    assert regress(probed, RolloutSection()) == ""
    reason = regress(probed, RolloutSection(latency_ratio_max=2.0))
    assert reason.startswith("expected at most 2 times the active one's time per frame (2.00 ms)")


def test_chance_shrinks_with_the_holdout() -> None:
    assert chance(0.5, 0.5, 0) == 1.0
    assert chance(0.5, 0.5, 400) == pytest.approx(0.0693, abs=1e-4)
