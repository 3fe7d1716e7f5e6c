"""The client of committee servers: given endpoints that misbehave, then who is missing and why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest

from tests.unit.committee.manifests import put_members
from winnow.adapters.calls import Calls
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.kserve_committee import KServeCommittee
from winnow.adapters.open_inference import Address
from winnow.contracts import serving
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, NotFound, Retryable, SchemaMismatch
from winnow.domain.ids import CommitteeVersion
from winnow.testing.inference_server import (
    InferenceServer,
    Refused,
    ScriptedModel,
    scripted_probs,
)

MEMBERS = ("m0", "m1", "m2")
CLASSES = ("a", "b", "c", "d")
VERSION = CommitteeVersion("c3")
FRAMES = [bytes([n, n + 1]) for n in range(10)]
QUICK = Calls(deadline_seconds=5.0, frames_per_request=4)
# Short enough to wait for, long enough that endpoints which do answer meet it on a busy machine.
IMPATIENT = Calls(deadline_seconds=2.0)


@dataclass
class World:
    """A members manifest and servers that hold its members."""

    blobs: FileBlobs
    members: BlobRef
    stack: ExitStack
    urls: list[str] = field(default_factory=list)

    def serve(self, *names: str, version: str = "", **changes: object) -> ScriptedModel:
        """Start a server of these members."""
        text = version or serving.served_version(VERSION, self.members)
        model = ScriptedModel(text, names, len(CLASSES), **changes)  # type: ignore[arg-type]
        server = self.stack.enter_context(InferenceServer({"committee": model}))
        self.urls.append(server.url("committee"))
        return model

    def committee(self, calls: Calls = QUICK) -> KServeCommittee:
        committee = KServeCommittee(self.blobs, lambda version: self.urls, calls=calls)
        self.stack.callback(committee.close)
        return committee

    def loaded(self, calls: Calls = QUICK) -> KServeCommittee:
        committee = self.committee(calls)
        assert committee.load(VERSION, self.members) == MEMBERS
        return committee


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    blobs = FileBlobs(tmp_path)
    with ExitStack() as stack:
        yield World(blobs, put_members(blobs, MEMBERS, CLASSES, version=VERSION), stack)


def expected(members: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return scripted_probs(FRAMES, members, len(CLASSES)).transpose(1, 0, 2)


def test_one_endpoint_with_all_members_answers_in_several_requests(world: World) -> None:
    model = world.serve(*MEMBERS)
    answer = world.loaded().score(VERSION, FRAMES)
    assert answer.members_answered == MEMBERS
    np.testing.assert_array_equal(answer.probs_NMC, expected(MEMBERS))
    assert sorted(model.calls) == [2, 4, 4]
    assert answer.compute_ms == len(FRAMES)


def test_members_spread_over_endpoints_come_in_the_order_of_the_manifest(world: World) -> None:
    world.serve("m2", "m1")
    world.serve("m0")
    answer = world.loaded().score(VERSION, FRAMES)
    assert answer.members_answered == MEMBERS
    np.testing.assert_array_equal(answer.probs_NMC, expected(MEMBERS))


def test_requests_stay_below_the_servers_limit_of_bytes(world: World) -> None:
    model = world.serve(*MEMBERS)
    committee = world.loaded(Calls(bytes_per_request_max=5))
    np.testing.assert_array_equal(committee.score(VERSION, FRAMES).probs_NMC, expected(MEMBERS))
    assert model.calls == [2] * 5


def hanging(released: threading.Event) -> Callable[[int], None]:
    def trouble(call: int) -> None:
        released.wait(timeout=30)

    return trouble


def test_an_endpoint_that_hangs_leaves_its_members_out(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    released = threading.Event()
    world.stack.callback(released.set)
    world.serve("m0", "m1")
    world.serve("m2", trouble=hanging(released))
    answer = world.loaded(IMPATIENT).score(VERSION, FRAMES)
    assert answer.members_answered == ("m0", "m1")
    np.testing.assert_array_equal(answer.probs_NMC, expected(("m0", "m1")))
    logged = "".join(capsys.readouterr())
    assert "m2" in logged
    assert "expected an answer within 2 s, found none" in logged


def test_when_all_hang_the_reason_is_told(world: World) -> None:
    released = threading.Event()
    world.stack.callback(released.set)
    world.serve(*MEMBERS, trouble=hanging(released))
    committee = world.loaded(IMPATIENT)
    with pytest.raises(Retryable, match=r"an answer of a member, found none .*within 2 s"):
        committee.score(VERSION, FRAMES)


def test_a_server_that_comes_back_is_asked_again(world: World) -> None:
    def trouble(call: int) -> None:
        if call == 0:
            raise Refused(grpc.StatusCode.UNAVAILABLE, "restarting")

    model = world.serve(*MEMBERS, trouble=trouble)
    answer = world.loaded(Calls(deadline_seconds=5.0)).score(VERSION, FRAMES)
    assert answer.members_answered == MEMBERS
    assert model.calls == [10, 10]


def test_tries_are_bounded(world: World) -> None:
    def trouble(call: int) -> None:
        raise Refused(grpc.StatusCode.UNAVAILABLE, "restarting")

    model = world.serve(*MEMBERS, trouble=trouble)
    committee = world.loaded(Calls(deadline_seconds=5.0, attempts_max=2))
    with pytest.raises(Retryable, match="UNAVAILABLE: restarting"):
        committee.score(VERSION, FRAMES)
    assert len(model.calls) == 2


def test_a_frame_that_the_server_refuses_is_bad_input(world: World) -> None:
    def trouble(call: int) -> None:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "expected an image, found text")

    world.serve(*MEMBERS, trouble=trouble)
    committee = world.loaded()
    with pytest.raises(BadInput, match="expected an image, found text"):
        committee.score(VERSION, FRAMES)


def test_answers_of_another_round_are_not_taken(world: World) -> None:
    model = world.serve(*MEMBERS)
    committee = world.loaded()
    model.version = "c2@000000000000"
    with pytest.raises(SchemaMismatch, match=r"expected answers of committee c3@.*found c2@0000"):
        committee.score(VERSION, FRAMES)


def test_a_committee_of_another_version_is_not_ready(world: World) -> None:
    world.serve(*MEMBERS, version="c2@000000000000")
    with pytest.raises(Retryable, match=r"expected answers of committee c3@.*found c2@0000"):
        world.committee().load(VERSION, world.members)


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({serving.PROBS: np.zeros((3, 10, 5), np.float32)}, r"found float32 \(3, 10, 5\)"),
        ({serving.PROBS: np.zeros((3, 9, 4), np.float32)}, r"found float32 \(3, 9, 4\)"),
        ({serving.PROBS: np.zeros((2, 10, 4), np.float32)}, r"found float32 \(2, 10, 4\)"),
        ({}, "expected an output 'probs', found members"),
        ({serving.INFORMATION: np.zeros((10, 3), np.float32)}, r"found float32 \(10, 3\)"),
    ],
)
def test_wrong_shapes_are_told_with_what_was_expected(
    world: World, tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]], found: str
) -> None:
    names = [name.encode() for name in MEMBERS]
    took = np.array([1], np.int64)
    said = {serving.MEMBERS: names, serving.COMPUTE_MS: took, **tensors}
    world.serve(*MEMBERS, trouble=lambda call: said)
    committee = world.loaded(Calls())
    with pytest.raises(SchemaMismatch, match=found):
        committee.score(VERSION, FRAMES)


def test_wrong_shapes_of_one_endpoint_cost_only_its_members(world: World) -> None:
    def trouble(call: int) -> dict[str, object]:
        return {serving.MEMBERS: [b"m1"], serving.PROBS: np.zeros((1, 10, 9), np.float32)}

    world.serve("m0", "m2")
    world.serve("m1", trouble=trouble)
    answer = world.loaded(Calls()).score(VERSION, FRAMES)
    assert answer.members_answered == ("m0", "m2")


def test_a_member_that_misses_one_request_is_left_out_of_the_whole_answer(world: World) -> None:
    def trouble(call: int) -> dict[str, object] | None:
        if call != 1:
            return None
        n_frames = model.calls[call]
        return {
            serving.PROBS: np.full((2, n_frames, 4), 0.25, np.float32),
            serving.MEMBERS: [b"m0", b"m2"],
            serving.COMPUTE_MS: np.array([1], np.int64),
        }

    model = world.serve(*MEMBERS, trouble=trouble)
    answer = world.loaded(Calls(frames_per_request=4, in_flight_max=1)).score(VERSION, FRAMES)
    assert answer.members_answered == ("m0", "m2")
    assert answer.class_probs().shape == (10, 2, 4)


def detecting(*names: str) -> Callable[[int], dict[str, object]]:
    def trouble(call: int) -> dict[str, object]:
        return {
            serving.MEMBERS: [name.encode() for name in names],
            serving.COMPUTE_MS: np.array([3], np.int64),
            serving.INFORMATION: np.full((5, 4), call, np.float32),
            serving.BOXES: [b"[]"] * 5,
        }

    return trouble


def test_detection_comes_as_information_and_boxes(world: World) -> None:
    world.serve(*MEMBERS, trouble=detecting("m0", "m2"))
    committee = world.loaded(Calls(frames_per_request=5, in_flight_max=1))
    answer = committee.score(VERSION, FRAMES)
    assert answer.members_answered == ("m0", "m2")
    assert answer.map_information()[:, 0].tolist() == [0] * 5 + [1] * 5
    assert answer.boxes == ("[]",) * 10
    assert answer.compute_ms == 6


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({serving.INFORMATION: np.zeros((5, 3), np.float32)}, r"found float32 \(5, 3\)"),
        ({serving.INFORMATION: np.zeros((5, 4), np.float16)}, r"found float16 \(5, 4\)"),
        ({serving.BOXES: [b"[]"] * 4}, "expected boxes of 5 frames, found 4"),
        ({serving.MEMBERS: [b"m0", b"m7"]}, "expected members among m0, m1, m2, found m7"),
    ],
)
def test_wrong_shapes_of_detection_are_told_too(
    world: World, tensors: dict[str, object], found: str
) -> None:
    world.serve(*MEMBERS, trouble=lambda call: detecting(*MEMBERS)(call) | tensors)
    committee = world.loaded(Calls(frames_per_request=5, in_flight_max=1))
    with pytest.raises(SchemaMismatch, match=found):
        committee.score(VERSION, FRAMES)


def test_detectors_that_hang_are_asked_again_later(world: World) -> None:
    released = threading.Event()
    world.stack.callback(released.set)

    def trouble(call: int) -> dict[str, object]:
        if call == 1:
            released.wait(timeout=30)
        return detecting(*MEMBERS)(call)

    world.serve(*MEMBERS, trouble=trouble)
    committee = world.loaded(
        Calls(deadline_seconds=2.0, frames_per_request=5, in_flight_max=1, attempts_max=1)
    )
    with pytest.raises(Retryable, match=r"an answer of a member, found none .*within 2 s"):
        committee.score(VERSION, FRAMES)
    released.set()
    assert committee.score(VERSION, FRAMES).members_answered == MEMBERS


def test_detectors_of_another_round_give_neither_scores_nor_maps(world: World) -> None:
    model = world.serve(*MEMBERS, trouble=detecting(*MEMBERS))
    committee = world.loaded(Calls(frames_per_request=5))
    model.version = "c2@000000000000"
    for ask in (committee.score, committee.maps):
        with pytest.raises(SchemaMismatch, match=r"expected answers of committee c3@.*found c2@"):
            ask(VERSION, FRAMES[:5])


def test_detectors_that_miss_one_request_of_several_are_asked_again(world: World) -> None:
    def trouble(call: int) -> dict[str, object]:
        return detecting(*(MEMBERS if call else ("m0", "m2")))(call)

    world.serve(*MEMBERS, trouble=trouble)
    committee = world.loaded(Calls(frames_per_request=5, in_flight_max=1))
    with pytest.raises(Retryable, match="expected the same members in each answer of maps' infor"):
        committee.score(VERSION, FRAMES)


def test_detection_is_not_spread_over_endpoints(world: World) -> None:
    world.serve("m0", trouble=detecting("m0"))
    world.serve("m1", "m2", trouble=detecting("m1", "m2"))
    committee = world.loaded(Calls(frames_per_request=5))
    with pytest.raises(SchemaMismatch, match="expected one endpoint with all members"):
        committee.score(VERSION, FRAMES)
    with pytest.raises(SchemaMismatch, match="expected one endpoint with all members for maps"):
        committee.maps(VERSION, FRAMES[:2])


def test_maps_come_for_a_few_frames(world: World) -> None:
    maps = np.random.default_rng(0).random((3, 2, 4, 5, 6)).astype(np.float16)
    world.serve(*MEMBERS, trouble=lambda call: {serving.MAPS: maps})
    found = world.loaded().maps(VERSION, FRAMES[:2])
    np.testing.assert_array_equal(found, maps.transpose(1, 0, 2, 3, 4))
    with pytest.raises(SchemaMismatch, match=r"expected maps float16 \(3, 3, 4, any, any\)"):
        world.loaded().maps(VERSION, FRAMES[:3])


def test_members_that_nobody_holds_or_that_are_not_ready_are_named(world: World) -> None:
    world.serve("m0", "m2")
    with pytest.raises(Retryable, match="expected each of m0, m1, m2 once, found m0, m2"):
        world.committee().load(VERSION, world.members)
    world.serve("m1", ready=False)
    with pytest.raises(Retryable, match="expected a model that is ready"):
        world.committee().load(VERSION, world.members)


def test_nobody_there_is_not_ready(world: World) -> None:
    world.urls.append("grpc://127.0.0.1:1/committee")
    with pytest.raises(
        Retryable, match=r"127\.0\.0\.1:1/committee: expected a model that is ready"
    ):
        world.committee().load(VERSION, world.members)


def test_of_many_versions_those_that_were_loaded_last_stay_connected(world: World) -> None:
    versions = [CommitteeVersion(name) for name in ("c3", "c4", "c5")]
    members = {one: put_members(world.blobs, MEMBERS, CLASSES, version=one) for one in versions}
    urls = {}
    for one in versions:
        world.serve(*MEMBERS, version=serving.served_version(one, members[one]))
        urls[one] = world.urls[-1:]
    committee = KServeCommittee(world.blobs, urls.__getitem__, calls=QUICK, versions_max=2)
    world.stack.callback(committee.close)
    for number in (0, 1, 0, 2):
        committee.load(versions[number], members[versions[number]])
    assert committee.score(versions[0], FRAMES).members_answered == MEMBERS
    with pytest.raises(NotFound, match="c4"):
        committee.score(versions[1], FRAMES)


def test_a_version_is_loaded_before_it_is_asked(world: World) -> None:
    with pytest.raises(NotFound, match="expected it to be loaded first"):
        world.committee().score(VERSION, FRAMES)


@pytest.mark.parametrize("url", ["http://h:1/m", "grpc://h/m", "grpc://h:1", "grpc://h:x/m", ""])
def test_endpoints_name_host_port_and_model(url: str) -> None:
    with pytest.raises(BadInput, match="expected grpc://host:port/model, found"):
        Address.parse(url)
