"""The loop: the same seed gives the same weights, killed and resumed or not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import winnow.tasks.train as loop
from winnow.domain.errors import SchemaMismatch, TrainingFailed
from winnow.tasks.checkpoint import Checkpoint, checkpoint_bytes, read_checkpoint, restored
from winnow.tasks.examples import Examples, examples_of
from winnow.tasks.task import NetworkConfig
from winnow.tasks.train import TrainConfig, train
from winnow.tasks.whole_files import write_whole

NETWORK = NetworkConfig(
    "classification", ("a", "b", "c"), 8, 8, 4, (90.0, 90.0, 90.0), (50.0, 50.0, 50.0)
)
CONFIG = TrainConfig(
    network=NETWORK, seed=11, epochs=5, batch_size=8, learning_rate=3e-3, weight_decay=1e-2
)


class Killed(BaseException):
    """The process ends here."""


def data() -> Examples:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, size=(20, 3, 8, 8), dtype=np.uint8)
    return examples_of(pixels, [np.full((1, 1), n % 3, dtype=np.float32) for n in range(20)])


def weights_of(checkpoint: Checkpoint) -> bytes:
    return b"".join(value.numpy().tobytes() for value in checkpoint.weights.values())


def trained(file: Path, config: TrainConfig = CONFIG) -> Checkpoint:
    return train(data(), config, file=file, checkpoint_seconds=0.0)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again = trained(tmp_path / "a"), trained(tmp_path / "b")
    other = trained(tmp_path / "c", dataclasses.replace(CONFIG, seed=12))
    finished = dataclasses.replace(first, compute_ms=0)
    assert checkpoint_bytes(finished) == checkpoint_bytes(dataclasses.replace(again, compute_ms=0))
    assert weights_of(first) != weights_of(other)
    assert first.step == 15
    assert np.isfinite(first.train_loss)


@pytest.mark.parametrize("writes", [1, 2, 4])
def test_killed_after_any_write_it_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    undisturbed = trained(tmp_path / "undisturbed")
    done = 0

    def write_then_die(file: Path, state: bytes) -> None:
        nonlocal done
        write_whole(file, state)
        done += 1
        if done == writes:
            raise Killed

    monkeypatch.setattr(loop, "write_whole", write_then_die)
    with pytest.raises(Killed):
        trained(tmp_path / "killed")
    resumed = trained(tmp_path / "killed")
    assert done == 5, "finished epochs are not trained again"
    assert weights_of(resumed) == weights_of(undisturbed)
    assert resumed.train_loss == undisturbed.train_loss


def test_killed_in_the_middle_of_a_write_it_still_has_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = trained(tmp_path / "undisturbed")
    real_replace, done = Path.replace, 0

    def die_before_the_third_rename(self: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if done == 3:
            raise Killed
        return real_replace(self, target)

    monkeypatch.setattr(Path, "replace", die_before_the_third_rename)
    with pytest.raises(Killed):
        trained(tmp_path / "killed")
    assert weights_of(trained(tmp_path / "killed")) == weights_of(undisturbed)


@pytest.mark.parametrize(
    "spoil", ["other data", "half a file", "one bit", "no text", "no state", "other layers"]
)
def test_a_state_that_does_not_fit_starts_anew(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "m0.pt"
    if spoil == "other data":
        other = dataclasses.replace(data(), pixels=255 - data().pixels)
        train(other, CONFIG, file=file)
    elif spoil == "half a file":
        trained(file)
        file.write_bytes(file.read_bytes()[:1000])
    elif spoil == "other layers":
        trained(file)
        state = read_checkpoint(file.read_bytes(), where="state")
        weights = {f"earlier.{name}": value for name, value in state.weights.items()}
        file.write_bytes(checkpoint_bytes(dataclasses.replace(state, weights=weights)))
    elif spoil == "no state":
        torch.save(torch.zeros(3), file)
    else:
        (layer,) = (one for one in trained(file).weights.values() if one.dim() == 2)
        contents = bytearray(file.read_bytes())
        spoiled = layer.numpy().tobytes() if spoil == "one bit" else b"data_sha256"
        contents[contents.index(spoiled)] ^= 0x80
        file.write_bytes(contents)
    assert weights_of(trained(file)) == weights_of(trained(tmp_path / "fresh"))


def test_a_frame_of_weight_zero_teaches_nothing(tmp_path: Path) -> None:
    all_rows = data()
    halves = np.where(np.arange(20) < 10, 2.0, 0.0).astype(np.float32)
    config = dataclasses.replace(CONFIG, batch_size=20)
    weighted = dataclasses.replace(all_rows, weights_N=halves)
    upside_down = all_rows.values.copy()
    upside_down[10:] = 2 - upside_down[10:]
    other = dataclasses.replace(weighted, values=upside_down)
    one = train(weighted, config, file=tmp_path / "a")
    same = train(other, config, file=tmp_path / "b")
    assert weights_of(one) == weights_of(same)
    assert weights_of(one) != weights_of(train(all_rows, config, file=tmp_path / "c"))


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, learning_rate=1e30, network=NETWORK)
    with pytest.raises(TrainingFailed, match=r"m3: expected a finite loss, found (nan|inf)"):
        train(data(), config, file=tmp_path / "m3.pt")


def test_a_checkpoint_of_other_classes_is_refused(tmp_path: Path) -> None:
    checkpoint = trained(tmp_path / "a")
    restored(checkpoint, where="m0", class_names=("a", "b", "c"))
    with pytest.raises(SchemaMismatch, match=r"m0: expected .* classes a, c, b, found one of a, b"):
        restored(checkpoint, where="m0", class_names=("a", "c", "b"))


def test_a_step_is_that_of_torchs_adamw() -> None:
    rng = np.random.default_rng(1)
    start = torch.from_numpy(rng.standard_normal((4, 3)))
    theirs = start.clone().requires_grad_()
    ours, moments = start.clone(), [(torch.zeros(4, 3), torch.zeros(4, 3))]
    moments = [(torch.zeros_like(start), torch.zeros_like(start))]
    peer = torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1)
    for step in range(5):
        gradient = torch.from_numpy(rng.standard_normal((4, 3)))
        theirs.grad = gradient.clone()
        peer.step()
        loop._adamw([ours], [gradient], moments, step=step, rate=0.01, decay=0.1)
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-12)
