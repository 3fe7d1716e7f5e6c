"""Gates, hash and holdout groups: what blocks a frame, what is alike, what is kept aside."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.constraints.gates import GateThresholds, flag_gate, quality_gate, sharpness
from winnow.constraints.holdout import choose_holdout
from winnow.constraints.perceptual_hash import perceptual_hash
from winnow.constraints.pixels import Frame, area_resize, luma, shrink

THRESHOLDS = GateThresholds()


def noise(side: int, *, seed: int = 0) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def gate(frame: Frame, *, calibrated: bool = True) -> str:
    return str(quality_gate(frame, calibrated=calibrated, thresholds=THRESHOLDS).gate)


def test_each_gate_names_itself_and_what_it_measured() -> None:
    assert flag_gate(privacy_blocked=True).gate == "privacy"
    assert flag_gate(privacy_blocked=False).gate == ""
    assert gate(noise(32), calibrated=False) == "calibration_missing"
    assert gate(noise(7)) == "tiny"
    assert gate((noise(32) // 32).astype(np.uint8)) == "dark"
    assert gate(np.full((32, 32, 3), 128, dtype=np.uint8)) == "blurred"
    assert "7x7" in quality_gate(noise(7), calibrated=True, thresholds=THRESHOLDS).detail


def test_toy_sized_frames_and_night_scenes_pass() -> None:
    assert gate(noise(8)) == ""
    night = np.zeros((100, 100, 3), dtype=np.uint8)
    night[40:60, 40:60] = noise(20)
    assert gate(night) == ""


def test_sharpness_falls_with_blur_and_hardly_depends_on_resolution() -> None:
    sharp = luma(noise(64))
    soft = area_resize(area_resize(sharp, height=16, width=16), height=64, width=64)
    assert sharpness(soft) < sharpness(sharp) / 4
    large = area_resize(sharp, height=1024, width=1024)
    small = area_resize(sharp, height=256, width=256)
    assert sharpness(large) == pytest.approx(sharpness(small), rel=1e-3)


def test_area_resize_keeps_the_mean_and_shrink_agrees_with_it() -> None:
    frame = noise(50)
    grey = luma(frame)
    assert area_resize(grey, height=7, width=3).mean() == pytest.approx(grey.mean(), rel=1e-5)
    np.testing.assert_allclose(
        luma(shrink(frame, side=16)), area_resize(grey, height=16, width=16), rtol=1e-4, atol=1e-3
    )


def test_alike_frames_differ_in_few_bits_others_in_many() -> None:
    frame = np.kron(noise(8), np.ones((16, 16, 1), dtype=np.uint8))
    brighter = np.clip(frame.astype(np.int64) // 2 + 60, 0, 255).astype(np.uint8)
    other = np.kron(noise(8, seed=1), np.ones((16, 16, 1), dtype=np.uint8))
    base = perceptual_hash(luma(frame))
    assert (base ^ perceptual_hash(luma(brighter))).bit_count() <= 4
    assert (base ^ perceptual_hash(luma(other))).bit_count() > 16
    assert perceptual_hash(luma(np.full((9, 9, 3), 77, dtype=np.uint8))) == 0


def test_the_holdout_is_near_its_share_and_the_same_in_any_order() -> None:
    groups = [f"g{number % 40}" for number in range(400)]
    held = choose_holdout(groups, share=0.2, salt="set")
    assert len(held) == 8
    assert choose_holdout(groups[::-1], share=0.2, salt="set") == held
    assert choose_holdout(groups, share=0.2, salt="other") != held


def test_the_holdout_is_never_empty_and_never_everything() -> None:
    assert choose_holdout(["a", "a", "a", "b"], share=0.01, salt="") == {"b"}
    assert len(choose_holdout(["a", "b"], share=0.99, salt="")) == 1
    assert choose_holdout(["a", "b"], share=0.0, salt="") == frozenset()


def test_groups_in_use_keep_their_side() -> None:
    groups = [f"g{number}" for number in range(10)]
    settled = {"g1": True, "g2": False, "g3": False}
    held = choose_holdout(groups, share=0.5, salt="x", settled=settled)
    assert "g1" in held
    assert not held & {"g2", "g3"}
    assert len(held) == 5


@pytest.mark.parametrize(("groups", "share"), [(["a"], 0.5), (["a", "b"], 1.0), (["a", "b"], -0.1)])
def test_what_cannot_be_divided_is_refused(groups: list[str], share: float) -> None:
    with pytest.raises(ValueError, match="holdout"):
        choose_holdout(groups, share=share, salt="")
