"""What committees of detectors saw in chosen frames: before the labels were bought, and after."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.acquisition import cell_mutual_information
from winnow.cli.report.facts import Pick, RoundFacts
from winnow.domain.blob_ref import BlobRef
from winnow.ports.blobs import Blobs

SCORE_SHOWN_MIN = 0.3
"""Boxes of less are not drawn."""


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """One box on a frame; whole pixels."""

    class_name: str
    box: tuple[int, int, int, int]
    """x, y, width, height."""
    score: float | None = None
    """None: a person drew it."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What one committee sees in a frame."""

    boxes: tuple[DrawnBox, ...]
    heat: Mapping[str, npt.NDArray[np.float64]]
    """Class → mutual information in each cell of its map [h, w], nats."""


@dataclass(frozen=True, slots=True)
class Look:
    """A chosen frame as the committee saw it that chose it, and as the one that learned from it."""

    pick: Pick
    frame: bytes
    before: Glance
    after: Glance | None


def boxes_in(text: str) -> tuple[DrawnBox, ...]:
    """Read the boxes of a label, or those of a committee's answer that are worth drawing."""
    found = json.loads(text) if text else []
    boxes = (DrawnBox(one["class"], tuple(one["box"]), one.get("score")) for one in found)
    return tuple(box for box in boxes if box.score is None or box.score >= SCORE_SHOWN_MIN)


def looks(
    facts: RoundFacts, blobs: Blobs, *, frames_max: int, half_of: str = ""
) -> tuple[Look, ...]:
    """Ask both committees about the first frames that the policy chose.

    Parameters
    ----------
    facts
        A round that a committee of detectors chose for; others give nothing.
    frames_max
        Most frames; a frame costs a pass through all members of both committees.
    half_of
        Tag, `name=value`, that half of the frames shall have, so far as there are such.
    """
    if facts.label_kind != "detection" or facts.asked is None:
        return ()
    picks = _shown(facts.picks, frames_max, half_of)
    frames = [blobs.get(pick.frame) for pick in picks]
    before = _glances(blobs, facts.asked, frames)
    after = _glances(blobs, facts.trained, frames) if facts.trained else [None] * len(frames)
    return tuple(Look(*row) for row in zip(picks, frames, before, after, strict=True))


def _shown(picks: Sequence[Pick], n: int, half_of: str) -> list[Pick]:
    name, _, value = half_of.partition("=")
    chosen = [pick for pick in picks if pick.arm == "policy"]
    tagged = [pick for pick in chosen if name and pick.tags.get(name) == value]
    others = [pick for pick in chosen if pick not in tagged]
    n_tagged = min(len(tagged), max(n // 2, n - len(others)))
    return sorted(tagged[:n_tagged] + others[: n - n_tagged], key=lambda pick: pick.rank)


def _glances(blobs: Blobs, members: BlobRef, frames: Sequence[bytes]) -> list[Glance]:
    from winnow.tasks.committee import CommitteeModel

    if not frames:
        return []
    committee = CommitteeModel.load(blobs, members)
    heat_NCHW = cell_mutual_information(committee.maps(frames))
    boxes = committee.score(frames).boxes
    return [
        Glance(boxes_in(text), dict(zip(committee.class_names, heat_CHW, strict=True)))
        for text, heat_CHW in zip(boxes, heat_NCHW, strict=True)
    ]
