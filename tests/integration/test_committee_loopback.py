"""Committee servers in processes of their own, asked over loopback REST and gRPC."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import numpy as np
import pytest

from tests.integration.committee_servers import Server, serving, train
from tests.unit.training.toy_world import CLASSES, frame
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.kserve_committee import KServeCommittee
from winnow.adapters.open_inference import Address, OpenInferenceClient
from winnow.contracts import serving as names
from winnow.contracts.references import read_reference
from winnow.domain.errors import BadInput
from winnow.domain.ids import CommitteeVersion
from winnow.ports.committee import CommitteeAnswer
from winnow.tasks.committee import CommitteeModel
from winnow.tasks.examples import stacked

pytestmark = pytest.mark.slow
VERSION = CommitteeVersion("c0")
FRAMES = [frame(label, number) for number in range(5) for label in CLASSES]


@dataclass(frozen=True)
class World:
    """A committee in this process, its bytes, and two layouts of it as servers."""

    blobs: FileBlobs
    members: str
    together: Server
    apart: tuple[Server, Server]

    def model(self) -> CommitteeModel:
        return CommitteeModel.load(self.blobs, read_reference(self.members))

    def asked(self, *servers: Server, frames: list[bytes] = FRAMES) -> CommitteeAnswer:
        committee = KServeCommittee(self.blobs, lambda version: [s.endpoint for s in servers])
        assert committee.load(VERSION, read_reference(self.members)) == ("m0", "m1")
        try:
            return committee.score(VERSION, frames)
        finally:
            committee.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("served")
    members = train(folder)
    with ExitStack() as stack:
        together = stack.enter_context(serving(folder, members))
        first = stack.enter_context(serving(folder, members, names=["m0"]))
        second = stack.enter_context(serving(folder, members, names=["m1"]))
        yield World(FileBlobs(folder / "blobs"), members, together, (second, first))


def test_both_layouts_answer_what_the_model_answers_in_this_process(world: World) -> None:
    expected = world.model().score(FRAMES)
    for answer in (world.asked(world.together), world.asked(*world.apart)):
        assert answer.members_answered == expected.members_answered
        np.testing.assert_array_equal(answer.class_probs(), expected.class_probs())


def test_pixels_go_instead_of_frames(world: World) -> None:
    pixels, _ = stacked(FRAMES, height=8, width=8)
    client = OpenInferenceClient(Address.parse(world.together.endpoint))
    said = client.infer({names.PIXELS: pixels}, deadline_seconds=30)
    client.close()
    expected = world.model().score(FRAMES).class_probs().transpose(1, 0, 2)
    np.testing.assert_array_equal(said.tensors[names.PROBS], expected)


def test_what_is_no_frame_is_told_through_the_server(world: World) -> None:
    with pytest.raises(BadInput, match="expected an image"):
        world.asked(world.together, frames=[*FRAMES, b"no image"])


def test_rest_answers_curl(world: World) -> None:
    body = {
        "inputs": [
            {
                "name": "frames",
                "datatype": "BYTES",
                "shape": [3],
                "data": [base64.b64encode(data).decode() for data in FRAMES[:3]],
            }
        ]
    }
    answer = httpx.post(f"{world.together.url}/infer", json=body).json()
    outputs = {one["name"]: one for one in answer["outputs"]}
    over_rest = np.array(outputs["probs"]["data"], dtype=np.float32).reshape(2, 3, 3)
    expected = world.model().score(FRAMES[:3]).class_probs().transpose(1, 0, 2)
    np.testing.assert_allclose(over_rest, expected, rtol=1e-6)
    assert outputs["members"]["data"] == ["m0", "m1"]
    assert answer["model_version"] == names.served_version("c0", read_reference(world.members))

    metrics = httpx.get(f"http://127.0.0.1:{world.together.http_port}/metrics").text
    assert "winnow_committee_frames_total" in metrics
