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
    return CommitteeServer("c", CommitteeModel(members, class_names=CLASSES), frames_max=4)


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
    with pytest.raises(InvalidInput, match="expected 1 to 4 frames, found 5"):
        ask(server(), raw=[b"x"] * 5)


def test_the_metadata_name_inputs_and_outputs() -> None:
    model = server()
    assert model.get_input_types()[0]["name"] == "frames"
    assert model.get_output_types()[0]["shape"] == [3, -1, 3]
