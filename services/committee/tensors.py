"""Between the protocol's tensors and what the committee's model takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from kserve import InferInput, InferOutput, InferRequest

from winnow.contracts import serving
from winnow.domain.errors import BadInput
from winnow.ports.committee import CommitteeAnswer

DATATYPES = {"float32": "FP32", "float16": "FP16", "int64": "INT64", "object": "BYTES"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request holds: encoded frames, or pixels and perhaps their sizes."""

    frames: Sequence[bytes] = ()
    pixels: npt.NDArray[np.uint8] | None = None
    sizes_N2: npt.NDArray[np.int64] | None = None
    maps: bool = False

    def __len__(self) -> int:
        return len(self.frames) if self.pixels is None else len(self.pixels)


def asked_of(payload: InferRequest, *, frames_max: int) -> Asked:
    """Read a request.

    Raises
    ------
    BadInput
        Neither frames nor pixels, both, too many, or tensors of another type or shape.
    """
    given = {one.name: one for one in payload.inputs}
    maps = serving.MAPS in {one.name for one in payload.request_outputs or ()}
    if set(given) == {serving.FRAMES}:
        items = given[serving.FRAMES].as_numpy().ravel().tolist()
        asked = Asked([serving.frame_bytes(item, pos) for pos, item in enumerate(items)], maps=maps)
    elif serving.PIXELS in given and set(given) <= {serving.PIXELS, serving.SIZES} and not maps:
        asked = _pixels_of(given)
    else:
        msg = f"expected the input {serving.FRAMES!r}, or {serving.PIXELS!r} and perhaps "
        raise BadInput(msg + f"{serving.SIZES!r} (not for maps), found {sorted(given)}")
    if len(asked) > frames_max:
        msg = f"expected at most {frames_max} frames, found {len(asked)}"
        raise BadInput(msg)
    return asked


def outputs_of(
    answer: CommitteeAnswer, *, maps: npt.NDArray[np.float16] | None = None
) -> list[InferOutput]:
    """Give the tensors of an answer: those that its kind has."""
    outputs = [
        _output(serving.MEMBERS, _objects([name.encode() for name in answer.members_answered])),
        _output(serving.COMPUTE_MS, np.array([answer.compute_ms], dtype=np.int64)),
    ]
    if answer.probs_NMC is not None:
        outputs.append(_output(serving.PROBS, answer.probs_NMC.transpose(1, 0, 2)))
    if answer.information_NC is not None:
        outputs.append(_output(serving.INFORMATION, answer.information_NC))
        outputs.append(_output(serving.BOXES, _objects([one.encode() for one in answer.boxes])))
    if maps is not None:
        outputs.append(_output(serving.MAPS, maps.transpose(1, 0, 2, 3, 4)))
    return outputs


def described(kind: str, *, n_members: int, n_classes: int) -> list[dict[str, Any]]:
    """Describe the outputs of a kind of committee; -1 is the number of frames."""
    of_kind: dict[str, list[tuple[str, str, list[int]]]] = {
        "classification": [(serving.PROBS, "FP32", [n_members, -1, n_classes])],
        "detection": [
            (serving.INFORMATION, "FP32", [-1, n_classes]),
            (serving.BOXES, "BYTES", [-1]),
            (serving.MAPS, "FP16", [n_members, -1, n_classes, -1, -1]),
        ],
    }
    outputs = [
        (serving.MEMBERS, "BYTES", [n_members]),
        (serving.COMPUTE_MS, "INT64", [1]),
        *of_kind[kind],
    ]
    return [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in outputs]


def _pixels_of(given: dict[str, InferInput]) -> Asked:
    pixels = given[serving.PIXELS].as_numpy()
    sizes = given[serving.SIZES].as_numpy() if serving.SIZES in given else None
    if pixels.dtype != np.uint8 or pixels.ndim != 4:
        msg = f"{serving.PIXELS}: expected UINT8 [N, 3, H, W], found {pixels.dtype} {pixels.shape}"
        raise BadInput(msg)
    if sizes is not None and (sizes.dtype != np.int64 or sizes.shape != (len(pixels), 2)):
        msg = f"{serving.SIZES}: expected INT64 [{len(pixels)}, 2], "
        raise BadInput(msg + f"found {sizes.dtype} {sizes.shape}")
    return Asked(pixels=pixels, sizes_N2=sizes)


def _objects(items: Sequence[bytes]) -> npt.NDArray[np.object_]:
    found = np.empty(len(items), dtype=np.object_)
    found[:] = items
    return found


def _output(name: str, values: np.ndarray[Any, Any]) -> InferOutput:
    output = InferOutput(name=name, shape=list(values.shape), datatype=DATATYPES[values.dtype.name])
    # gRPC carries raw tensors; REST asks KServe to turn them into JSON itself.
    output.set_data_from_numpy(np.ascontiguousarray(values), binary_data=True)
    return output
