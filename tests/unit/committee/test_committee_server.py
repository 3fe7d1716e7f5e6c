"""The KServe model, without a network: given a request, then one tensor of all members."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence

import numpy as np
import pytest
from kserve import InferInput, InferRequest, InferResponse
from kserve.errors import InvalidInput

from committee.model import CommitteeServer
from tests.unit.training.toy_world import CLASSES, frame
from winnow.tasks.committee import CommitteeModel, LoadedMember
from winnow.tasks.examples import stacked
from winnow.tasks.task import NetworkConfig, task_named

CONFIG = NetworkConfig("classification", CLASSES, 8, 8, 4, (90.0, 90.0, 90.0), (50.0, 50.0, 50.0))


def server(*, n_members: int = 3) -> CommitteeServer:
    task = task_named("classification")
    members = [
        LoadedMember(
            name=f"m{m}",
            task=task,
            network=task.network(CONFIG, rng=np.random.Generator(np.random.Philox(m))),
            config=CONFIG,
            temperatures=(1.0 + m,),
        )
        for m in range(n_members)
    ]
    model = CommitteeModel(members, class_names=CLASSES)
    return CommitteeServer("c", model, version="c0@abc", frames_max=4)


def ask(
    model: CommitteeServer, *, raw: list[bytes] | None = None, text: Sequence[str] = ()
) -> InferResponse:
    given = InferInput("frames", [len(raw or text)], "BYTES", data=None if raw else list(text))
    if raw:
        given.set_data_from_numpy(np.array(raw, dtype=np.object_), binary_data=True)
    return asyncio.run(model.predict(InferRequest("c", [given])))


def values(response: InferResponse) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return {output.name: output.as_numpy() for output in response.outputs}


def test_all_members_come_in_one_tensor_with_their_names() -> None:
    frames = [frame(label, 1) for label in CLASSES]
    found = values(ask(server(), raw=frames))
    assert found["probs"].shape == (3, 3, 3)
    assert found["probs"].sum(axis=2) == pytest.approx(1.0, abs=1e-5)
    assert [name.decode() for name in found["members"].tolist()] == ["m0", "m1", "m2"]


def test_json_carries_frames_as_base64_and_gives_the_same() -> None:
    frames = [frame(label, 1) for label in CLASSES]
    model = server()
    text = [base64.b64encode(data).decode() for data in frames]
    raw_probs = values(ask(model, raw=frames))["probs"]
    assert values(ask(model, text=text))["probs"].tobytes() == raw_probs.tobytes()


def test_what_is_no_frame_is_the_callers_mistake() -> None:
    with pytest.raises(InvalidInput, match="expected an image"):
        ask(server(), raw=[b"no image"])
    with pytest.raises(InvalidInput, match="frame 0: expected base64"):
        ask(server(), text=["?"])
    with pytest.raises(InvalidInput, match="expected at most 4 frames, found 5"):
        ask(server(), raw=[b"x"] * 5)


def test_the_metadata_name_inputs_and_outputs() -> None:
    model = server()
    assert model.get_input_types()[0]["name"] == "frames"
    assert model.get_input_types()[1]["shape"] == [-1, 3, 8, 8]
    outputs = {one["name"]: one["shape"] for one in model.get_output_types()}
    assert outputs == {"members": [3], "compute_ms": [1], "probs": [3, -1, 3]}


def test_decoded_pixels_give_what_encoded_frames_give() -> None:
    frames = [frame(label, 1) for label in CLASSES]
    model = server()
    pixels, _ = stacked(frames, height=8, width=8)
    found = values(asyncio.run(model.predict(InferRequest("c", [pixel_input(pixels)]))))
    np.testing.assert_array_equal(found["probs"], values(ask(model, raw=frames))["probs"])


def test_pixels_of_another_size_are_the_callers_mistake() -> None:
    pixels = np.zeros((2, 3, 9, 8), dtype=np.uint8)
    with pytest.raises(InvalidInput, match=r"expected uint8 \[N, 3, 8, 8\], found"):
        asyncio.run(server().predict(InferRequest("c", [pixel_input(pixels)])))


def test_a_request_without_frames_asks_who_is_there() -> None:
    given = InferInput("frames", [0], "BYTES", data=[])
    response = asyncio.run(server().predict(InferRequest("c", [given])))
    assert response.model_version == "c0@abc"
    assert values(response)["members"].tolist() == [b"m0", b"m1", b"m2"]
    assert "probs" not in values(response)


def test_other_inputs_are_refused() -> None:
    given = InferInput("images", [1], "BYTES", data=["?"])
    with pytest.raises(InvalidInput, match=r"found \['images'\]"):
        asyncio.run(server().predict(InferRequest("c", [given])))


def pixel_input(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> InferInput:
    given = InferInput("pixels", list(pixels.shape), "UINT8")
    given.set_data_from_numpy(pixels, binary_data=True)
    return given
