"""The holdout is nobody's, duplicates stay on one side, copies are near-duplicates."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.frames import digest_of, frames_of, load, save
from benchmark.pools import held_out, pool_of
from tests.unit.benchmark.made import MadeSource, mean_colours, silent, small_frames
from winnow.domain.errors import BadInput
from winnow.ports.frame_source import SourceFrame


def test_a_fifth_of_each_class_is_held_out_and_never_in_the_pool() -> None:
    frames = small_frames()
    pool = pool_of(frames, "plain", 0, holdout_share=0.2)
    assert np.bincount(pool.held_labels_H).tolist() == [6, 6, 6]
    assert len(pool) == 72
    held = np.setdiff1d(np.arange(90), pool.origins_N)
    assert not np.isin(frames.frame_ids[held], pool.frame_ids).any()


def test_another_seed_holds_out_others_and_the_same_seed_the_same() -> None:
    frames = small_frames()
    first, again, other = (held_out(frames, 0.2, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_whole_sessions_are_held_out() -> None:
    sessions = np.array([f"s{row // 9}" for row in range(90)])
    held_N = held_out(replace(small_frames(), sessions=sessions), 0.2, 0)
    assert len(np.unique(sessions[held_N])) == 2
    assert not np.isin(sessions[~held_N], sessions[held_N]).any()


def test_a_session_that_shows_what_another_showed_is_on_its_side() -> None:
    frames, pairs = small_frames(), np.arange(90) // 2 * 2
    sessions = np.array([f"s{row % 10}" for row in range(90)])  # 0 shows what 1 does, 2 what 3 …
    same = replace(
        frames,
        features_KND=frames.features_KND[:, pairs],
        hashes_KN=frames.hashes_KN[:, pairs],
        labels_N=frames.labels_N[pairs],
        sessions=sessions,
    )
    for seed in range(8):
        held_N = held_out(same, 0.2, seed)
        assert (held_N[0::2] == held_N[1::2]).all()
        assert not np.isin(sessions[~held_N], sessions[held_N]).any()


def test_near_duplicates_lie_on_one_side() -> None:
    frames = small_frames()
    features, hashes = frames.features_KND.copy(), frames.hashes_KN.copy()
    features[:, 3::6], hashes[:, 3::6] = features[:, 0::6], hashes[:, 0::6]
    held_N = held_out(replace(frames, features_KND=features, hashes_KN=hashes), 0.2, 0)
    assert (held_N[3::6] == held_N[0::6]).all()


def test_a_duplicated_pool_has_the_same_holdout_and_the_gate_finds_the_copies() -> None:
    frames = small_frames()
    plain, doubled, gated = (
        pool_of(frames, kind, 0, holdout_share=0.2)
        for kind in ("plain", "duplicated", "deduplicated")
    )
    assert len(doubled) == len(gated) == 3 * len(plain)
    assert len(set(doubled.frame_ids.tolist())) == len(doubled)
    assert (doubled.held_HD == plain.held_HD).all()
    assert len(set(gated.clusters_N.tolist())) == len(plain)


def test_frames_are_encoded_with_their_copies_and_read_back_the_same(tmp_path: Path) -> None:
    frames = frames_of(
        MadeSource(), mean_colours, encoder="mean/1", copies=2, side_pixels=8, show=silent
    )
    assert frames.features_KND.shape == (2, 12, 3)
    assert frames.class_names == ("red", "blue")
    apart = np.abs(frames.features_KND[0] - frames.features_KND[1]).max()
    assert 0 < apart < 30
    save(frames, tmp_path / "frames.npz")
    assert digest_of(load(tmp_path / "frames.npz")) == digest_of(frames)


def test_frames_that_are_no_images_are_left_out_and_counted(tmp_path: Path) -> None:
    class Damaged(MadeSource):
        def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
            for frame in super().frames(positions):
                broken = frame.name in ("3.png", "8.png")
                yield replace(frame, data=frame.data[:20]) if broken else frame

    frames = frames_of(
        Damaged(), mean_colours, encoder="mean/1", copies=2, side_pixels=8, show=silent
    )
    assert (len(frames), frames.n_unreadable) == (10, 2)
    assert frames.features_KND.shape == (2, 10, 3)
    save(frames, tmp_path / "frames.npz")
    assert load(tmp_path / "frames.npz").n_unreadable == 2


def test_boxes_are_not_taken_for_names_of_classes() -> None:
    source = MadeSource()
    source.label_kind = "detection"
    with pytest.raises(BadInput, match="expected labels of kind classification, found detection"):
        frames_of(source, mean_colours, encoder="colour/1", copies=1, side_pixels=None, show=silent)


def test_one_class_is_no_benchmark() -> None:
    source = MadeSource()
    source.n_frames = 1
    with pytest.raises(BadInput, match="at least two classes, found 1 of red"):
        frames_of(source, mean_colours, encoder="m", copies=1, side_pixels=None, show=silent)
