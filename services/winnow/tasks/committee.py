"""The committee as one model: every member answers the same frames, and who fails is left out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from winnow.contracts.artifacts import Member, Members, read_manifest
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Retryable, SchemaMismatch
from winnow.ports.blobs import Blobs
from winnow.ports.committee import CommitteeAnswer
from winnow.tasks.checkpoint import read_checkpoint, restored
from winnow.tasks.examples import Pixels, stacked
from winnow.tasks.predict import outputs_of
from winnow.tasks.task import NetworkConfig, Outputs, Said, Task

if TYPE_CHECKING:
    import torch

FRAMES_AT_ONCE = 64
"""Frames whose outputs of all members are in memory together."""


@dataclass(frozen=True, slots=True)
class LoadedMember:
    """One member in memory."""

    name: str
    task: Task
    network: torch.nn.Module
    config: NetworkConfig
    temperatures: tuple[float, ...]

    def answer(self, pixels: Pixels) -> Outputs | None:
        """Give calibrated outputs, or None if it fails or answers what is no answer."""
        try:
            outputs = outputs_of(self.task, self.network, pixels, self.config)
        except (RuntimeError, MemoryError):  # what torch raises when an engine or memory gives way
            return None
        calibrated = self.task.calibrated(outputs, self.temperatures)
        return calibrated if self.task.valid(calibrated) else None


class CommitteeModel:
    """The members of one committee version, ready to answer.

    Parameters
    ----------
    members
        At least one; all of one kind, with the same input size and the same classes.
    class_names
        Meaning of index c of an answer.
    """

    def __init__(self, members: Sequence[LoadedMember], *, class_names: Sequence[str]) -> None:
        known = {
            (m.task.kind, m.config.input_height, m.config.input_width, m.config.class_names)
            for m in members
        }
        if len(known) != 1 or next(iter(known))[3] != tuple(class_names):
            msg = f"committee: expected members of one kind and size for {tuple(class_names)}, "
            raise SchemaMismatch(msg + f"found (kind, height, width, classes) {sorted(known)}")
        self._members = tuple(members)
        self.kind = members[0].task.kind
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
        loaded = [_load(blobs, member, manifest.class_names) for member in manifest.members]
        return cls(loaded, class_names=manifest.class_names)

    def score(self, frames: Sequence[bytes]) -> CommitteeAnswer:
        """Score encoded images.

        Returns
        -------
        CommitteeAnswer
            A member that fails on one of the frames has answered none of them.

        Raises
        ------
        BadInput
            A frame is no complete image.
        Retryable
            No member answered.
        """
        pixels, sizes_N2 = self._decoded(frames)
        started = time.perf_counter()
        answering, said = self._said(pixels, sizes_N2)
        return CommitteeAnswer(
            members_answered=tuple(member.name for member in answering),
            compute_ms=round((time.perf_counter() - started) * 1000),
            probs_NMC=_joined([one.probs_NMC for one in said]),
            information_NC=_joined([one.information_NC for one in said]),
            boxes=tuple(text for one in said for text in one.boxes),
        )

    def maps(self, frames: Sequence[bytes]) -> npt.NDArray[np.float16]:
        """Give calibrated probability maps [N, M, C, h, w]; see `winnow.ports.committee`."""
        pixels, _ = self._decoded(frames)
        answers = [member.answer(pixels) for member in self._members]
        missing = [m.name for m, one in zip(self._members, answers, strict=True) if one is None]
        if missing:
            msg = f"committee: expected maps of all members, found none of {', '.join(missing)}"
            raise Retryable(msg)
        maps = [self._members[0].task.maps(one) for one in answers if one is not None]
        return np.stack(maps, axis=1).astype(np.float16)

    def _decoded(self, frames: Sequence[bytes]) -> tuple[Pixels, npt.NDArray[np.int64]]:
        config = self._members[0].config
        return stacked(frames, height=config.input_height, width=config.input_width)

    def _said(
        self, pixels: Pixels, sizes_N2: npt.NDArray[np.int64]
    ) -> tuple[Sequence[LoadedMember], Sequence[Said]]:
        """Go through the frames block by block; again without them if members failed."""
        asked: Sequence[LoadedMember] = self._members
        while True:
            answering, said = self._go_through(asked, pixels, sizes_N2)
            if len(answering) == len(asked):
                return answering, said
            if not answering:
                msg = f"committee: expected an answer of {', '.join(self.member_names)}, found none"
                raise Retryable(msg)
            asked = answering

    def _go_through(
        self,
        asked: Sequence[LoadedMember],
        pixels: Pixels,
        sizes_N2: npt.NDArray[np.int64],
    ) -> tuple[Sequence[LoadedMember], Sequence[Said]]:
        """Give who answered, and what they say up to the first frame that one failed on."""
        said = []
        for start in range(0, max(1, len(pixels)), FRAMES_AT_ONCE):
            rows = slice(start, start + FRAMES_AT_ONCE)
            answers = [member.answer(pixels[rows]) for member in asked]
            given = [one for one in answers if one is not None]
            if len(given) < len(asked):
                return [m for m, one in zip(asked, answers, strict=True) if one is not None], ()
            said.append(
                asked[0].task.said(given, sizes_N2=sizes_N2[rows], class_names=self.class_names)
            )
        return asked, said


def _load(blobs: Blobs, member: Member, class_names: Sequence[str]) -> LoadedMember:
    where = member.checkpoint.key
    checkpoint = read_checkpoint(blobs.get(member.checkpoint), where=where)
    task, network = restored(checkpoint, where=where, class_names=class_names)
    return LoadedMember(member.name, task, network, checkpoint.config, member.temperatures)


def _joined(
    blocks: Sequence[npt.NDArray[np.float32] | None],
) -> npt.NDArray[np.float32] | None:
    given = [block for block in blocks if block is not None]
    return np.concatenate(given) if given else None
