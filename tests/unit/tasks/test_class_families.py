"""Other families of classification networks: each learns, is calibrated, and joins a committee."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from winnow.domain.errors import BadInput
from winnow.policy.training_section import FAMILIES
from winnow.tasks.backbones import load_backbone, make_backbone
from winnow.tasks.checkpoint import Checkpoint, checkpoint_bytes, read_checkpoint, restored
from winnow.tasks.committee import CommitteeModel, LoadedMember
from winnow.tasks.evidential import _divergence_from_ignorance, evidence_parts
from winnow.tasks.examples import Examples, examples_of
from winnow.tasks.predict import outputs_of
from winnow.tasks.task import NetworkConfig, task_named
from winnow.tasks.train import TrainConfig, train

CLASSES = ("dark", "bright", "red")
CONFIG = NetworkConfig(
    "classification", CLASSES, 32, 32, 4, (128.0, 128.0, 128.0), (60.0, 60.0, 60.0)
)
BACKBONE = "shufflenet_v2_x0_5"


def frames(n: int, *, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, 3, n)
    colours = np.array([[60, 60, 60], [190, 190, 190], [190, 60, 60]])[labels_N]
    noise = rng.integers(-40, 40, (n, 3, 32, 32))
    pixels = (colours[:, :, None, None] + noise).astype(np.uint8)
    return examples_of(pixels, [np.array([[c]], dtype=np.float32) for c in labels_N])


def weights_file(folder: Path) -> Path:
    """Weights as torchvision publishes them, with the last layer of another problem."""
    from torchvision.models import get_model

    torch.manual_seed(3)
    path = folder / "weights.pth"
    torch.save(get_model(BACKBONE, weights=None).state_dict(), path)
    return path


def trained(task: str, folder: Path, *, epochs: int = 12) -> Checkpoint:
    asked = TrainConfig(
        network=replace(CONFIG, task=task),
        seed=1,
        epochs=epochs,
        batch_size=16,
        learning_rate=5e-3,
        weight_decay=0.01,
    )
    return train(
        frames(49),
        asked,
        file=folder / f"{task.partition(':')[0]}.state",
        checkpoint_seconds=0.0,
        loaders=0,
    )


def loaded(checkpoint: Checkpoint, name: str) -> LoadedMember:
    found = read_checkpoint(checkpoint_bytes(checkpoint), where=name)
    task, network = restored(found, where=name, class_names=CLASSES)
    return LoadedMember(name, task, network, found.config, (1.0,))


def test_frames_are_moved_by_a_32nd_of_each_side_however_long_the_other_is() -> None:
    config = replace(CONFIG, input_height=32, input_width=256)
    pixels = np.zeros((1, 3, 32, 256), dtype=np.uint8)
    pixels[:, :, 16, 128] = 255
    examples = examples_of(pixels, [np.zeros((1, 1), np.float32)])
    rng, places = np.random.default_rng(0), set()
    for _ in range(200):
        inputs, _ = task_named("classification").batch(examples, np.array([0]), config, rng=rng)
        places.add(divmod(int(inputs[0, 0].argmax()), 256))
    rows, columns = (np.unique([place[axis] for place in places]) for axis in (0, 1))
    np.testing.assert_array_equal(rows, [15, 16, 17])
    np.testing.assert_array_equal(columns, np.arange(120, 137))


def test_every_family_of_a_policy_is_there() -> None:
    for kind, families in FAMILIES.items():
        for family in families:
            assert task_named(family).kind == kind
            assert task_named(family).name == family


def test_the_readme_tells_of_every_family() -> None:
    text = (Path(__file__).parents[3] / "services" / "README.md").read_text()
    rows = re.findall(r"^\| `(\w+)(?::[^`]*)?` \| (classification|detection) \|", text, re.M)
    there = {(family, kind) for kind, families in FAMILIES.items() for family in families}
    assert len(rows) == len(there)
    assert set(rows) == there


def test_members_of_all_families_make_one_committee(tmp_path: Path) -> None:
    path = weights_file(tmp_path)
    tasks = [
        "classification",
        "evidential_classification",
        "heteroscedastic_classification",
        f"backbone:{BACKBONE}@{path}",
        f"frozen_features:{BACKBONE}@{path}",
    ]
    checkpoints = [trained(task, tmp_path) for task in tasks]
    assert int(checkpoints[1].weights["steps"]) == checkpoints[1].step
    path.unlink()  # a member holds all its weights: who serves it needs no other file
    members = [loaded(one, f"m{m}") for m, one in enumerate(checkpoints)]
    model = CommitteeModel(members, class_names=CLASSES)
    tested = frames(60, seed=1)
    probs_NMC = model.score_pixels(tested.pixels).class_probs()
    assert probs_NMC.shape == (60, 5, 3)
    right_M = (probs_NMC.argmax(axis=2) == tested.values).mean(axis=0)
    assert right_M[:3].min() > 0.9, right_M
    assert right_M[3:].min() > 0.6, right_M


@pytest.mark.parametrize("task", ["evidential_classification", "heteroscedastic_classification"])
def test_answers_do_not_depend_on_company_and_can_be_calibrated(task: str, tmp_path: Path) -> None:
    member, tested = loaded(trained(task, tmp_path, epochs=4), "m"), frames(30, seed=2)
    outputs = outputs_of(member.task, member.network, tested.pixels, member.config)
    alone = outputs_of(member.task, member.network, tested.pixels[7:8], member.config)
    np.testing.assert_allclose(alone[0], outputs[7], atol=1e-5)
    temperatures = member.task.calibrate(outputs, tested)
    losses = [member.task.calibration_loss(outputs, tested, t) for t in ((1.0,), temperatures)]
    assert losses[1] <= losses[0] + 0.05  # the prior may hold it back
    assert member.task.valid(member.task.calibrated(outputs, temperatures))


def test_evidence_is_missing_where_frames_look_like_none_that_it_knows(tmp_path: Path) -> None:
    member = loaded(trained("evidential_classification", tmp_path), "m")
    known = frames(40, seed=3).pixels
    between = np.full((1, 3, 32, 32), 125, dtype=np.uint8)
    parts = [
        evidence_parts(outputs_of(member.task, member.network, pixels, member.config))
        for pixels in (known, between)
    ]
    assert parts[1].vacuity_N[0] > np.median(parts[0].vacuity_N)
    np.testing.assert_allclose(
        parts[0].total_N, parts[0].aleatoric_N + parts[0].epistemic_N, atol=1e-9
    )


def test_the_penalty_on_evidence_is_the_divergence_that_torch_knows() -> None:
    alpha = torch.tensor([[1.0, 1.0, 1.0], [3.0, 1.5, 7.0]])
    dirichlet = torch.distributions.Dirichlet
    expected = torch.distributions.kl_divergence(dirichlet(alpha), dirichlet(torch.ones(2, 3)))
    torch.testing.assert_close(_divergence_from_ignorance(alpha), expected)


def test_ambiguous_frames_get_more_noise(tmp_path: Path) -> None:
    """Half of the bright frames are labeled red, at random: that no label would settle."""
    examples = frames(96)
    values = examples.values.copy()
    bright = np.flatnonzero(values[:, 0] == 1)
    values[bright[::2], 0] = 2
    ambiguous = replace(examples, values=values)
    asked = TrainConfig(
        network=replace(CONFIG, task="heteroscedastic_classification"),
        seed=1,
        epochs=25,
        batch_size=16,
        learning_rate=5e-3,
        weight_decay=0.01,
    )
    member = loaded(train(ambiguous, asked, file=tmp_path / "m.state", loaders=0), "m")
    tested = frames(60, seed=4)
    probs_NC = member.answer(tested.pixels)
    assert probs_NC is not None
    labels_N = tested.values[:, 0]
    assert probs_NC[labels_N == 0].max(axis=1).mean() > 0.8
    assert probs_NC[labels_N == 1].max(axis=1).mean() < 0.8


def test_a_frozen_network_stays_as_it_was_and_its_samples_disagree(tmp_path: Path) -> None:
    path = weights_file(tmp_path)
    checkpoint = trained(f"frozen_features:{BACKBONE}@{path}", tmp_path, epochs=2)
    published = torch.load(path, weights_only=True)
    for name, value in checkpoint.weights.items():
        if name.startswith("backbone."):
            assert torch.equal(value, published[name.removeprefix("backbone.")]), name
    member = loaded(checkpoint, "m")
    with torch.inference_mode():
        inputs = member.task.inputs(frames(5).pixels, member.config)
        samples = member.task.samples(member.network, inputs)  # type: ignore[attr-defined]
    assert samples.shape == (5, 20, 3)
    assert samples.std(dim=1).min() > 0


@pytest.mark.parametrize(
    "task", ["evidential_classification", "heteroscedastic_classification", "frozen_features"]
)
def test_a_killed_training_goes_on_with_the_same_bits(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = f"{task}:{BACKBONE}@{weights_file(tmp_path)}"
    whole = trained(asked, tmp_path / "whole", epochs=4)
    batches = Counter[str]()
    kind = type(task_named(task))
    undisturbed = kind.batch

    def killed(*args: Any, **named: Any) -> Any:
        batches["asked"] += 1
        if batches["asked"] == 10:
            raise KeyboardInterrupt
        return undisturbed(*args, **named)

    monkeypatch.setattr(kind, "batch", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(asked, tmp_path / "cut", epochs=4)
    again = trained(asked, tmp_path / "cut", epochs=4)
    assert batches["asked"] < 2 * whole.step
    assert checkpoint_bytes(replace(whole, compute_ms=0)) == checkpoint_bytes(
        replace(again, compute_ms=0)
    )


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("no_such_net", "expected NAME or NAME@PATH"),
        ("", "expected NAME or NAME@PATH"),
        ("timm/resnet18", "expected the package timm"),
    ],
)
def test_a_network_that_is_not_there_is_told(
    argument: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    config = replace(CONFIG, task=f"backbone:{argument}")
    with pytest.raises(BadInput, match=told):
        make_backbone(config, rng=np.random.default_rng(0))


@pytest.mark.parametrize(("name", "takes_sizes"), [("vit_x", True), ("resnet_x", False)])
def test_a_network_of_timm_has_its_published_shape_whatever_the_frames_size(
    name: str, takes_sizes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def create_model(name: str, **options: object) -> torch.nn.Module:
        if "dynamic_img_size" in options and not takes_sizes:
            raise TypeError("unexpected keyword argument 'dynamic_img_size'")
        asked.append((name, options))
        return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))
    config = replace(CONFIG, task=f"backbone:timm/{name}")
    _, width = make_backbone(config, rng=np.random.default_rng(0))
    assert width == 3
    ((found, options),) = asked
    assert (found, options["pretrained"], options["num_classes"]) == (name, False, 0)
    assert options.get("dynamic_img_size", False) == takes_sizes
    assert "img_size" not in options


def test_weights_that_are_not_those_of_the_network_are_told(tmp_path: Path) -> None:
    config = replace(CONFIG, task=f"backbone:{BACKBONE}")
    network, _ = make_backbone(config, rng=np.random.default_rng(0))
    with pytest.raises(BadInput, match="No such file"):
        load_backbone(network, f"{BACKBONE}@{tmp_path / 'none.pth'}")
    (tmp_path / "text.pth").write_bytes(b"no weights")
    with pytest.raises(BadInput, match="expected a state dict"):
        load_backbone(network, f"{BACKBONE}@{tmp_path / 'text.pth'}")
    torch.save({"conv1.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match="tensors differ"):
        load_backbone(network, f"{BACKBONE}@{tmp_path / 'other.pth'}")
