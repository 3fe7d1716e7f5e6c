"""All members behind one KServe model: frames in, what the members say out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from kserve import InferRequest, InferResponse, Model
from kserve.errors import InvalidInput, ModelNotReady

from committee.metrics import FRAMES, MISSING
from committee.tensors import Asked, asked_of, described, outputs_of
from winnow.contracts import serving
from winnow.domain.errors import BadInput, Retryable, SchemaMismatch
from winnow.ports.committee import CommitteeAnswer
from winnow.tasks.committee import CommitteeModel


class NotAnswered(ModelNotReady):  # type: ignore[misc]
    """No member answered; KServe's own error lacks the reason that its gRPC server asks for."""

    def __init__(self, model_name: str, reason: str) -> None:
        super().__init__(model_name, reason)
        self.reason = reason


class CommitteeServer(Model):  # type: ignore[misc]
    """The members of one committee version, or some of them.

    Tensors are those of `winnow.contracts.serving`. Members that failed are missing from
    `members`. A request without frames asks who is there. Every answer carries the version.
    """

    def __init__(
        self,
        name: str,
        model: CommitteeModel,
        *,
        version: str,
        frames_max: int,
    ) -> None:
        super().__init__(name)
        self._model = model
        self._version = version
        self._frames_max = frames_max
        self.ready = True

    async def predict(
        self,
        payload: InferRequest,
        headers: Mapping[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> InferResponse:
        """Score a request beside the event loop, so that probes are answered meanwhile."""
        try:
            asked = asked_of(payload, frames_max=self._frames_max)
            outputs = await asyncio.to_thread(self._outputs, asked)
        except (BadInput, SchemaMismatch) as error:
            raise InvalidInput(str(error)) from error
        except Retryable as error:
            raise NotAnswered(self.name, str(error)) from error
        return InferResponse(
            response_id=payload.id or "",
            model_name=self.name,
            model_version=self._version,
            infer_outputs=outputs,
        )

    def get_input_types(self) -> list[dict[str, Any]]:
        """Describe the inputs, for model metadata: encoded frames, or pixels instead."""
        height, width = self._model.input_size
        return [
            {"name": serving.FRAMES, "datatype": "BYTES", "shape": [-1]},
            {"name": serving.PIXELS, "datatype": "UINT8", "shape": [-1, 3, height, width]},
        ]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Describe the outputs, for model metadata."""
        n_members, n_classes = len(self._model.member_names), len(self._model.class_names)
        return described(self._model.kind, n_members=n_members, n_classes=n_classes)

    def _outputs(self, asked: Asked) -> list[Any]:
        if not len(asked):
            return outputs_of(CommitteeAnswer(self._model.member_names, compute_ms=0))
        if asked.maps:
            return outputs_of(
                CommitteeAnswer(self._model.member_names, compute_ms=0),
                maps=self._model.maps(asked.frames),
            )
        answer = (
            self._model.score(asked.frames)
            if asked.pixels is None
            else self._model.score_pixels(asked.pixels, sizes_N2=asked.sizes_N2)
        )
        FRAMES.inc(len(asked))
        MISSING.inc(len(self._model.member_names) - len(answer.members_answered))
        return outputs_of(answer)
