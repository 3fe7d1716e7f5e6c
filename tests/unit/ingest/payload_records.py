"""Records as KServe's payload logger writes them, of requests to a committee server."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from tests.unit.ingest.images import image_bytes

Json = dict[str, object]

TYPE = "org.kubeflow.serving.inference."
SURE = [[0.98, 0.01, 0.01], [0.96, 0.02, 0.02]]
UNSURE = [[0.4, 0.3, 0.3], [0.42, 0.29, 0.29]]
SPLIT = [[0.99, 0.005, 0.005], [0.5, 0.45, 0.05]]
"""What two members say of a frame: the third pair is confident enough, and disagrees."""


def request_body(frames: Sequence[bytes]) -> Json:
    """Give a request as `curl` sends it."""
    data = [base64.b64encode(frame).decode() for frame in frames]
    tensor = {"name": "frames", "datatype": "BYTES", "shape": [len(data)], "data": data}
    return {"inputs": [tensor]}


def tensor(name: str, values: object, datatype: str) -> Json:
    array = np.array(values)
    shape = list(array.shape)
    return {"name": name, "datatype": datatype, "shape": shape, "data": array.ravel().tolist()}


def response_body(*outputs: Json, version: str = "c3@0123456789ab") -> Json:
    """Give an answer of members m0 and m1."""
    who = [tensor("members", ["m0", "m1"], "BYTES"), tensor("compute_ms", [7], "INT64")]
    return {
        "model_name": "committee-r3-c3",
        "model_version": version,
        "id": "",
        "parameters": None,
        "outputs": [*who, *outputs],
    }


def classes(*frames: list[list[float]]) -> Json:
    """Give an answer about these frames, each as `SURE` is."""
    probs_MNC = np.array(frames).transpose(1, 0, 2)
    return response_body(tensor("probs", probs_MNC, "FP32"))


def boxes(information: list[list[float]], scores: list[list[float]]) -> Json:
    """Give an answer of a detection committee."""
    texts = [
        json.dumps([{"box": [0, 0, 4, 4], "class": "person", "score": s} for s in of_frame])
        for of_frame in scores
    ]
    return response_body(
        tensor("information", information, "FP32"), tensor("boxes", texts, "BYTES")
    )


def event(number: str, side: str, data: object, headers: Mapping[str, str] | None = None) -> Json:
    """Give a CloudEvent as a receiver stores it."""
    metadata = {name: [value] for name, value in (headers or {}).items()}
    return {
        "specversion": "1.0",
        "id": number,
        "source": "http://localhost:9081/",
        "type": TYPE + side,
        "time": "2026-03-01T08:30:00.123456789Z",
        "datacontenttype": "application/json",
        "inferenceservicename": "committee-r3-c3",
        "namespace": "winnow",
        "component": "predictor",
        "endpoint": "",
        "metadata": json.dumps(metadata),
        "data": data,
    }


def stored(number: str, side: str, data: object, headers: Mapping[str, str] | None = None) -> Json:
    """Give what KServe itself stores in a bucket."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return {
        "Url": {"Scheme": "s3", "Opaque": "", "User": None, "Host": "logs", "Path": ""},
        "Bytes": base64.b64encode(raw).decode(),
        "ContentType": "application/json",
        "ReqType": TYPE + side,
        "Id": number,
        "SourceUri": {"Scheme": "http", "Opaque": "", "User": None, "Host": "localhost:9081"},
        "InferenceService": "committee-r3-c3",
        "Namespace": "winnow",
        "Component": "predictor",
        "Endpoint": "",
        "Metadata": {name: [value] for name, value in (headers or {}).items()},
        "Annotations": None,
        "CertName": "",
        "TlsSkipVerify": False,
    }


def exchange(
    number: str,
    answer: Json,
    *,
    frames: Sequence[bytes] = (),
    headers: Mapping[str, str] | None = None,
) -> list[Json]:
    """Give a request and its response; without frames as many images as were answered."""
    outputs: list[Json] = answer["outputs"]  # type: ignore[assignment]
    shape: list[int] = outputs[2]["shape"]  # type: ignore[assignment]
    n = shape[1] if len(shape) == 3 else shape[0]
    images = frames or [image_bytes(crc32(f"{number}/{pos}".encode())) for pos in range(n)]
    return [
        event(number, "request", request_body(images), headers),
        event(number, "response", answer),
    ]


def write_log(path: Path, *records: object) -> Path:
    """Write a line for each record; bytes are written as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    path.write_bytes(b"\n".join([*lines, b""]))
    return path
