"""The demo fits itself to the data, and says at once when the data do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from winnow.adapters.frame_sources.open import open_source
from winnow.cli.demo import plan
from winnow.cli.sources import source_named
from winnow.domain.errors import BadInput
from winnow.policy.model import parse_policy


def arrays(folder: Path, n_frames: int, n_classes: int) -> Path:
    path = folder / "frames.npz"
    images = np.zeros((n_frames, 9, 9), dtype=np.uint8)
    labels = np.arange(n_frames) % n_classes
    np.savez(path, images=images, labels=labels, class_names=np.array(list("abcdefgh"[:n_classes])))
    return path


def test_a_batch_is_a_tenth_of_a_small_pool(tmp_path: Path) -> None:
    source = open_source(arrays(tmp_path, 200, 3))
    size = plan.fitted(plan.SIZES["standard"], source=source, n_frames_max=0, n_seeds=2)
    assert (size.batch_size, size.n_seeds) == (20, 2)


@pytest.mark.parametrize(
    ("n_frames", "n_classes", "expected"), [(200, 1, "two classes"), (20, 2, "at least 50 frames")]
)
def test_data_that_cannot_make_a_demo_are_refused(
    tmp_path: Path, n_frames: int, n_classes: int, expected: str
) -> None:
    source = open_source(arrays(tmp_path, n_frames, n_classes))
    with pytest.raises(BadInput, match=expected):
        plan.fitted(plan.SIZES["small"], source=source, n_frames_max=0, n_seeds=0)


def subject(data: str, out: Path, *, size: str = "small", seeds: int = 0) -> plan.Subject:
    return plan.subject_of(data, size=size, seeds=seeds, limit=0, out=out)


def test_an_unknown_size_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="small, standard, large"):
        subject("", tmp_path, size="huge")


def test_digits_and_own_arrays_are_classified_and_compared_by_accuracy(tmp_path: Path) -> None:
    for data in ("digits", str(arrays(tmp_path, 200, 3))):
        found = subject(data, tmp_path / "out")
        world = plan.worlds(found, out=tmp_path)[0]
        policy = parse_policy(world.policy_file.read_text())
        assert policy.label.kind == "classification"
        assert [measure.name for measure in found.measures] == ["accuracy"]
        assert open_source(Path(world.data)).n_frames in (200, 1797)


@pytest.mark.parametrize("size", ["small", "standard", "large"])
def test_without_data_a_fleet_drives_by_day_and_night(tmp_path: Path, size: str) -> None:
    found = subject("", tmp_path, size=size)
    source = source_named(Path(found.data))
    assert source.label_kind == "detection"
    assert found.size.batch_size * found.size.rounds < source.n_frames / 2
    assert set(found.interest) <= set(source.class_names)


def test_a_town_can_be_named(tmp_path: Path) -> None:
    found = subject("roads:town=7,frames=300", tmp_path, seeds=5)
    assert found.data == "roads:town=7,frames=300"
    assert found.size.n_seeds == 5


@pytest.mark.parametrize("data", ["", "digits"])
def test_both_arms_differ_in_how_frames_are_chosen_alone(tmp_path: Path, data: str) -> None:
    worlds = plan.worlds(subject(data, tmp_path), out=tmp_path)
    chosen, control = (parse_policy(world.policy_file.read_text()) for world in worlds[:2])
    assert chosen.seed == control.seed
    assert chosen.selection.batch_size == control.selection.batch_size
    assert control.selection.strategy.name == "random"
    how = ("name", "selection", "scores", "constraints")
    assert control.model_copy(update={name: getattr(chosen, name) for name in how}) == chosen
    assert [world.runner for world in worlds] == ["kfp_local", "inline", "inline", "inline"]


def test_the_fleet_asks_for_persons_and_bicycles_at_night(tmp_path: Path) -> None:
    (chosen, *_) = plan.worlds(subject("", tmp_path), out=tmp_path)
    policy = parse_policy(chosen.policy_file.read_text())
    asked = [part.name for part in policy.scores.parts()]
    assert asked == ["map_information:person", "map_information:bicycle"]
    (minimum,) = policy.constraints.minimums
    assert (minimum.column, minimum.value) == ("time_of_day", "night")
