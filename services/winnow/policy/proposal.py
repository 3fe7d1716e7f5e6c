"""What a selection takes and what it gives: arrays in, arrays out, one position a frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from winnow.acquisition.registry import acquisition_names
from winnow.domain.errors import BadInput
from winnow.policy.model import Policy

Strings = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SelectionInputs:
    """All that a choice depends on. F frames of the snapshot, G of them pass the snapshot's gates.

    Equal inputs give equal proposals on every machine; the order of the frames changes no choice.
    """

    policy: Policy
    seed: int
    affordable_micros: int
    """Available annotation money; the policy may cap it further."""
    frame_ids: Strings
    """[F]"""
    gates: Strings
    """[F] First gate that blocks the frame, or empty."""
    gate_details: Strings
    clusters: Strings
    """[F] Frame id of the representative of the frame's duplicate cluster."""
    embeddings_ND: npt.NDArray[np.float32] | None
    """[G, D] of the frames that pass, in their order; none if the strategy needs none."""
    centers_LD: npt.NDArray[np.float32] | None
    """[L, D] of the labeled frames."""
    scored: Flags
    """[G] Whether the committee answered about the frame."""
    probs_NMC: npt.NDArray[np.float32] | None
    """[scored frames, M, C] in their order; none without a committee."""
    held: tuple[str, ...] = ()
    """Frame ids that another round took since the snapshot."""
    acquisitions: tuple[str, ...] = field(default_factory=acquisition_names)
    """Functions whose scores go on the records, the policy's among them."""

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        n_frames, n_passed = len(self.frame_ids), int((self.gates == "").sum())
        n_scored = 0 if self.probs_NMC is None else len(self.probs_NMC)
        lengths = {
            "gates": (len(self.gates), n_frames),
            "gate_details": (len(self.gate_details), n_frames),
            "clusters": (len(self.clusters), n_frames),
            "scored": (len(self.scored), n_passed),
            "probs_NMC": (n_scored, int(self.scored.sum())),
        }
        if self.embeddings_ND is not None:
            lengths["embeddings_ND"] = (len(self.embeddings_ND), n_passed)
        for name, (found, expected) in lengths.items():
            if found != expected:
                msg = f"{name}: expected {expected} rows, found {found}"
                raise BadInput(msg)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How the size of the batch came about."""

    n_asked: int
    """By the policy."""
    n_eligible: int
    n_affordable: int
    n_random: int
    price_micros: int
    """Of one frame, all its slots."""
    micros_max: int

    @property
    def n_frames(self) -> int:
        """The size that is aimed at: what is asked, as far as pool and money go."""
        return min(self.n_asked, self.n_eligible, self.n_affordable)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed batch, and a record of every frame of the snapshot. NaN and -1 mean "none"."""

    sizes: Sizes
    acquisition: str
    """Empty without a committee."""
    strategy: str
    batch: Positions
    """[B] Positions in the snapshot's frames, in rank order."""
    gates: Strings
    """[F] As in the snapshot, and `held`."""
    scores: Floats
    """[F]"""
    components: tuple[str, ...]
    """[F] Canonical JSON: acquisition function -> its score."""
    arms: Strings
    """[F] policy, random, both or empty."""
    utilities: Floats
    reasons: tuple[str, ...]
    inclusion: Floats
    draw: Floats
    pre_label: npt.NDArray[np.int64]
    """[B] Class that the committee's mean prediction prefers."""
    pre_label_score: Floats
    """[B] Its mean probability."""

    @property
    def ranks(self) -> npt.NDArray[np.int64]:
        """Give [F] the place of each frame in the batch."""
        ranks = np.full(len(self.gates), -1, dtype=np.int64)
        ranks[self.batch] = np.arange(len(self.batch))
        return ranks
