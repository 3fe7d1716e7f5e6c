"""Scores of frames from what a committee of detection networks says of them together.

Names of these scores are also names of columns: `map_information:person` is what the committee
disagrees about persons, for policies (and files of frames) that count classes apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from winnow.acquisition.boxes import BoxAggregate, aggregate_boxes, unsure_boxes
from winnow.acquisition.interpolated import binary_entropy_of
from winnow.acquisition.reproducible import Floats, sum_last
from winnow.domain.errors import BadInput

MAP_INFORMATION: Final = "map_information"
CLASS_PREFIX: Final = f"{MAP_INFORMATION}:"


@dataclass(frozen=True, slots=True)
class DetectionAcquisition:
    """A score of frames, and how it is told to people."""

    word: str
    unit: str
    boxes: BoxAggregate | None = None
    """How the entropies of a frame's boxes come together; none: the maps' information counts."""

    def told(self, score: float) -> str:
        """Give a score in words; information of whole maps is small."""
        return f"{self.word} {score:.3g} {self.unit}".rstrip()


DETECTION_ACQUISITIONS: Final[dict[str, DetectionAcquisition]] = {
    MAP_INFORMATION: DetectionAcquisition("disagreement of the maps", "nats"),
    "box_entropy_max": DetectionAcquisition("uncertainty of the least certain box", "nats", "max"),
    "box_entropy_mean": DetectionAcquisition("mean uncertainty of the boxes", "nats", "mean"),
    "box_entropy_sum": DetectionAcquisition("uncertainty of all boxes together", "nats", "sum"),
}
"""A frame without any box is scored 0 by its boxes: the maps say whether something was missed."""


def is_detection_score(name: str) -> bool:
    """Tell whether a name is that of a score which only a detection committee gives.

    Examples
    --------
    >>> is_detection_score("map_information:person"), is_detection_score("margin")
    (True, False)
    """
    return name in DETECTION_ACQUISITIONS or name.startswith(CLASS_PREFIX)


def class_column(class_name: str) -> str:
    """Give the name of the score that counts one class alone."""
    return f"{CLASS_PREFIX}{class_name}"


def information_columns(
    information_NC: npt.NDArray[np.float32], class_names: Sequence[str]
) -> dict[str, Floats]:
    """Give `map_information`, the mean over classes, and that of each class.

    Parameters
    ----------
    information_NC
        Mutual information of the members' maps, mean over cells, nats, 0 to ln 2.

    Returns
    -------
    dict
        Name -> float64 [N].

    Raises
    ------
    BadInput
        Another number of classes, or what is no information.

    Examples
    --------
    >>> found = information_columns(np.float32([[0.25, 0.75]]), ["car", "person"])
    >>> found["map_information"].tolist(), found["map_information:person"].tolist()
    ([0.5], [0.75])
    """
    information = information_NC.astype(np.float64)
    if information.ndim != 2 or information.shape[1] != len(class_names):
        msg = f"map information: expected [frames, {len(class_names)}], found {information.shape}"
        raise BadInput(msg)
    wrong = np.flatnonzero(~((information >= 0.0) & (information < np.inf)).all(axis=1))
    if len(wrong):
        row = int(wrong[0])
        msg = f"map information: row {row}: expected numbers from 0, found {information[row]}"
        raise BadInput(msg)
    columns = {class_column(name): information[:, c] for c, name in enumerate(class_names)}
    columns[MAP_INFORMATION] = sum_last(information) / max(1, len(class_names))
    return columns


def box_columns(boxes: Sequence[str], names: Sequence[str]) -> dict[str, Floats]:
    """Give scores by boxes, float64 [N] each.

    Parameters
    ----------
    boxes
        JSON of each frame's boxes with their scores, see `ports.committee.CommitteeAnswer`.
    names
        Of `DETECTION_ACQUISITIONS`, those that look at boxes.

    Notes
    -----
    A box's uncertainty is the entropy of its score as a yes or no: ln 2 at one half, 0 at 0 and 1.
    Reads all boxes once, O(boxes log boxes).

    References
    ----------
    Brust, Kaeding, Denzler, "Active Learning for Deep Object Detection", VISAPP 2019, arXiv
    1809.09875 (maximum, average and sum of the detections' scores).
    """
    scores_P, frame_P = _box_scores(boxes)
    entropies_P = binary_entropy_of(scores_P)
    ways: Mapping[str, BoxAggregate | None] = {n: DETECTION_ACQUISITIONS[n].boxes for n in names}
    return {
        name: aggregate_boxes(entropies_P, frame_P, len(boxes), how=how, none=0.0)
        for name, how in ways.items()
        if how is not None
    }


def box_confidence(boxes: Sequence[str]) -> Floats:
    """Give how sure the committee is of each frame's least certain box.

    Parameters
    ----------
    boxes
        See `box_columns`.

    Returns
    -------
    numpy.ndarray
        float64 [N], 0.5 (a box that is there as likely as not) to 1; 1 for a frame without boxes:
        the maps say whether something was missed.

    Raises
    ------
    BadInput
        A score outside 0…1.

    Examples
    --------
    >>> box_confidence(['[{"score":0.9},{"score":0.25}]', "[]"]).tolist()
    [0.75, 1.0]
    """
    scores_P, frame_P = _box_scores(boxes)
    sure_P = np.maximum(scores_P, 1.0 - scores_P)
    return 1.0 - unsure_boxes(sure_P, frame_P, len(boxes), how="min", none=0.0)


def _box_scores(boxes: Sequence[str]) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Give the scores of all boxes [P], and the frame of each [P]."""
    scores = [[float(box["score"]) for box in json.loads(text)] for text in boxes]
    frame_P = np.repeat(np.arange(len(scores)), [len(some) for some in scores])
    return np.array([score for some in scores for score in some], dtype=np.float64), frame_P
