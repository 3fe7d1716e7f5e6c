"""The committee as one model: every member answers the same frames, and who fails is left out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from winnow.calibration.temperature import softmax
from winnow.contracts.artifacts import Members, read_manifest
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Retryable, SchemaMismatch
from winnow.ports.blobs import Blobs
from winnow.ports.committee import CommitteeAnswer
from winnow.tasks.checkpoint import read_checkpoint, restored
from winnow.tasks.task import NetworkConfig, Task, stacked

if TYPE_CHECKING:
    import torch

SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class LoadedMember:
    """One member in memory."""

    name: str
    task: Task
    network: torch.nn.Module
    config: NetworkConfig
    temperature: float

    def probs(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Give calibrated `probs_NC`, float32, rows summing to one."""
        logits_NC = self.task.logits(self.network, pixels, self.config)
        return softmax(logits_NC, temperature=self.temperature).astype(np.float32)


class CommitteeModel:
    """The members of one committee version, ready to answer.

    Parameters
    ----------
    members
        At least one; all take the same input size and know the same classes.
    class_names
        Meaning of index c of an answer.
    """

    def __init__(self, members: Sequence[LoadedMember], *, class_names: Sequence[str]) -> None:
        shapes = {(m.config.task, m.config.input_pixels, m.config.n_classes) for m in members}
        if len(shapes) != 1 or next(iter(shapes))[2] != len(class_names):
            msg = f"committee: expected members of one shape for {len(class_names)} classes, "
            raise SchemaMismatch(msg + f"found (task, pixels, classes) {sorted(shapes)}")
        self._members = tuple(members)
        self.class_names = tuple(class_names)
        self.member_names = tuple(member.name for member in members)

    @classmethod
    def load(cls, blobs: Blobs, members: BlobRef) -> CommitteeModel:
        """Load every member that a members manifest names.

        Raises
        ------
        IntegrityError
            A checkpoint is not what the manifest says, or no checkpoint.
        NotFound
            A checkpoint is missing.
        """
        manifest = read_manifest(blobs, members, Members)
        loaded = [
            _load(blobs, member.name, member.checkpoint, member.temperature)
            for member in manifest.members
        ]
        return cls(loaded, class_names=manifest.class_names)

    def score(self, frames: Sequence[bytes]) -> CommitteeAnswer:
        """Score encoded images.

        Returns
        -------
        CommitteeAnswer
            `probs_NMC` float32 [len(frames), members that answered, classes].

        Raises
        ------
        BadInput
            A frame is no complete image.
        Retryable
            No member answered.
        """
        first = self._members[0]
        started = time.perf_counter()
        pixels = stacked(first.task, frames, input_pixels=first.config.input_pixels)
        answers = {
            m.name: probs for m in self._members if (probs := _answer(m, pixels)) is not None
        }
        if not answers:
            msg = f"committee: expected an answer of {', '.join(self.member_names)}, found none"
            raise Retryable(msg)
        return CommitteeAnswer(
            probs_NMC=np.stack(list(answers.values()), axis=1),
            members_answered=tuple(answers),
            compute_ms=round((time.perf_counter() - started) * 1000),
        )


def _load(blobs: Blobs, name: str, ref: BlobRef, temperature: float) -> LoadedMember:
    checkpoint = read_checkpoint(blobs.get(ref), where=ref.key)
    task, network = restored(checkpoint, where=ref.key)
    return LoadedMember(name, task, network, checkpoint.config, temperature)


def _answer(member: LoadedMember, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32] | None:
    """Give a member's probabilities, or None if it fails or answers what is no distribution."""
    try:
        probs_NC = member.probs(pixels)
    except (RuntimeError, MemoryError):  # what torch raises when an engine or memory gives way
        return None
    sums = probs_NC.sum(axis=1)
    return probs_NC if bool(np.all(np.abs(sums - 1.0) <= SUM_TOLERANCE)) else None
