"""Given a network that starts from published weights, then which ones is known, and kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models import get_model

from retrain import steps
from retrain.orders import ORDERS, TRAINED
from retrain.steps import Context
from tests.unit.training.toy_world import POLICY, put_dataset
from winnow.contracts.references import reference_text
from winnow.domain.errors import BadInput, IntegrityError, NotFound
from winnow.tasks.checkpoint import Checkpoint, read_checkpoint
from winnow.tasks.frozen_features import FrozenEncoder

NETWORK = "shufflenet_v2_x0_5"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    path = tmp_path / "weights.pth"
    torch.save(get_model(NETWORK, weights=None).state_dict(), path)
    return path


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Frames that the frozen network was asked about, call by call."""
    calls: list[int] = []
    undisturbed = FrozenEncoder.encode

    def counted(self: FrozenEncoder, frames: list[object]) -> object:
        calls.append(len(frames))
        return undisturbed(self, frames)  # type: ignore[arg-type]

    monkeypatch.setattr(FrozenEncoder, "encode", counted)
    return calls


def planned(context: Context, network: str, *, round_id: str = "r0", n: int = 30) -> str:
    training = POLICY.training.model_copy(update={"networks": (network,), "epochs": 2})
    policy = POLICY.model_copy(update={"training": training})
    dataset = reference_text(put_dataset(context.blobs, n=n, policy=policy, holdouts=()))
    (orders,) = steps.plan(context, round_id=round_id, dataset=dataset)
    return orders


def trained(context: Context, orders: str) -> list[Checkpoint]:
    found = TRAINED.validate_json(steps.train_members(context, orders=orders))
    members = [one.member for one in found if one.member is not None]
    assert len(members) == 2, [one.error for one in found]
    return [read_checkpoint(context.blobs.get(one.checkpoint), where=one.name) for one in members]


def test_a_file_is_stored_when_a_round_is_planned_and_named_by_its_digest(
    context: Context, published: Path
) -> None:
    orders = planned(context, f"backbone:{NETWORK}@{published}")
    weights = torch.load(published, weights_only=True)
    published.unlink()  # the nodes that train need not have it
    named = {order.network for order in ORDERS.validate_json(orders)}
    (key,) = context.blobs.keys("models/weights")
    assert named == {f"backbone:{NETWORK}@blob:{key}"}
    first, second = trained(context, orders)
    assert first.config.task == second.config.task == f"backbone:{NETWORK}@blob:{key}"
    steps_of = int(first.weights["0.conv1.1.num_batches_tracked"])
    assert steps_of == first.step, "it was fine-tuned"
    near = first.weights["0.conv5.0.weight"] - weights["conv5.0.weight"]
    assert 0 < near.abs().mean() < 0.1 * weights["conv5.0.weight"].abs().mean()


def test_a_policy_may_name_weights_in_the_object_store(context: Context, published: Path) -> None:
    ref = context.blobs.put(published.read_bytes(), prefix="weights", media_type="x")
    network = f"frozen_features:{NETWORK}@blob:{ref.key}"
    orders = planned(context, network)
    assert {order.network for order in ORDERS.validate_json(orders)} == {network}
    weights = torch.load(published, weights_only=True)
    for checkpoint in trained(context, orders):
        torch.testing.assert_close(
            checkpoint.weights["backbone.conv1.0.weight"], weights["conv1.0.weight"]
        )


def test_weights_that_are_not_there_are_told_before_anything_is_trained(
    context: Context, published: Path
) -> None:
    with pytest.raises(
        BadInput, match=r"backbone:x: expected its weights in /none\.pth, found: No"
    ):
        planned(context, "backbone:x@/none.pth")
    with pytest.raises(BadInput, match="expected prefix/…/ab/ab… of a SHA-256, found 'weights/x'"):
        planned(context, "backbone:x@blob:weights/x")
    key = f"weights/ab/{'ab' * 32}"
    with pytest.raises(NotFound, match=key):
        planned(context, f"backbone:x@blob:{key}")


def test_weights_that_were_changed_in_the_store_are_told(
    context: Context, published: Path, tmp_path: Path
) -> None:
    orders = planned(context, f"backbone:{NETWORK}@{published}")
    (key,) = context.blobs.keys("models/weights")
    file = tmp_path / "blobs" / key
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match=key):
        steps.train_members(context, orders=orders)


def test_features_of_a_frozen_network_are_computed_once(
    context: Context, published: Path, encoded: list[int]
) -> None:
    """By all members, epochs and rounds together; of labels that came later, theirs."""
    network = f"frozen_features:{NETWORK}@{published}"
    first = trained(context, planned(context, network, n=24))
    n_learned = 24 - int(first[0].metrics["n_calibration"])
    assert sum(encoded) == n_learned
    again = trained(context, planned(context, network, n=24, round_id="r1"))
    assert sum(encoded) == n_learned, "a second training computes nothing"
    assert [one.step for one in again] == [one.step for one in first]
    later = trained(context, planned(context, network, n=30, round_id="r2"))
    assert sum(encoded) == 30 - int(later[0].metrics["n_calibration"])


def test_what_was_cached_changes_no_bit_of_a_member(
    context: Context, published: Path, encoded: list[int]
) -> None:
    """Deleting the work folder costs time, never results."""
    network = f"frozen_features:{NETWORK}@{published}"
    trained(context, planned(context, network, n=9))
    with_cache = trained(context, planned(context, network, round_id="r1"))
    for file in (context.settings.work_dir / "features").rglob("*.pack"):
        file.unlink()
    for file in (context.settings.work_dir / "r1").glob("*.pt"):
        file.unlink()
    n_before = sum(encoded)
    without = trained(context, planned(context, network, round_id="r1"))
    assert sum(encoded) > n_before
    for one, other in zip(with_cache, without, strict=True):
        assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_frozen_networks_of_other_weights_share_no_feature(
    context: Context, published: Path, encoded: list[int]
) -> None:
    trained(context, planned(context, f"frozen_features:{NETWORK}@{published}"))
    n_first = sum(encoded)
    torch.save(get_model(NETWORK, weights=None).state_dict(), published)
    trained(context, planned(context, f"frozen_features:{NETWORK}@{published}", round_id="r1"))
    assert sum(encoded) == 2 * n_first
