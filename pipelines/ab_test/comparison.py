"""One place from its frames to its result: choose, split, train, test. Resumable at every model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ab_test.curation import Curation
from ab_test.frames import Flags, Positions
from ab_test.learning import Detector, information_of, train_detector
from ab_test.methods import COMMITTEE, MANUAL, METHODS, RANDOM, at_random, by_committee, from_list
from ab_test.place import Place
from ab_test.results import (
    ALL_CLASSES,
    HOLDOUT,
    INTEREST,
    MANUAL_ONLY,
    REFERENCE,
    REFERENCE_MIN,
    UNION,
    Chosen,
    Improvement,
    PlaceResult,
    Score,
)
from ab_test.setting import AbSetting
from ab_test.splits import session_splits
from winnow.estimation.session_bootstrap import SESSIONS_MIN, session_weights
from winnow.tasks.detection_metrics import Matches, by_class, match_boxes

Floats = npt.NDArray[np.float64]
Said = Callable[[str], None]


def n_models(setting: AbSetting) -> int:
    """Give how many models one place trains."""
    return setting.members + setting.n_splits * len(METHODS)


def digest_of(frame_ids: Sequence[str] | None) -> str:
    """Name a list of frames by its content; empty for none."""
    if frame_ids is None:
        return ""
    return hashlib.sha256("\n".join(frame_ids).encode()).hexdigest()


@dataclass
class Comparison:
    """A place, its setting and the folder of its models; parts are computed when asked for."""

    place: Place
    setting: AbSetting
    folder: Path
    manual_frame_ids: Sequence[str] | None = None
    """What a person chose; none: the curator of `Curation` chooses."""
    done: Said = lambda _: None
    """Is told the name of each model that is ready."""

    @cached_property
    def committee(self) -> list[Detector]:
        """The members, trained on the reference labels with different seeds; 0 is the reference."""
        return [
            self._trained(f"member-{m}", self.place.reference, seed=self.setting.seed * 1000 + m)
            for m in range(self.setting.members)
        ]

    @cached_property
    def information(self) -> npt.NDArray[np.float32]:
        """Disagreement about each frame of the pool, nats, [P, C]."""
        return information_of(self.committee, self.place, self.place.pool)

    @cached_property
    def chosen(self) -> dict[str, Positions]:
        """Method → frames that it has labeled, in the order of its choice."""
        frames, pool, setting = self.place.frames, self.place.pool, self.setting
        n = setting.batch_frames
        if self.manual_frame_ids is not None:
            manual = from_list(frames, pool, n, frame_ids=self.manual_frame_ids)
        else:
            wanted = {**setting.pool_tags, **setting.curation_tags}
            curation = Curation(setting.interest, wanted, setting.segment_frames)
            manual = curation.choose(frames, pool, n)
        return {
            COMMITTEE: by_committee(
                frames,
                pool,
                n,
                information_PC=self.information,
                class_names=self.place.class_names,
                interest=setting.interest,
                clusters_N=self.place.clusters_N,
                gap_seconds=setting.gap_seconds,
                seed=setting.seed,
            ),
            MANUAL: manual,
            RANDOM: at_random(frames, pool, n, seed=setting.seed),
        }

    @cached_property
    def splits(self) -> list[Flags]:
        """Whether each frame is for testing, split by split."""
        return session_splits(
            self.chosen,
            self.place.groups_N,
            test_share=self.setting.test_share,
            n_splits=self.setting.n_splits,
            rng=np.random.Generator(np.random.Philox(key=self.setting.seed, counter=[0, 0, 0, 2])),
        )

    def run(self) -> PlaceResult:
        """Train and test everything, and put the result together."""
        matches = dict(self._matches())
        place, setting = self.place, self.setting
        return PlaceResult(
            name=place.name,
            setting=setting,
            class_names=place.class_names,
            n_frames=place.n_frames,
            n_reference=len(place.reference),
            n_holdout=len(place.holdout),
            n_pool=len(place.pool),
            blocked=dict(place.blocked),
            manual_sha256=digest_of(self.manual_frame_ids),
            chosen=tuple(self._told(method, rows) for method, rows in self.chosen.items()),
            scores=tuple(
                score
                for (split, method, test), found in matches.items()
                for score in _scores(found, split, method, test, place, setting)
            ),
            improvements=tuple(_improvements(matches, self._tests(), place, setting)),
        )

    def _trained(self, name: str, rows: Positions, *, seed: int) -> Detector:
        file = self.folder / f"{name}.pt"
        detector = train_detector(self.place, rows, self.setting, seed=seed, file=file)
        self.done(name)
        return detector

    def _tests(self) -> dict[tuple[int, str], Positions]:
        """Give (split, test) → its frames."""
        either = np.union1d(self.chosen[COMMITTEE], self.chosen[MANUAL])
        manual = np.sort(self.chosen[MANUAL])
        return {
            (split, test): rows
            for split, tested in enumerate(self.splits)
            for test, rows in (
                (UNION, either[tested[either]]),
                (MANUAL_ONLY, manual[tested[manual]]),
                (HOLDOUT, self.place.holdout),
            )
        }

    def _matches(self) -> Iterator[tuple[tuple[int, str, str], Matches]]:
        """Give (split, method, test) → how the model's boxes match."""
        tests = self._tests()
        for split, tested in enumerate(self.splits):
            models = {REFERENCE: self.committee[0]}
            for method, rows in self.chosen.items():
                learned = np.union1d(self.place.reference, rows[~tested[rows]])
                seed = self.setting.seed * 1000
                models[method] = self._trained(f"{method}-{split}", learned, seed=seed)
            for method, model in models.items():
                for (of, test), rows in tests.items():
                    if of == split:
                        yield (split, method, test), self._matched(model, rows)

    def _matched(self, model: Detector, rows: Positions) -> Matches:
        return match_boxes(
            self.place.examples.take(rows),
            model.boxes(self.place, rows),
            n_classes=len(self.place.class_names),
            size_edges=self.setting.size_edges,
        )

    def _told(self, method: str, rows: Positions) -> Chosen:
        frames = [self.place.frames[pos] for pos in rows.tolist()]
        objects = {
            name: sum(f.n_objects([name]) for f in frames) for name in self.place.class_names
        }
        seconds = (
            len(frames) * self.setting.seconds_per_frame
            + sum(objects.values()) * self.setting.seconds_per_box
        )
        return Chosen(
            method=method,
            frame_ids=tuple(frame.frame_id for frame in frames),
            n_sessions=len({frame.session for frame in frames}),
            n_empty=sum(not frame.boxes for frame in frames),
            objects=objects,
            effort_hours=seconds / 3600,
        )


def _scores(
    matches: Matches, split: int, method: str, test: str, place: Place, setting: AbSetting
) -> Iterator[Score]:
    classes = by_class(matches, place.class_names)
    groups = {ALL_CLASSES: place.class_names, INTEREST: setting.interest}
    groups |= {name: (name,) for name in place.class_names}
    for of, names in groups.items():
        sizes = {
            measure.removeprefix("ap50_"): value
            for measure, value in classes.get(of, {}).items()
            if measure.startswith("ap50_")
        }
        yield Score(
            split=split,
            method=method,
            test=test,
            of=of,
            n_objects=round(sum(classes[name]["n"] for name in names)),
            wap50=_mean(classes[name].get("wap50") for name in names),
            ap50=_mean(classes[name].get("ap50") for name in names),
            sizes=sizes,
        )


def _improvements(
    matches: Mapping[tuple[int, str, str], Matches],
    tests: Mapping[tuple[int, str], Positions],
    place: Place,
    setting: AbSetting,
) -> Iterator[Improvement]:
    """Compare each method with the reference, on the same frames in each draw."""
    groups = {ALL_CLASSES: place.class_names, INTEREST: setting.interest}
    groups |= {name: (name,) for name in place.class_names}
    splits = sorted({split for split, _, _ in matches})
    for test in (UNION, MANUAL_ONLY, HOLDOUT):
        weights = _weights([tests[split, test] for split in splits], place, setting)
        values = {
            method: _values(matches, splits, method, test, weights, place.class_names)
            for method in (REFERENCE, *METHODS)
        }
        for of, names in groups.items():
            columns = [place.class_names.index(name) for name in names]
            before = _means(values[REFERENCE], columns)
            for method in METHODS:
                after = _means(values[method], columns)
                if np.isnan(before[0]) or np.isnan(after[0]):
                    continue
                relative, low, high = relative_change(after, before)
                yield Improvement(
                    method=method,
                    test=test,
                    of=of,
                    reference=float(before[0]),
                    value=float(after[0]),
                    relative=relative,
                    low=low,
                    high=high,
                )


def _weights(
    tests: Sequence[Positions], place: Place, setting: AbSetting
) -> list[list[Floats | None]]:
    """Give of each split the weights of its frames: as they are first, then draw by draw.

    A session is drawn as often in every split that tests it: splits that share frames, as all share
    the holdout, are no further evidence.
    """
    rng = np.random.Generator(np.random.Philox(key=setting.seed, counter=[0, 0, 0, 3]))
    tested = np.unique(np.concatenate(tests))
    sessions = [place.frames[pos].session for pos in tested.tolist()]
    enough = len(set(sessions)) >= SESSIONS_MIN
    drawn = session_weights(sessions, rng=rng, draws=setting.draws if enough else 0)
    return [[None, *drawn[:, np.searchsorted(tested, rows)]] for rows in tests]


def _values(
    matches: Mapping[tuple[int, str, str], Matches],
    splits: Sequence[int],
    method: str,
    test: str,
    weights: Sequence[Sequence[Floats | None]],
    class_names: Sequence[str],
) -> Floats:
    """Give the weighted average precision, [1 + draws, C]: mean over splits where there is one."""
    n = len(weights[0])
    values = np.full((len(splits), n, len(class_names)), np.nan)
    for place, split in enumerate(splits):
        found = matches[split, method, test]
        for draw in range(n):
            classes = by_class(found, class_names, weights[place][draw])
            values[place, draw] = [classes[name].get("wap50", np.nan) for name in class_names]
    there = ~np.isnan(values)
    sums, counts = np.where(there, values, 0.0).sum(axis=0), there.sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _means(values: Floats, columns: Sequence[int]) -> Floats:
    """Give each draw's mean over some classes, of those that have objects."""
    some = values[:, columns]
    there = ~np.isnan(some)
    sums, counts = np.where(there, some, 0.0).sum(axis=1), there.sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def relative_change(
    after: Floats, before: Floats
) -> tuple[float | None, float | None, float | None]:
    """Give the change beside the reference, and its interval; beside nothing there is none.

    Parameters
    ----------
    after, before
        [1 + draws]: average precision as it is, then draw by draw.
    """
    if before[0] < REFERENCE_MIN:
        return None, None, None
    return (float(after[0] / before[0] - 1), *_interval(after[1:], before[1:]))


def _interval(after: Floats, before: Floats) -> tuple[float | None, float | None]:
    known = (before > 0) & ~np.isnan(after)
    if not len(after) or 2 * known.sum() < len(after):
        return None, None
    low, high = np.quantile(after[known] / before[known] - 1, [0.025, 0.975]).tolist()
    return low, high


def _mean(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None and not np.isnan(value)]
    return sum(known) / len(known) if known else None
