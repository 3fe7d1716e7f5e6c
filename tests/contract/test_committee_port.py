"""The port suite of committees: in this process, and behind endpoints that hold all members."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.unit.committee.manifests import put_untrained
from tests.unit.training.toy_world import CLASSES, frame
from winnow.adapters.calls import Calls
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.kserve_committee import KServeCommittee
from winnow.adapters.local_committee import LocalCommittee
from winnow.contracts import serving
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, NotFound, SchemaMismatch
from winnow.domain.ids import CommitteeVersion
from winnow.ports.committee import Committee
from winnow.tasks.committee import CommitteeModel
from winnow.testing.inference_server import InferenceServer, Refused, Tensors

VERSION = CommitteeVersion("c3")
MEMBERS = ("m0", "m1", "m2")
FRAMES = [frame(label, number) for number in range(7) for label in CLASSES]

World = Callable[[str], tuple[Committee, BlobRef]]


@dataclass
class Hosted:
    """The model of a committee behind the protocol, as its server puts it there."""

    model: CommitteeModel
    version: str
    ready: bool = True

    def answer(self, frames: Sequence[bytes], outputs: Sequence[str]) -> Tensors:
        import grpc  # type: ignore[import-untyped]

        names = [name.encode() for name in self.model.member_names]
        tensors: dict[str, object] = {
            serving.MEMBERS: names,
            serving.COMPUTE_MS: np.zeros(1, np.int64),
        }
        try:
            if outputs:
                tensors[serving.MAPS] = self.model.maps(frames).transpose(1, 0, 2, 3, 4)
            elif frames:
                said = self.model.score(frames)
                if said.probs_NMC is not None:
                    tensors[serving.PROBS] = said.probs_NMC.transpose(1, 0, 2)
                else:
                    tensors[serving.INFORMATION] = said.map_information()
                    tensors[serving.BOXES] = [text.encode() for text in said.boxes]
        except (BadInput, SchemaMismatch) as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        return tensors  # type: ignore[return-value]


@pytest.fixture(params=["local", "served"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    blobs = FileBlobs(tmp_path)
    with ExitStack() as stack:

        def make(network: str) -> tuple[Committee, BlobRef]:
            members = put_untrained(blobs, 3, CLASSES, version=VERSION, network=network)
            if request.param == "local":
                return LocalCommittee(blobs), members
            model = CommitteeModel.load(blobs, members)
            hosted = Hosted(model, serving.served_version(VERSION, members))
            server = stack.enter_context(InferenceServer({"c": hosted}))
            calls = Calls(frames_per_request=16)
            committee = KServeCommittee(blobs, lambda version: [server.url("c")], calls=calls)
            stack.callback(committee.close)
            return committee, members

        yield make


def test_members_are_named_in_the_order_of_the_manifest(world: World) -> None:
    committee, members = world("classification")
    for _ in range(2):
        assert tuple(committee.load(VERSION, members)) == MEMBERS


def test_classification_gives_a_distribution_of_each_member_for_each_frame(world: World) -> None:
    committee, members = world("classification")
    committee.load(VERSION, members)
    answer = committee.score(VERSION, FRAMES)
    assert answer.members_answered == MEMBERS
    probs_NMC = answer.class_probs()
    assert probs_NMC.shape == (len(FRAMES), 3, 3)
    assert probs_NMC.dtype == np.float32
    assert probs_NMC.sum(axis=2) == pytest.approx(1.0, abs=1e-5)
    assert (answer.information_NC, answer.boxes) == (None, ())
    one_by_one = [committee.score(VERSION, [data]).class_probs()[0] for data in FRAMES]
    np.testing.assert_allclose(probs_NMC, np.stack(one_by_one), atol=1e-5)


def test_detection_gives_information_boxes_and_on_request_maps(world: World) -> None:
    committee, members = world("grid_detection")
    committee.load(VERSION, members)
    answer = committee.score(VERSION, FRAMES)
    assert answer.map_information().shape == (len(FRAMES), 3)
    assert (answer.map_information() >= 0).all()
    assert len(answer.boxes) == len(FRAMES)
    assert answer.probs_NMC is None
    maps = committee.maps(VERSION, FRAMES[:2])
    assert maps.shape[:3] == (2, 3, 3)
    assert maps.dtype == np.float16


def test_classes_have_no_maps(world: World) -> None:
    committee, members = world("classification")
    committee.load(VERSION, members)
    with pytest.raises(SchemaMismatch, match="expected a committee of detection networks"):
        committee.maps(VERSION, FRAMES[:1])


def test_what_is_no_frame_is_bad_input(world: World) -> None:
    committee, members = world("classification")
    committee.load(VERSION, members)
    with pytest.raises(BadInput, match="expected an image"):
        committee.score(VERSION, [FRAMES[0], b"no image"])


def test_a_version_is_loaded_before_it_is_asked(world: World) -> None:
    committee, _ = world("classification")
    with pytest.raises(NotFound, match="expected it to be loaded first"):
        committee.score(VERSION, FRAMES)
