"""What the demo runs: which data, which policy, how many seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from winnow.domain.errors import BadInput
from winnow.ports.frame_source import FrameSource

MEMBERS = 4
FRAMES_MIN = 50
"""Fewer frames leave no pool after the holdout that three rounds could choose from."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a demo is. Defaults of `standard` stay under four minutes on two cores."""

    n_seeds: int
    batch_size: int
    rounds: int = 3


SIZES = {
    "small": Size(n_seeds=2, batch_size=30),
    "standard": Size(n_seeds=4, batch_size=50),
    "large": Size(n_seeds=10, batch_size=50, rounds=6),
}


@dataclass(frozen=True, slots=True)
class World:
    """One run of the loop in its own state folder."""

    arm: str
    """`chosen` by the policy, or the `random` control."""
    seed: int
    state_dir: Path
    policy_file: Path
    data: Path
    runner: str
    rounds: int
    n_frames_max: int

    @property
    def name(self) -> str:
        """Short name for progress and folders."""
        return f"{self.arm}-{self.seed}"


def size_of(name: str) -> Size:
    """Give the size by name."""
    if name not in SIZES:
        msg = f"--size: expected one of {', '.join(SIZES)}, found {name!r}"
        raise BadInput(msg)
    return SIZES[name]


def fitted(size: Size, *, source: FrameSource, n_frames_max: int, n_seeds: int) -> Size:
    """Fit a size to data: a batch is at most a tenth of the frames, and never a handful.

    Raises
    ------
    BadInput
        The scripted annotators could not answer, or there is nothing to choose from.
    """
    n_frames = min(source.n_frames, n_frames_max or source.n_frames)
    if len(source.class_names) < 2:
        found = ", ".join(source.class_names) or "no known labels"
        msg = (
            f"{source.name}: the demo's annotators are scripted and must know the answers: "
            "expected two classes or more (a sub-folder per class, a COCO file, labels in the "
            f".npz), found {found}. For frames without labels: winnow ingest, winnow round open, "
            "winnow up."
        )
        raise BadInput(msg)
    if n_frames < FRAMES_MIN:
        msg = f"{source.name}: expected at least {FRAMES_MIN} frames, found {n_frames}"
        raise BadInput(msg)
    batch_size = max(2 * len(source.class_names), min(size.batch_size, n_frames // 10))
    return replace(size, batch_size=batch_size, n_seeds=n_seeds or size.n_seeds)


def write_digits(path: Path) -> Path:
    """Write scikit-learn's 1,797 handwritten digits (8x8) as an `.npz` that `ingest` reads."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)
    names = np.array([str(name) for name in digits.target_names])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, images=images, labels=digits.target, class_names=names)
    return path


def write_policy(path: Path, *, arm: str, seed: int, size: Size, input_pixels: int) -> Path:
    """Write the policy of a world; both arms differ in how frames are chosen and nothing else."""
    choice = {"strategy": "random"} if arm == "random" else {}
    policy = {
        "name": f"demo-{arm}",
        "seed": seed,
        "selection": {"batch_size": size.batch_size, **choice},
        "training": {
            "members": MEMBERS,
            "input_pixels": input_pixels,
        },
        "stopping": {"rounds_max": size.rounds},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return path


def worlds(
    *, data: Path, out: Path, size: Size, input_pixels: int, n_frames_max: int
) -> list[World]:
    """Lay out all worlds; the first is the one that the report shows in full.

    That one trains through `kfp.local`, a process for each step as on a cluster; the others run
    the same steps in their own process, which saves starting torch hundreds of times.
    """
    return [
        World(
            arm=arm,
            seed=seed,
            state_dir=out / "worlds" / f"{arm}-{seed}",
            policy_file=write_policy(
                out / "policies" / f"{arm}-{seed}.yaml",
                arm=arm,
                seed=seed,
                size=size,
                input_pixels=input_pixels,
            ),
            data=data,
            runner="kfp_local" if (arm, seed) == ("chosen", 0) else "inline",
            rounds=size.rounds,
            n_frames_max=n_frames_max,
        )
        for seed in range(size.n_seeds)
        for arm in ("chosen", "random")
    ]
