"""A model server on loopback that says what it is told to say, for clients of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import grpc  # type: ignore[import-untyped]
import numpy as np

from winnow.adapters.raw_tensors import NAMES, Tensor
from winnow.contracts import serving
from winnow.contracts.generated.winnow.inference.v1 import inference_pb2 as pb


class Refused(Exception):
    """The server ends the call with this status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code


Tensors: TypeAlias = Mapping[str, Tensor | Sequence[bytes]]


class Served(Protocol):
    """A model behind the server."""

    version: str
    ready: bool

    def answer(self, frames: Sequence[bytes], outputs: Sequence[str]) -> Tensors:
        """Give the tensors of an answer; `outputs` are those that were asked for, if any."""
        ...


@dataclass(slots=True)
class ScriptedModel:
    """Members that answer with numbers which follow from the bytes and their own names.

    `trouble` is called before each answer about frames with the number of that call, from 0: it
    may raise `Refused`, wait, or give another answer's tensors.
    """

    version: str
    members: Sequence[str]
    n_classes: int
    ready: bool = True
    trouble: Callable[[int], Tensors | None] = lambda call: None
    calls: list[int] = field(default_factory=list)
    """Frames of each call about frames."""

    def answer(self, frames: Sequence[bytes], outputs: Sequence[str]) -> Tensors:
        """Give the tensors of an answer; without frames the names alone."""
        names = [name.encode() for name in self.members]
        took = np.array([len(frames)], dtype=np.int64)
        if not frames:
            return {serving.MEMBERS: names, serving.COMPUTE_MS: took}
        self.calls.append(len(frames))
        told = self.trouble(len(self.calls) - 1)
        if told is not None:
            return told
        return {
            serving.PROBS: scripted_probs(frames, self.members, self.n_classes),
            serving.MEMBERS: names,
            serving.COMPUTE_MS: took,
        }


def scripted_probs(
    frames: Sequence[bytes], members: Sequence[str], n_classes: int
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Give `probs_MNC` that follow from each member's name and each frame's bytes alone."""
    classes = np.arange(1, n_classes + 1, dtype=np.float64)
    raw = np.array(
        [
            [(sum(frame) % 97 + 1 + 7 * sum(name.encode())) % classes + 1 for frame in frames]
            for name in members
        ]
    )
    probs: np.ndarray[Any, np.dtype[np.float32]] = (raw / raw.sum(axis=2, keepdims=True)).astype(
        np.float32
    )
    return probs


class InferenceServer:
    """Serves models by name until it is closed: `with InferenceServer(…) as server`."""

    def __init__(self, models: Mapping[str, Served]) -> None:
        self._models = models
        self._pool = ThreadPoolExecutor(max_workers=16)
        self._server = grpc.server(self._pool)
        methods = {
            "ModelReady": self._method(self._ready, pb.ModelReadyRequest),
            "ModelInfer": self._method(self._infer, pb.ModelInferRequest),
        }
        handler = grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods)
        self._server.add_generic_rpc_handlers((handler,))
        self.port: int = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> InferenceServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def url(self, model: str) -> str:
        """Give the endpoint of one of its models."""
        return f"grpc://127.0.0.1:{self.port}/{model}"

    def _method(self, function: Any, request: Any) -> Any:  # noqa: ANN401 - grpc's own
        return grpc.unary_unary_rpc_method_handler(
            function,
            request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _ready(self, request: pb.ModelReadyRequest, context: Any) -> pb.ModelReadyResponse:  # noqa: ANN401
        model = self._models.get(request.name)
        return pb.ModelReadyResponse(ready=model is not None and model.ready)

    def _infer(self, request: pb.ModelInferRequest, context: Any) -> pb.ModelInferResponse:  # noqa: ANN401
        model = self._models[request.model_name]
        try:
            tensors = model.answer(
                _byte_strings(request.raw_input_contents[0]), [one.name for one in request.outputs]
            )
        except Refused as refusal:
            context.abort(refusal.code, str(refusal))
            raise
        response = pb.ModelInferResponse(model_name=request.model_name, model_version=model.version)
        for name, values in tensors.items():
            _add(response, name, values)
        return response


def _add(response: pb.ModelInferResponse, name: str, values: Tensor | Sequence[bytes]) -> None:
    if isinstance(values, np.ndarray):
        response.outputs.add(name=name, datatype=NAMES[values.dtype], shape=values.shape)
        response.raw_output_contents.append(values.tobytes())
    else:
        response.outputs.add(name=name, datatype="BYTES", shape=[len(values)])
        raw = b"".join(len(one).to_bytes(4, "little") + one for one in values)
        response.raw_output_contents.append(raw)


def _byte_strings(raw: bytes) -> list[bytes]:
    items, pos = [], 0
    while pos < len(raw):
        size = int.from_bytes(raw[pos : pos + 4], "little")
        items.append(raw[pos + 4 : pos + 4 + size])
        pos += 4 + size
    return items
