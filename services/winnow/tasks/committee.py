"""The committee as one model: every member answers the same frames, and who fails is left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from winnow.contracts.artifacts import read_manifest
from winnow.contracts.manifests import Member, Members
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound, Retryable, SchemaMismatch
from winnow.ports.blobs import Blobs
from winnow.ports.committee import CommitteeAnswer
from winnow.tasks.blocks import Block, decoded_blocks, pixel_blocks
from winnow.tasks.checkpoint import read_checkpoint, restored
from winnow.tasks.examples import Pixels, stacked
from winnow.tasks.executors import Executor, Loop, Networks, fastest_executor
from winnow.tasks.memory import keep_freed_memory
from winnow.tasks.task import NetworkConfig, Outputs, Said, Task

if TYPE_CHECKING:
    import torch


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
        return self.judged(Loop(_networks([self])).outputs(pixels)[0])

    def judged(self, outputs: Outputs | None) -> Outputs | None:
        """Calibrate what its network said; None if it failed or said what is no answer."""
        if outputs is None:
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
        keep_freed_memory()
        self._members = tuple(members)
        self._executor: Executor | None = None
        self._computing = threading.Lock()
        self.kind = members[0].task.kind
        self.input_size = (members[0].config.input_height, members[0].config.input_width)
        self.class_names = tuple(class_names)
        self.member_names = tuple(member.name for member in members)

    @classmethod
    def load(
        cls, blobs: Blobs, members: BlobRef, *, names: Sequence[str] = (), device: str = "cpu"
    ) -> CommitteeModel:
        """Load the members that a members manifest names: some of them, or all.

        Parameters
        ----------
        device
            `cpu` or `cuda`.

        Raises
        ------
        IntegrityError
            A checkpoint is not what the manifest says, or no checkpoint.
        NotFound
            A checkpoint is missing, or there is no member of such a name.
        """
        manifest = read_manifest(blobs, members, Members)
        known = {member.name: member for member in manifest.members}
        if strangers := sorted(set(names) - known.keys()):
            msg = f"members: expected some of {', '.join(known)}, found {', '.join(strangers)}"
            raise NotFound(msg)
        wanted = [member for name, member in known.items() if not names or name in names]
        loaded = [load_member(blobs, member, manifest.class_names, device) for member in wanted]
        return cls(loaded, class_names=manifest.class_names)

    def warm_up(self) -> None:
        """Score a black frame, so that the first request finds everything chosen and loaded."""
        height, width = self.input_size
        self.score_pixels(np.zeros((1, 3, height, width), dtype=np.uint8))

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
        height, width = self.input_size
        return self._score(lambda: decoded_blocks(frames, height=height, width=width))

    def score_pixels(
        self, pixels: Pixels, *, sizes_N2: npt.NDArray[np.int64] | None = None
    ) -> CommitteeAnswer:
        """Score frames that are decoded and resized already; raises as `score` does.

        Parameters
        ----------
        pixels
            uint8 [N, 3, height, width] as `input_size` says.
        sizes_N2
            Width and height of each frame, in which boxes are told; none: those of the pixels.
        """
        height, width = self.input_size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (3, height, width):
            msg = f"pixels: expected uint8 [N, 3, {height}, {width}], "
            raise SchemaMismatch(msg + f"found {pixels.dtype} {list(pixels.shape)}")
        sizes = np.array([[width, height]] * len(pixels)) if sizes_N2 is None else sizes_N2
        return self._score(lambda: pixel_blocks(pixels, sizes))

    def maps(self, frames: Sequence[bytes]) -> npt.NDArray[np.float16]:
        """Give calibrated probability maps [N, M, C, h, w]; see `winnow.ports.committee`."""
        height, width = self.input_size
        pixels, _ = stacked(frames, height=height, width=width)
        with self._computing:
            answers = self._answers(self._members, pixels)
        missing = [m.name for m, one in zip(self._members, answers, strict=True) if one is None]
        if missing:
            msg = f"committee: expected maps of all members, found none of {', '.join(missing)}"
            raise Retryable(msg)
        maps = [self._members[0].task.maps(one) for one in answers if one is not None]
        return np.stack(maps, axis=1).astype(np.float16)

    def _score(self, blocks: Callable[[], Iterator[Block]]) -> CommitteeAnswer:
        """Go through the frames block by block; again without them if members failed."""
        asked: Sequence[LoadedMember] = self._members
        while True:
            answering, said, seconds = self._go_through(asked, blocks())
            if not answering:
                msg = f"committee: expected an answer of {', '.join(self.member_names)}, found none"
                raise Retryable(msg)
            if len(answering) == len(asked):
                return CommitteeAnswer(
                    members_answered=tuple(member.name for member in answering),
                    compute_ms=round(seconds * 1000),
                    probs_NMC=_joined([one.probs_NMC for one in said]),
                    information_NC=_joined([one.information_NC for one in said]),
                    boxes=tuple(text for one in said for text in one.boxes),
                )
            asked = answering

    def _answers(self, asked: Sequence[LoadedMember], pixels: Pixels) -> Sequence[Outputs | None]:
        """Ask in the way that is fastest here; who is left after a failure, one by one."""
        if len(asked) < len(self._members):
            executor: Executor = Loop(_networks(asked))
        else:
            executor = self._executor = self._executor or fastest_executor(_networks(asked))
        outputs = executor.outputs(pixels)
        return [member.judged(one) for member, one in zip(asked, outputs, strict=True)]

    def _go_through(
        self, asked: Sequence[LoadedMember], blocks: Iterator[Block]
    ) -> tuple[Sequence[LoadedMember], Sequence[Said], float]:
        """Give who answered, what they say up to where one failed, and seconds of computing."""
        said, seconds = [], 0.0
        for block in blocks:
            # Requests that come at once are decoded side by side and computed one by one: the
            # cores are those that the executor was chosen for, and milliseconds are counted once.
            with self._computing:
                started = time.perf_counter()
                answers = self._answers(asked, block.pixels)
                given = [one for one in answers if one is not None]
                if len(given) < len(asked):
                    left = [m for m, one in zip(asked, answers, strict=True) if one is not None]
                    return left, (), 0.0
                said.append(
                    asked[0].task.said(given, sizes_N2=block.sizes_N2, class_names=self.class_names)
                )
                seconds += time.perf_counter() - started
        return asked, said, seconds


def _networks(members: Sequence[LoadedMember]) -> Networks:
    return Networks(
        tuple(member.task for member in members),
        tuple(member.network for member in members),
        tuple(member.config for member in members),
    )


def load_member(
    blobs: Blobs, member: Member, class_names: Sequence[str], device: str
) -> LoadedMember:
    """Load a member that answers about these classes, in this order; raises as `load` does."""
    where = member.checkpoint.key
    checkpoint = read_checkpoint(blobs.get(member.checkpoint), where=where)
    task, network = restored(checkpoint, where=where, class_names=class_names)
    placed = network.to(device)
    return LoadedMember(member.name, task, placed, checkpoint.config, member.temperatures)


def _joined(
    blocks: Sequence[npt.NDArray[np.float32] | None],
) -> npt.NDArray[np.float32] | None:
    given = [block for block in blocks if block is not None]
    return np.concatenate(given) if given else None
