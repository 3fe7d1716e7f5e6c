"""A client of the Open Inference Protocol (version 2) over gRPC, with raw tensors."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
import numpy as np
from google.protobuf.message import Message

from winnow.adapters.raw_tensors import NAMES, Tensor, tensor_of
from winnow.contracts.generated.winnow.inference.v1 import inference_pb2 as pb
from winnow.domain.errors import BadInput, Retryable, SchemaMismatch

SERVICE = "/inference.GRPCInferenceService/"
PAUSE_SECONDS = 0.1
"""Before the second try; doubled before each further one."""
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)


@dataclass(frozen=True, slots=True)
class Address:
    """One model of one server: `grpc://host:port/model`, or `grpcs://…` with TLS."""

    url: str
    target: str
    model: str
    secure: bool

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read a URL.

        Raises
        ------
        BadInput
            Another scheme, no host, no port or no model.
        """
        try:
            parts = urlsplit(url)
            host, port, model = parts.hostname, parts.port, parts.path.strip("/")
        except ValueError:
            host, port, model = None, None, ""
        if not (host and port and model) or parts.scheme not in ("grpc", "grpcs"):
            msg = f"committee endpoint: expected grpc://host:port/model, found {url!r}"
            raise BadInput(msg)
        return cls(url, f"{host}:{port}", model, secure=parts.scheme == "grpcs")


@dataclass(frozen=True, slots=True)
class Inferred:
    """What a model answered."""

    model: str
    version: str
    tensors: Mapping[str, Tensor]


class OpenInferenceClient:
    """One server; safe to use from several threads at once."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._channel = (
            grpc.secure_channel(address.target, grpc.ssl_channel_credentials(), OPTIONS)
            if address.secure
            else grpc.insecure_channel(address.target, OPTIONS)
        )
        self._ready = self._method("ModelReady", pb.ModelReadyResponse)
        self._infer = self._method("ModelInfer", pb.ModelInferResponse)

    def ready(self, *, deadline_seconds: float) -> bool:
        """Tell whether the model answers; a server that is not there does not."""
        request = pb.ModelReadyRequest(name=self.address.model)
        try:
            return bool(self._ready(request, timeout=deadline_seconds).ready)
        except grpc.RpcError:
            return False

    def infer(
        self,
        inputs: Mapping[str, Tensor | Sequence[bytes]],
        *,
        outputs: Sequence[str] = (),
        deadline_seconds: float,
        attempts_max: int = 1,
    ) -> Inferred:
        """Ask the model.

        Parameters
        ----------
        inputs
            Tensors by name; a sequence of byte strings goes as BYTES [n].
        outputs
            Outputs to ask for; none: those that the model gives unasked.
        deadline_seconds
            For all attempts together.

        Raises
        ------
        BadInput
            The server refused what was sent.
        Retryable
            No answer in time, or none at all.
        SchemaMismatch
            The answer's bytes do not fit the shapes and types that it names.
        """
        request = _request(self.address.model, inputs, outputs)
        response = self._ask(request, deadline_seconds, attempts_max)
        return Inferred(response.model_name, response.model_version, self._tensors(response))

    def close(self) -> None:
        """End the connection; calls in flight fail."""
        self._channel.close()

    def _method(self, name: str, response: type[Message]) -> Any:  # noqa: ANN401 - grpc's own
        return self._channel.unary_unary(
            SERVICE + name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )

    def _ask(
        self, request: pb.ModelInferRequest, deadline_seconds: float, attempts_max: int
    ) -> pb.ModelInferResponse:
        ends_at = time.monotonic() + deadline_seconds
        for attempt in range(attempts_max):
            try:
                answer: pb.ModelInferResponse = self._infer(
                    request, timeout=max(0.0, ends_at - time.monotonic())
                )
                return answer
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                    raise BadInput(str(error.details())) from error
                pause = PAUSE_SECONDS * 2**attempt
                last = attempt + 1 == attempts_max or time.monotonic() + pause >= ends_at
                if last or error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise Retryable(self._failure(error, deadline_seconds)) from error
                time.sleep(pause)
        msg = f"attempts_max: expected at least 1, found {attempts_max}"
        raise BadInput(msg)

    def _failure(self, error: grpc.RpcError, deadline_seconds: float) -> str:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return (
                f"{self.address.url}: expected an answer within {deadline_seconds:g} s, found none"
            )
        return (
            f"{self.address.url}: expected an answer, found {error.code().name}: {error.details()}"
        )

    def _tensors(self, response: pb.ModelInferResponse) -> dict[str, Tensor]:
        if len(response.outputs) != len(response.raw_output_contents):
            msg = f"{self.address.url}: expected {len(response.outputs)} raw tensors, "
            raise SchemaMismatch(msg + f"found {len(response.raw_output_contents)}")
        pairs = zip(response.outputs, response.raw_output_contents, strict=True)
        where = self.address.url
        return {
            output.name: tensor_of(
                raw, output.datatype, output.shape, where=f"{where}, {output.name}"
            )
            for output, raw in pairs
        }


def _request(
    model: str, inputs: Mapping[str, Tensor | Sequence[bytes]], outputs: Sequence[str]
) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=model)
    for name, given in inputs.items():
        if isinstance(given, np.ndarray):
            shape, datatype, raw = given.shape, NAMES[given.dtype], given.tobytes()
        else:
            shape, datatype, raw = (len(given),), "BYTES", _length_prefixed(given)
        request.inputs.add(name=name, datatype=datatype, shape=shape)
        request.raw_input_contents.append(raw)
    for name in outputs:
        request.outputs.add(name=name)
    return request


def _length_prefixed(items: Sequence[bytes]) -> bytes:
    return b"".join(part for item in items for part in (len(item).to_bytes(4, "little"), item))
