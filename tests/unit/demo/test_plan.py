"""The demo fits itself to the data, and says at once when the data do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from winnow.adapters.frame_sources.open import open_source
from winnow.cli.demo import plan
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


def test_an_unknown_size_names_the_known_ones() -> None:
    with pytest.raises(BadInput, match="small, standard, large"):
        plan.size_of("huge")


def test_both_arms_differ_in_the_strategy_alone(tmp_path: Path) -> None:
    worlds = plan.worlds(
        data=tmp_path / "x.npz",
        out=tmp_path,
        size=plan.SIZES["small"],
        input_pixels=16,
        n_frames_max=0,
    )
    chosen, control = (parse_policy(world.policy_file.read_text()) for world in worlds[:2])
    assert chosen.seed == control.seed
    assert control.selection.strategy.name == "random"
    same = control.model_copy(update={"name": chosen.name, "selection": chosen.selection})
    assert same == chosen
    assert [world.runner for world in worlds] == ["kfp_local", "inline", "inline", "inline"]
