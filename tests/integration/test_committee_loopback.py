"""The committee server in a process of its own, asked over loopback REST and gRPC."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import httpx
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from retrain import steps
from retrain.settings import RetrainSettings
from tests.unit.training.toy_world import CLASSES, frame, put_dataset
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.references import read_reference, reference_text
from winnow.tasks.committee import CommitteeModel
from winnow.testing.manual_clock import ManualClock

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def train(folder: Path) -> str:
    """Train a toy committee; give the reference of its members manifest."""
    ledger = SqliteLedger(folder / "ledger.db")
    context = steps.Context(
        FileBlobs(folder / "blobs"), ledger, ManualClock(), RetrainSettings.embedded(folder)
    )
    dataset = reference_text(put_dataset(context.blobs))
    tasks = steps.plan(context, round_id="r0", dataset=dataset)
    members = [steps.train_members(context, orders=orders) for orders in tasks]
    reference = steps.register(context, round_id="r0", dataset=dataset, members=members)
    ledger.close()
    return reference


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, int, int]]:
    members, http_port, grpc_port = train(tmp_path), free_port(), free_port()
    environment = {
        "WINNOW_COMMITTEE_BLOBS_URL": f"file://{tmp_path / 'blobs'}",
        "WINNOW_COMMITTEE_MEMBERS": members,
        "WINNOW_COMMITTEE_HTTP_PORT": str(http_port),
        "WINNOW_COMMITTEE_GRPC_PORT": str(grpc_port),
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "committee"], env={**os.environ, **environment}
    )
    wait_until_ready(f"http://127.0.0.1:{http_port}/v2/models/committee-r0-c0/ready", process)
    yield tmp_path, members, http_port, grpc_port
    process.terminate()
    process.wait(timeout=30)


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready: {url}")


def test_rest_and_grpc_answer_what_the_model_answers(served: tuple[Path, str, int, int]) -> None:
    folder, members, http_port, grpc_port = served
    frames = [frame(label, 5) for label in CLASSES]
    model = CommitteeModel.load(FileBlobs(folder / "blobs"), read_reference(members))
    expected = model.score(frames).probs_NMC.transpose(1, 0, 2)

    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        tensor = pb.ModelInferRequest.InferInputTensor(name="frames", datatype="BYTES", shape=[3])
        raw = b"".join(len(data).to_bytes(4, "little") + data for data in frames)
        request = pb.ModelInferRequest(
            model_name="committee-r0-c0", inputs=[tensor], raw_input_contents=[raw]
        )
        answer = GRPCInferenceServiceStub(channel).ModelInfer(request)
    over_grpc = np.frombuffer(answer.raw_output_contents[0], dtype=np.float32)
    np.testing.assert_array_equal(over_grpc.reshape(2, 3, 3), expected)

    body = {
        "inputs": [
            {
                "name": "frames",
                "datatype": "BYTES",
                "shape": [3],
                "data": [base64.b64encode(data).decode() for data in frames],
            }
        ]
    }
    url = f"http://127.0.0.1:{http_port}/v2/models/committee-r0-c0/infer"
    outputs = {one["name"]: one for one in httpx.post(url, json=body).json()["outputs"]}
    over_rest = np.array(outputs["probs"]["data"], dtype=np.float32).reshape(2, 3, 3)
    np.testing.assert_allclose(over_rest, expected, rtol=1e-6)
    assert outputs["members"]["data"] == ["m0", "m1"]

    metrics = httpx.get(f"http://127.0.0.1:{http_port}/metrics").text
    assert "winnow_committee_frames_total 6.0" in metrics
