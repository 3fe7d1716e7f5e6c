"""All members behind one KServe model: frames in, one tensor [members, frames, classes] out."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model
from kserve.errors import InvalidInput, ModelNotReady

from committee.metrics import FRAMES, MISSING
from winnow.contracts.artifacts import Members
from winnow.domain.errors import BadInput, Retryable
from winnow.ports.committee import CommitteeAnswer
from winnow.tasks.committee import CommitteeModel

INPUT = "frames"


def model_name_of(members: Members) -> str:
    """Give the name under which a version is served; round and version are in it.

    KServe's own versions (`/models/NAME/versions/V`) answer 501, so the name must tell.
    """
    return f"committee-{members.round_id}-{members.committee_version}"


class CommitteeServer(Model):  # type: ignore[misc]
    """The members of one committee version.

    Input `frames`: BYTES [N], encoded images; as JSON text they are base64. Outputs: `probs` FP32
    [M, N, C], calibrated; `members` BYTES [M], names in the order of `probs`; `compute_ms` INT64
    [1]. Members that failed are missing from `members`.
    """

    def __init__(self, name: str, model: CommitteeModel, *, frames_max: int) -> None:
        super().__init__(name)
        self._model = model
        self._frames_max = frames_max
        self.ready = True

    async def predict(
        self,
        payload: InferRequest,
        headers: Mapping[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> InferResponse:
        """Score a request beside the event loop, so that probes are answered meanwhile."""
        frames = self._frames(payload)
        try:
            answer = await asyncio.to_thread(self._model.score, frames)
        except BadInput as error:
            raise InvalidInput(str(error)) from error
        except Retryable as error:
            raise ModelNotReady(self.name, str(error)) from error
        FRAMES.inc(len(frames))
        MISSING.inc(len(self._model.member_names) - len(answer.members_answered))
        return InferResponse(
            response_id=payload.id or "", model_name=self.name, infer_outputs=_outputs(answer)
        )

    def get_input_types(self) -> list[dict[str, Any]]:
        """Describe the input, for model metadata."""
        return [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Describe the outputs, for model metadata."""
        members, classes = len(self._model.member_names), len(self._model.class_names)
        return [
            {"name": "probs", "datatype": "FP32", "shape": [members, -1, classes]},
            {"name": "members", "datatype": "BYTES", "shape": [members]},
            {"name": "compute_ms", "datatype": "INT64", "shape": [1]},
        ]

    def _frames(self, payload: InferRequest) -> list[bytes]:
        found = {given.name: given for given in payload.inputs}
        if set(found) != {INPUT}:
            msg = f"expected the input {INPUT!r}, found {sorted(found)}"
            raise InvalidInput(msg)
        items = found[INPUT].as_numpy().ravel().tolist()
        if not 1 <= len(items) <= self._frames_max:
            msg = f"expected 1 to {self._frames_max} frames, found {len(items)}"
            raise InvalidInput(msg)
        return [_bytes_of(item, pos) for pos, item in enumerate(items)]


def _bytes_of(item: bytes | str, pos: int) -> bytes:
    if isinstance(item, bytes):
        return item
    try:
        return base64.b64decode(item, validate=True)
    except binascii.Error as error:
        msg = f"frame {pos}: expected base64, found: {error}"
        raise InvalidInput(msg) from error


def _outputs(answer: CommitteeAnswer) -> Sequence[InferOutput]:
    probs_MNC = np.ascontiguousarray(answer.class_probs().transpose(1, 0, 2))
    names = np.array([name.encode() for name in answer.members_answered], dtype=np.object_)
    return [
        _output("probs", "FP32", probs_MNC),
        _output("members", "BYTES", names),
        _output("compute_ms", "INT64", np.array([answer.compute_ms], dtype=np.int64)),
    ]


def _output(name: str, datatype: str, values: np.ndarray[Any, Any]) -> InferOutput:
    output = InferOutput(name=name, shape=list(values.shape), datatype=datatype)
    # gRPC carries raw tensors; REST asks KServe to turn them into JSON itself.
    output.set_data_from_numpy(values, binary_data=True)
    return output
