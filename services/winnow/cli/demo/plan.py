"""What the demo runs: which data, which policy, how many seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from winnow.adapters.frame_sources.open import open_source
from winnow.cli.report.measures import ACCURACY, MAP50, Measure
from winnow.domain.errors import BadInput
from winnow.domain.labels import DETECTION
from winnow.ports.frame_source import FrameSource
from winnow.testing.roads.setting import PREFIX, is_roads, setting_of

FRAMES_MIN = 50
"""Fewer frames leave no pool after the holdout that three rounds could choose from."""
DIGITS = "digits"
TOWN = (
    "town=3,frames_per_second=2,session_frames=12,night_share=0.25,night_people=0.6,crowding=1.5,"
    "box_height_min=0.14,box_width_min=0.05"
)
"""Many short sessions, busy streets, objects of nine pixels and more: learned in minutes."""
RARE = ("person", "bicycle")
"""Rare at night: what the fleet's policy looks for."""
NIGHT_SHARE = 0.33
"""Least part of a chosen batch that is from the night."""
NIGHT = Measure(
    f"AP50 of {' and '.join(RARE)} at night",
    tuple(f"ap50:{name}" for name in RARE),
    slice="time_of_day=night",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a demo is. `standard` stays under five minutes on two cores."""

    n_seeds: int
    batch_size: int
    rounds: int = 3
    members: int = 4


SIZES = {
    "small": Size(n_seeds=2, batch_size=30),
    "standard": Size(n_seeds=4, batch_size=50),
    "large": Size(n_seeds=10, batch_size=50, rounds=6),
}


@dataclass(frozen=True, slots=True)
class TownSize(Size):
    """How much of the simulated town there is, and how long its detectors learn."""

    members: int = 3
    frames: int = 1400
    epochs: int = 18
    steps_min: int = 216


TOWN_SIZES = {
    "small": TownSize(n_seeds=2, batch_size=24, rounds=2, members=2, frames=400, epochs=1,
                      steps_min=20),
    "standard": TownSize(n_seeds=3, batch_size=64),
    "large": TownSize(n_seeds=10, batch_size=100, rounds=6, members=4, frames=6000, epochs=30),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """What the demo runs on."""

    data: str
    """As `winnow ingest` takes it."""
    title: str
    told: str
    size: Size
    policy: Mapping[str, Mapping[str, object]]
    """Sections of both arms."""
    choice: Mapping[str, Mapping[str, object]]
    """Sections that say how the policy chooses: random does not have them."""
    measures: tuple[Measure, ...]
    """What the arms are compared by, the most telling one first."""
    ingest: tuple[str, ...]
    """Further words for `winnow ingest`: what is held out."""
    interest: tuple[str, ...] = ()
    """Classes that the report looks at."""


@dataclass(frozen=True, slots=True)
class World:
    """One run of the loop in its own state folder."""

    arm: str
    """`chosen` by the policy, or the `random` control."""
    seed: int
    state_dir: Path
    policy_file: Path
    data: str
    ingest: tuple[str, ...]
    runner: str
    rounds: int

    @property
    def name(self) -> str:
        """Short name for progress and folders."""
        return f"{self.arm}-{self.seed}"


def subject_of(data: str, *, size: str, seeds: int, limit: int, out: Path) -> Subject:
    """Give what `--data` names: nothing (the simulated town), `digits`, a town, or a path.

    Parameters
    ----------
    seeds
        Paired seeds; 0 takes those of the size.
    limit
        Most frames of own data; 0 takes all.
    out
        Where the digits are written to.

    Raises
    ------
    BadInput
        An unknown size, nothing lies there, or data that cannot make a demo.
    """
    if size not in SIZES:
        msg = f"--size: expected one of {', '.join(SIZES)}, found {size!r}"
        raise BadInput(msg)
    if not data or is_roads(data):
        return _town(data, TOWN_SIZES[size], seeds)
    if data == DIGITS:
        return _digits(SIZES[size], seeds, out)
    path = Path(data).absolute()
    # Own frames are larger than digits: fewer seeds unless more are asked for.
    n_seeds = seeds or min(SIZES[size].n_seeds, 3)
    fit = fitted(SIZES[size], source=open_source(path), n_frames_max=limit, n_seeds=n_seeds)
    return Subject(
        data=str(path),
        title=path.name,
        told=str(path),
        size=fit,
        policy={"training": {"members": fit.members, "input_pixels": 32}},
        choice={},
        measures=(ACCURACY,),
        ingest=("--holdout", "0.2", "--by", "cluster", *(("--limit", str(limit)) if limit else ())),
    )


def _town(data: str, size: TownSize, seeds: int) -> Subject:
    town = data or f"{PREFIX}{TOWN},frames={size.frames}"
    setting = setting_of(town)
    told = f"{setting.frames:,} frames of {setting.vehicles} vehicles by day and night"
    return Subject(
        data=town,
        title="a simulated fleet",
        told=f"a simulated fleet ({told})",
        size=replace(size, n_seeds=seeds or size.n_seeds),
        policy={
            "label": {"kind": DETECTION},
            "training": {
                "members": size.members,
                "input_height": 64,
                "input_width": 112,
                "width": 8,
                "learning_rate": 5e-3,
                "epochs": size.epochs,
                "steps_min": size.steps_min,
            },
        },
        choice={
            # The default sums up all classes; this fleet asks for the two that are rare at night,
            # and the crowds by day would outbid them.
            "scores": {"terms": [{"column": f"map_information:{name}"} for name in RARE]},
            "constraints": {
                "minimums": [{"column": "time_of_day", "value": "night", "share": NIGHT_SHARE}]
            },
        },
        measures=(NIGHT, MAP50),
        ingest=("--holdout", "0.25", "--by", "session"),
        interest=RARE,
    )


def _digits(size: Size, seeds: int, out: Path) -> Subject:
    return Subject(
        data=str(write_digits(out / "digits.npz").absolute()),
        title="scikit-learn digits",
        told="scikit-learn's handwritten digits (1,797 images)",
        size=replace(size, n_seeds=seeds or size.n_seeds),
        policy={"training": {"members": size.members, "input_pixels": 16}},
        choice={},
        measures=(ACCURACY,),
        ingest=("--holdout", "0.2", "--by", "cluster"),
    )


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


def write_policy(path: Path, subject: Subject, *, arm: str, seed: int) -> Path:
    """Write the policy of a world; both arms differ in how frames are chosen and nothing else."""
    random = {"strategy": "random"} if arm == "random" else {}
    policy = {
        "name": f"demo-{arm}",
        "seed": seed,
        "selection": {"batch_size": subject.size.batch_size, **random},
        **({} if random else subject.choice),
        **subject.policy,
        "stopping": {"rounds_max": subject.size.rounds},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return path


def worlds(subject: Subject, *, out: Path) -> list[World]:
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
                out / "policies" / f"{arm}-{seed}.yaml", subject, arm=arm, seed=seed
            ),
            data=subject.data,
            ingest=subject.ingest,
            runner="kfp_local" if (arm, seed) == ("chosen", 0) else "inline",
            rounds=subject.size.rounds,
        )
        for seed in range(subject.size.n_seeds)
        for arm in ("chosen", "random")
    ]
