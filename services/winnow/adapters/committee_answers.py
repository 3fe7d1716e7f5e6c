"""What committee servers answered, checked against what they were asked, and put together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.adapters.open_inference import Inferred
from winnow.adapters.raw_tensors import Tensor
from winnow.contracts import serving
from winnow.domain.errors import Retryable, SchemaMismatch
from winnow.ports.committee import CommitteeAnswer


def check_version(said: Inferred, expected: str, where: str) -> None:
    """Refuse the answer of another committee, e.g. of another round.

    Raises
    ------
    SchemaMismatch
        The answer is marked with another version.
    """
    if said.version != expected:
        msg = f"{where}: expected answers of committee {expected}, "
        raise SchemaMismatch(msg + f"found {said.version or 'no version'}")


def names_in(said: Inferred, where: str) -> tuple[str, ...]:
    """Give who answered."""
    return tuple(_texts(said, serving.MEMBERS, where))


def answer_in(
    said: Inferred, members: tuple[str, ...], frames_classes: tuple[int, int], where: str
) -> CommitteeAnswer:
    """Read an answer of members that one endpoint holds.

    Parameters
    ----------
    frames_classes
        How many frames were asked about, and of how many classes.

    Raises
    ------
    SchemaMismatch
        Tensors of other shapes, of other types or none, or members that the endpoint has not.
    """
    names = names_in(said, where)
    if strangers := [name for name in names if name not in members]:
        msg = f"{where}: expected members among {', '.join(members)}, "
        raise SchemaMismatch(msg + f"found {', '.join(strangers)}")
    compute_ms = int(_tensor(said, serving.COMPUTE_MS, "int64", (1,), where)[0])
    if serving.INFORMATION not in said.tensors:
        shape = (len(names), *frames_classes)
        probs_MNC = _tensor(said, serving.PROBS, "float32", shape, where)
        return CommitteeAnswer(names, compute_ms, probs_NMC=probs_MNC.transpose(1, 0, 2))
    information_NC = _tensor(said, serving.INFORMATION, "float32", frames_classes, where)
    boxes = _texts(said, serving.BOXES, where)
    if len(boxes) != frames_classes[0]:
        msg = f"{where}: expected boxes of {frames_classes[0]} frames, found {len(boxes)}"
        raise SchemaMismatch(msg)
    return CommitteeAnswer(names, compute_ms, information_NC=information_NC, boxes=tuple(boxes))


def maps_in(
    said: Inferred, members_frames_classes: tuple[int, int, int], where: str
) -> npt.NDArray[np.float16]:
    """Read maps [N, M, C, h, w]; raises as `answer_in` does."""
    shape = (*members_frames_classes, None, None)
    maps_MNChw = _tensor(said, serving.MAPS, "float16", shape, where)
    return np.ascontiguousarray(maps_MNChw.transpose(1, 0, 2, 3, 4))


def joined(answers: Sequence[CommitteeAnswer | None]) -> CommitteeAnswer:
    """Give one endpoint's answers to all requests, by the members that answered each of them."""
    parts = [answer for answer in answers if answer is not None]
    names = tuple(
        name
        for name in parts[0].members_answered
        if all(name in part.members_answered for part in parts)
    )
    compute_ms = sum(part.compute_ms for part in parts)
    if parts[0].information_NC is not None:
        if any(part.members_answered != names for part in parts):
            msg = "expected the same members in each answer of maps' information, found "
            raise Retryable(msg + " / ".join(", ".join(p.members_answered) for p in parts))
        return CommitteeAnswer(
            names,
            compute_ms,
            information_NC=np.concatenate([part.map_information() for part in parts]),
            boxes=tuple(text for part in parts for text in part.boxes),
        )
    rows = [
        part.class_probs()[:, [part.members_answered.index(name) for name in names]]
        for part in parts
    ]
    return CommitteeAnswer(names, compute_ms, probs_NMC=np.concatenate(rows))


def combined(
    parts: Sequence[CommitteeAnswer], order: Sequence[str], *, where: str
) -> CommitteeAnswer:
    """Give the answers of all endpoints as one, members in this order; at least one part.

    Raises
    ------
    SchemaMismatch
        Detection over several endpoints: its members' maps would have to be in one place.
    """
    if len(parts) == 1 and parts[0].information_NC is not None:
        return parts[0]
    if any(part.information_NC is not None for part in parts):
        msg = f"committee {where}: expected one endpoint with all members of a detection committee"
        raise SchemaMismatch(f"{msg}, found {len(parts)}")
    probs = {
        name: part.class_probs()[:, m]
        for part in parts
        for m, name in enumerate(part.members_answered)
    }
    answered = tuple(name for name in order if name in probs)
    return CommitteeAnswer(
        members_answered=answered,
        compute_ms=sum(part.compute_ms for part in parts),
        probs_NMC=np.ascontiguousarray(np.stack([probs[name] for name in answered], axis=1)),
    )


def _texts(said: Inferred, name: str, where: str) -> list[str]:
    found = _tensor(said, name, "object", (None,), where).tolist()
    return [
        item if isinstance(item, str) else bytes(item).decode(errors="replace") for item in found
    ]


def _tensor(
    said: Inferred, name: str, dtype: str, shape: tuple[int | None, ...], where: str
) -> Tensor:
    """Give a tensor of this type and shape; None is any length."""
    if name not in said.tensors:
        msg = f"{where}: expected an output {name!r}, "
        raise SchemaMismatch(msg + f"found {', '.join(said.tensors) or 'none'}")
    found = said.tensors[name]
    fits = len(found.shape) == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, found.shape, strict=True)
    )
    if not fits or found.dtype != np.dtype(dtype):
        wanted_text = ", ".join("any" if length is None else str(length) for length in shape)
        msg = f"{where}: expected {name} {dtype} ({wanted_text}), "
        raise SchemaMismatch(msg + f"found {found.dtype} {found.shape}")
    return found
