"""The grid detector: what it is asked for, what it learns, what it says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.unit.tasks.scenes import CLASSES, CONFIG, HEIGHT, WIDTH, scene, scenes
from winnow.acquisition.map_information import map_mutual_information
from winnow.domain.errors import BadInput, SchemaMismatch
from winnow.kernels.box_overlap import box_iou
from winnow.tasks.checkpoint import Checkpoint, checkpoint_bytes, restored
from winnow.tasks.committee import CommitteeModel, LoadedMember
from winnow.tasks.examples import examples_of
from winnow.tasks.grid.augment import draw_moves, moved_inputs, moved_objects
from winnow.tasks.grid.network import grid_shape
from winnow.tasks.map_decoding import Boxes, boxes_text, decode
from winnow.tasks.map_outputs import MapOutputs, mean_maps
from winnow.tasks.map_targets import BUMP_MIN, render
from winnow.tasks.predict import outputs_of
from winnow.tasks.task import task_named
from winnow.tasks.train import TrainConfig, train
from winnow.tasks.whole_files import write_whole

TRAINING = TrainConfig(
    network=CONFIG, seed=5, epochs=30, batch_size=8, learning_rate=1e-2, weight_decay=1e-2
)


def objects(*rows: tuple[float, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(rows, dtype=np.float32).reshape(len(rows), 5)


def test_a_label_becomes_shares_of_the_frame() -> None:
    label = '[{"box":[4,8,10,20],"class":"dark"},{"box":[0,0,40,80],"class":"bright"}]'
    target = task_named("grid_detection").target(label, class_names=CLASSES, size=(40, 80))
    assert target.tolist() == pytest.approx(
        np.array([[0, 0, 0, 1, 1], [1, 0.1, 0.1, 0.25, 0.25]]), abs=1e-6
    )
    nothing = task_named("grid_detection").target("[]", class_names=CLASSES, size=(40, 80))
    assert nothing.shape == (0, 5)


def test_a_box_outside_the_frame_is_told_with_its_place() -> None:
    with pytest.raises(BadInput, match="inside the frame of 40 x 80 pixels, found"):
        MapOutputs().target(
            '[{"box":[35,0,10,10],"class":"dark"}]', class_names=CLASSES, size=(40, 80)
        )
    with pytest.raises(BadInput, match="expected one of bright, dark"):
        MapOutputs().target('[{"box":[0,0,1,1],"class":"cat"}]', class_names=CLASSES, size=(4, 4))


def test_bumps_peak_in_the_centre_cell_and_follow_the_box() -> None:
    # One object of 8 x 4 cells centred in cell (row 5, column 10) of 12 x 20.
    heat, boxes, weights = render(
        objects((1, 0.325, 0.2917, 0.4, 0.3333)), n_classes=2, shape=(12, 20)
    )
    assert heat[0].max() == 0.0
    assert np.argwhere(heat[1] == 1.0).tolist() == [[5, 10]]
    expected = np.exp(-0.5 * (np.array([1, 2]) / (0.09 * 8)) ** 2)
    expected[expected < BUMP_MIN] = 0
    assert heat[1, 5, 11:13] == pytest.approx(expected, rel=1e-4)
    assert heat[1, 6, 10] == pytest.approx(np.exp(-0.5 / 0.4**2), rel=1e-4)
    assert boxes[:, 5, 10] == pytest.approx([0.0, 0.0, np.log(8), np.log(4)], abs=1e-3)
    assert boxes[:, 5, 11] == pytest.approx([-1.0, 0.0, np.log(8), np.log(4)], abs=1e-3)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights[heat[1] == 0] == 0).all()


def test_of_two_objects_in_one_cell_the_smaller_ones_box_is_learned() -> None:
    both = objects((0, 0.2, 0.2, 0.6, 0.6), (1, 0.45, 0.45, 0.1, 0.1))
    heat, boxes, weights = render(both, n_classes=2, shape=(10, 10))
    assert heat[:, 5, 5].tolist() == [1.0, 1.0]
    assert np.exp(boxes[2:, 5, 5]) == pytest.approx([1.0, 1.0], rel=1e-5)
    assert weights.sum() == pytest.approx(2.0)


def test_an_empty_frame_asks_for_nothing() -> None:
    heat, boxes, weights = render(objects(), n_classes=3, shape=(4, 4))
    assert heat.shape == (3, 4, 4)
    assert (heat.max(), np.abs(boxes).max(), weights.max()) == (0.0, 0.0, 0.0)


def test_decoding_what_was_drawn_gives_the_boxes_back() -> None:
    given = objects((0, 0.1, 0.1, 0.3, 0.2), (1, 0.6, 0.55, 0.2, 0.4), (1, 0.0, 0.7, 0.25, 0.25))
    heat, fields, _ = render(given, n_classes=2, shape=(16, 24))
    (found,) = decode(heat[None] * np.float32(0.9), fields[None])
    assert found.scores_K == pytest.approx(0.9)
    order = np.lexsort((found.boxes_K4[:, 0], found.classes_K))
    assert found.classes_K[order].tolist() == [0, 1, 1]
    expected = np.array([given[0, 1:], given[2, 1:], given[1, 1:]])
    assert found.boxes_K4[order] == pytest.approx(expected, abs=1e-5)


def test_boxes_are_told_in_whole_pixels_inside_the_frame() -> None:
    boxes = Boxes(
        np.array([1, 0]),
        np.array([0.87654, 0.1], dtype=np.float32),
        np.array([[0.5, 0.25, 0.25, 0.5], [1.0, 1.0, 0.0, 0.0]], dtype=np.float32),
    )
    told = json.loads(boxes_text(boxes, size=(100, 60), class_names=CLASSES))
    assert told == [
        {"box": [50, 15, 25, 30], "class": "dark", "score": 0.8765},
        {"box": [99, 59, 1, 1], "class": "bright", "score": 0.1},
    ]


@pytest.mark.parametrize("seed", range(8))
def test_boxes_follow_the_pixels_when_a_frame_is_moved(seed: int) -> None:
    frame = np.zeros((1, 3, 64, 96), dtype=np.float32)
    frame[0, :, 20:44, 30:66] = 1.0
    moves = draw_moves(np.random.default_rng(seed), 1)
    moved = moved_inputs(torch.from_numpy(frame), moves).numpy()[0, 0]
    (box,) = moved_objects(objects((1, 30 / 96, 20 / 64, 36 / 96, 24 / 64)), moves[0])
    rows, columns = np.nonzero(moved > 0.5)
    seen = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert box[1:] * np.array([96, 64, 96, 64]) == pytest.approx(seen, abs=1.1)


def test_an_object_that_leaves_the_frame_is_not_asked_for() -> None:
    aside = np.array([[1.0, 0.9], [1.0, 0.0]], dtype=np.float32)
    kept = moved_objects(objects((0, 0.0, 0.0, 0.1, 0.1), (1, 0.05, 0.0, 0.5, 0.5)), aside)
    assert kept.tolist() == pytest.approx(np.array([[0, 0.9, 0.0, 0.1, 0.1]]), abs=1e-6)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (30, 50), (64, 64), (17, 33), (8, 8)])
def test_any_input_size_gives_its_grid(height: int, width: int) -> None:
    config = dataclasses.replace(CONFIG, input_height=height, input_width=width)
    task = task_named("grid_detection")
    network = task.network(config, rng=np.random.default_rng(0))
    pixels = np.zeros((2, 3, height, width), dtype=np.uint8)
    assert outputs_of(task, network, pixels, config).shape == (2, 6, *grid_shape(height, width))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 24), (12, 12), (32, 32), (64, 64)])
@pytest.mark.parametrize("n_batches", [0, 2])
def test_a_last_batch_of_one_frame_is_learned(
    tmp_path: Path, height: int, width: int, n_batches: int
) -> None:
    config = dataclasses.replace(CONFIG, input_height=height, input_width=width)
    n = 4 * n_batches + 1
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, height, width), dtype=np.uint8)
    examples = examples_of(pixels, [objects((0, 0.2, 0.2, 0.5, 0.5))] * n)
    training = dataclasses.replace(TRAINING, network=config, epochs=2, batch_size=4)
    assert train(examples, training, file=tmp_path / "m.pt").step == 2 * (n_batches + 1)


def test_an_untrained_map_says_little_everywhere() -> None:
    task = task_named("grid_detection")
    network = task.network(CONFIG, rng=np.random.default_rng(0))
    maps = task.maps(
        task.calibrated(outputs_of(task, network, scenes(0, 4).pixels, CONFIG), (1, 1))
    )
    assert 0.05 < maps.mean() < 0.2


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> LoadedMember:
    file = tmp_path_factory.mktemp("training") / "m0.pt"
    checkpoint = train(scenes(0, 48), TRAINING, file=file)
    task, network = restored(checkpoint, where="m0", class_names=CLASSES)
    held_out = scenes(100, 124)
    outputs = outputs_of(task, network, held_out.pixels, CONFIG)
    return LoadedMember("m0", task, network, CONFIG, task.calibrate(outputs, held_out))


def test_it_learns_to_find_objects_in_seconds(member: LoadedMember) -> None:
    unseen = scenes(200, 220)
    answer = member.answer(unseen.pixels)
    assert answer is not None
    right, wrong, missed = 0, 0, 0
    for pos, found in enumerate(decode(*mean_maps([answer]))):
        truth = unseen.of(pos)
        sure = found.scores_K > 0.4
        same = found.classes_K[sure, None] == truth[:, 0].astype(int)
        hits = (box_iou(found.boxes_K4[sure], truth[:, 1:]) > 0.5) & same
        right, wrong = right + hits.any(axis=1).sum(), wrong + (~hits.any(axis=1)).sum()
        missed += (~hits.any(axis=0)).sum()
    assert right >= 8 * (wrong + missed), (right, wrong, missed)


def test_a_committees_information_is_that_of_its_maps(member: LoadedMember) -> None:
    task = member.task
    other = dataclasses.replace(
        member, name="m1", network=task.network(CONFIG, rng=np.random.default_rng(9))
    )
    model = CommitteeModel([member, other], class_names=CLASSES)
    assert model.kind == "detection"
    frames = [png(number) for number in range(300, 305)]
    answer, maps = model.score(frames), model.maps(frames)
    assert maps.shape == (5, 2, 2, *grid_shape(HEIGHT, WIDTH))
    assert answer.map_information() == pytest.approx(map_mutual_information(maps), abs=1e-6)
    assert len(answer.boxes) == 5
    assert all({"box", "class", "score"} == set(one) for one in json.loads(answer.boxes[0]))
    alone = CommitteeModel([member], class_names=CLASSES).score(frames)
    assert alone.map_information().max() == 0.0, "one member agrees with itself"
    with pytest.raises(SchemaMismatch, match="expected the class probabilities"):
        answer.class_probs()


def png(number: int) -> bytes:
    import io

    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(scene(number)[0].transpose(1, 2, 0)).save(sink, "PNG")
    return sink.getvalue()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("loaders", [0, 2])
def test_killed_after_an_epoch_it_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaders: int
) -> None:
    import winnow.tasks.train as loop

    config = dataclasses.replace(TRAINING, epochs=3)
    undisturbed = train(scenes(0, 12), config, file=tmp_path / "a", checkpoint_seconds=0)

    def write_then_die(file: Path, state: bytes) -> None:
        write_whole(file, state)
        raise Killed

    monkeypatch.setattr(loop, "write_whole", write_then_die)
    for _ in range(2):
        with pytest.raises(Killed):
            train(scenes(0, 12), config, file=tmp_path / "b", checkpoint_seconds=0)
    monkeypatch.undo()
    resumed = train(
        scenes(0, 12), config, file=tmp_path / "b", checkpoint_seconds=0, loaders=loaders
    )
    assert bytes_of(resumed) == bytes_of(undisturbed)


def bytes_of(checkpoint: Checkpoint) -> bytes:
    return checkpoint_bytes(dataclasses.replace(checkpoint, compute_ms=0))


def test_mixed_precision_learns_as_well(tmp_path: Path) -> None:
    config = dataclasses.replace(TRAINING, epochs=6)
    mixed = dataclasses.replace(config, mixed_precision=True)
    full = train(scenes(0, 16), config, file=tmp_path / "a")
    half = train(scenes(0, 16), mixed, file=tmp_path / "b")
    assert half.train_loss == pytest.approx(full.train_loss, rel=0.2)
    assert all(value.dtype != torch.bfloat16 for value in half.weights.values())
