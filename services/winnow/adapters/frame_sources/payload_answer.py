"""What a serving committee said of the frames it was asked about, and how sure it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.acquisition.detection import MAP_INFORMATION, box_confidence, information_columns
from winnow.acquisition.registry import score_of
from winnow.acquisition.reproducible import Floats
from winnow.adapters.committee_answers import answer_in, names_in
from winnow.adapters.inference_json import Body, inferred_in
from winnow.contracts import serving
from winnow.domain.errors import BadInput, SchemaMismatch
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.committee import CommitteeAnswer

WHERE = "response"
CONFIDENCE_BELOW = {CLASSIFICATION: 0.6, DETECTION: 0.55}
DISAGREEMENT_ABOVE = {CLASSIFICATION: 0.1, DETECTION: 0.001}
"""Maps of detection are empty almost everywhere, and their information is a mean over cells: of
frames of another simulated town, three members that had learned from 128 labels were split by more
than 0.001 nats about 3.5 %, and less sure than 0.55 of a box in 18 %."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on an answer is doubted: either is enough; None: what is usual.

    Raises
    ------
    BadInput
        A confidence that is not 0 to 1, or a disagreement below 0.
    """

    confidence_below: float | None = None
    """Of classification the mean probability of the best class, of detection that of the least
    certain box or of its absence."""
    disagreement_above: float | None = None
    """Mutual information in nats, of detection the mean over classes and cells of the maps."""

    def __post_init__(self) -> None:
        """Refuse what no answer could be compared with."""
        below = self.confidence(CLASSIFICATION)
        if not 0.0 <= below <= 1.0:
            msg = f"--confidence-below: expected 0 to 1, found {below:g}"
            raise BadInput(msg)
        above = self.disagreement(CLASSIFICATION)
        if not 0.0 <= above < np.inf:
            msg = f"--disagreement-above: expected at least 0 nats, found {above:g}"
            raise BadInput(msg)

    def confidence(self, kind: str) -> float:
        """Give the threshold of confidence of a kind of committee."""
        chosen = self.confidence_below
        return CONFIDENCE_BELOW[kind] if chosen is None else chosen

    def disagreement(self, kind: str) -> float:
        """Give the threshold of disagreement of a kind of committee."""
        chosen = self.disagreement_above
        return DISAGREEMENT_ABOVE[kind] if chosen is None else chosen


@dataclass(frozen=True, slots=True)
class Answered:
    """How sure a committee was of each of N frames."""

    committee: str
    """Version and digest, see `winnow.contracts.serving.served_version`."""
    kind: str
    confidence_N: Floats
    disagreement_N: Floats

    def unsure(self, thresholds: Thresholds) -> npt.NDArray[np.bool_]:
        """Give whether the confidence [0, N] and the disagreement [1, N] make a candidate."""
        below, above = thresholds.confidence(self.kind), thresholds.disagreement(self.kind)
        return np.stack([self.confidence_N < below, self.disagreement_N > above])


def answered_of(body: Body) -> Answered | None:
    """Read a response; None: it holds no scores of a committee, so another model gave it.

    Raises
    ------
    SchemaMismatch
        It is no response, or its tensors do not fit each other.
    BadInput
        Its numbers are no probabilities.
    """
    said = inferred_in(body, where=WHERE)
    kinds = {serving.PROBS: CLASSIFICATION, serving.INFORMATION: DETECTION}
    name = next((name for name in kinds if name in said.tensors), None)
    if name is None or serving.MEMBERS not in said.tensors:
        return None
    shape = said.tensors[name].shape
    if len(shape) < 2:
        msg = f"{WHERE}: expected {name} of frames and classes, found shape {shape}"
        raise SchemaMismatch(msg)
    n_frames, n_classes = shape[-2:]
    answer = answer_in(said, names_in(said, WHERE), (n_frames, n_classes), WHERE)
    if not said.version:
        msg = f"{WHERE}: expected the committee's version, found none"
        raise SchemaMismatch(msg)
    confidence_N, disagreement_N = _scores(answer, n_frames=n_frames)
    return Answered(said.version, kinds[name], confidence_N, disagreement_N)


def _scores(answer: CommitteeAnswer, *, n_frames: int) -> tuple[Floats, Floats]:
    if not n_frames:
        return np.empty(0), np.empty(0)
    if answer.information_NC is None:
        probs_NMC = answer.class_probs()
        return 1.0 - score_of("least_confidence", probs_NMC), score_of("bald", probs_NMC)
    information_NC = answer.information_NC
    classes = [str(code) for code in range(information_NC.shape[1])]
    try:
        confidence_N = box_confidence(answer.boxes)
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{WHERE}, {serving.BOXES}: expected JSON of boxes with scores, found: {error}"
        raise SchemaMismatch(msg) from error
    return confidence_N, information_columns(information_NC, classes)[MAP_INFORMATION]
