"""What a selection takes: arrays, one position a frame, and how large its batch may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from winnow.acquisition.registry import RECORDED
from winnow.domain.errors import BadInput
from winnow.policy.model import Policy
from winnow.policy.switch import Standing
from winnow.strategies.protocol import Column

Strings = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]
Micros = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SelectionInputs:
    """All that a choice depends on. F frames of the snapshot, G of them pass the snapshot's gates.

    Equal inputs give equal proposals on every machine; the order of the frames changes no choice.
    What the policy does not need (`policy.needs`) may be absent.
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
    """Frame ids of the snapshot that another round took since."""
    held_centers_KD: npt.NDArray[np.float32] | None = None
    """[K, D] of frames outside the snapshot that other rounds held when it was taken: they will be
    labeled soon, so new frames keep away from them as from labeled ones."""
    n_asked: int | None = None
    """Frames that the policy's adaptive size came to; none: those of the policy."""
    acquisitions: tuple[str, ...] = RECORDED
    """Functions whose scores go on the records, beside that of the policy."""
    round_number: int | None = None
    """None where nobody counts rounds: rules about their number are then not asked."""
    counted: Standing | None = None
    """What was counted before anything large was read; none: it is counted from the arrays."""
    class_names: tuple[str, ...] = ()
    """[C]"""
    labels: Strings | None = None
    """[L] Class that each labeled frame was given, in the order of `centers_LD`."""
    center_probs_LMC: npt.NDArray[np.float32] | None = None
    """The committee's answers about the labeled frames, where it was asked."""
    sessions: Strings | None = None
    """[G]"""
    captured_us: npt.NDArray[np.int64] | None = None
    """[G] Capture time in microseconds since 1970."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    """Name → [G]: provenance, tags, scores that came with the frames, prices."""
    labeled_columns: Mapping[str, Column] = field(default_factory=dict)
    """Name → what is known of the labeled frames and of those that other rounds hold; `session`,
    `captured_us` and `cluster` keep new frames away from them."""
    examples_ED: npt.NDArray[np.float32] | None = None
    """[E, D] Embeddings of what to look for, e.g. known failures."""

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
            **{f"column {name}": (len(part), n_passed) for name, part in self.columns.items()},
        }
        for name in ("embeddings_ND", "sessions", "captured_us"):
            part = getattr(self, name)
            if part is not None:
                lengths[name] = (len(part), n_passed)
        for name, (found, expected) in lengths.items():
            if found != expected:
                msg = f"{name}: expected {expected} rows, found {found}"
                raise BadInput(msg)

    @property
    def standing(self) -> Standing:
        """Give what decides whether this is a cold start."""
        if self.counted is not None:
            return self.counted
        parts = (self.labels, self.centers_LD, self.center_probs_LMC)
        return Standing.of(
            has_committee=self.probs_NMC is not None,
            n_labeled=max((len(part) for part in parts if part is not None), default=0),
            labels=() if self.labels is None else self.labels.tolist(),
            class_names=self.class_names,
            round_number=self.round_number,
        )


@dataclass(frozen=True, slots=True)
class Sizes:
    """How the size of the batch came about."""

    n_asked: int
    """By the policy."""
    n_eligible: int
    n_affordable: int
    """Most frames that the money buys, the cheapest ones."""
    n_random: int
    price_micros: int
    """Of one frame, all its slots, where frames have no prices of their own."""
    micros_max: int
    arm_micros_max: int
    """What the random arm costs at most, whatever is drawn."""

    @property
    def n_frames(self) -> int:
        """The size that is aimed at: what is asked, as far as pool and money go."""
        return min(self.n_asked, self.n_eligible, self.n_affordable)
