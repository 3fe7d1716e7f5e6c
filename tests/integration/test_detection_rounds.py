"""Two rounds whose labels are boxes, through all services; and the batch chosen again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.integration.simulation import Simulation, end_of, loop_ended
from winnow.adapters.file_blobs import FileBlobs
from winnow.cli.demo.world import BUDGETS, command
from winnow.contracts.artifacts import read_manifest, read_table
from winnow.contracts.batch_replay import replay_batch
from winnow.contracts.manifests import Batch, Dataset
from winnow.contracts.tables import CANDIDATES, DATASET, DETECTION_BATCH
from winnow.domain import tables
from winnow.domain.boxes import boxes_of
from winnow.testing.harness import drive

N_FRAMES, WIDTH, HEIGHT = 40, 48, 32
COLOURS = {"car": (230, 60, 60), "person": (60, 230, 60)}
POLICY = {
    "name": "boxes",
    "seed": 3,
    "label": {"kind": "detection"},
    "selection": {
        "batch_size": 8,
        "strategy": {
            "name": "round_robin",
            "columns": ["map_information:person", "map_information:car"],
        },
    },
    "training": {
        "members": 2,
        "epochs": 1,
        "steps_min": 0,
        "input_height": 32,
        "input_width": 48,
        "width": 4,
    },
    "stopping": {"rounds_max": 2},
    "qa": {"defect_rate_max": 1.0},
}


def write_coco(folder: Path) -> Path:
    """Draw coloured boxes on noise; every fourth frame has none."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for i in range(N_FRAMES):
        pixels = rng.integers(0, 90, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
        for n, name in enumerate(COLOURS if i % 4 else ()):
            x, y = rng.integers(0, WIDTH // 2) + n, rng.integers(0, HEIGHT // 2)
            w, h = rng.integers(8, 20), rng.integers(8, 14)
            pixels[y : y + h, x : x + w] = COLOURS[name]
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": i,
                    "category_id": n,
                    "bbox": [int(x), int(y), int(w), int(h)],
                }
            )
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
        size = {"width": WIDTH, "height": HEIGHT}
        images.append({"id": i, "file_name": f"{i:02d}.png", "session": f"s{i // 5}", **size})
    categories = [{"id": n, "name": name} for n, name in enumerate(COLOURS)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "annotations.json"
    path.write_text(json.dumps(document))
    return path


def test_two_rounds_of_boxes_end_with_a_data_set_of_boxes_and_are_replayed_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, log = ["--state", str(tmp_path / "state")], tmp_path / "cli.log"
    policy_file = tmp_path / "policy.yaml"
    policy_file.write_text(yaml.safe_dump(POLICY))
    for kind, amount in BUDGETS:
        command(["budget", "allocate", kind, amount, *state], log=log)
    coco = str(write_coco(tmp_path / "roads"))
    command(["ingest", coco, "--labels", "boxes", "--holdout", "0.2", *state], log=log)
    command(["round", "open", "--policy", str(policy_file), *state], log=log)
    simulation = Simulation(state_dir=tmp_path / "state", monkeypatch=monkeypatch)
    workers, ledger = simulation.start(), simulation.ledger()
    drive(workers, simulation.clock, lambda: loop_ended(ledger, rounds=2))
    simulation.stop(workers)

    with ledger.snapshot() as tx:
        rounds = {row.key: row for row in tx.records.find(tables.ROUNDS)}
        batches = sorted(tx.records.find(tables.BATCHES), key=lambda row: row.round_id)
        promotions = sorted(tx.records.find(tables.PROMOTIONS), key=lambda row: row.promotion_seq)
    ledger.close()
    assert {key: (row.state, row.reason) for key, row in rounds.items()} == {
        "r0": ("closed", ""),
        "r1": ("closed", ""),
    }
    end = end_of(simulation)
    assert set(end.reserved.values()) == {0}
    assert end.spent["human_annotation"] > 0

    blobs = FileBlobs(tmp_path / "state" / "blobs")
    for row in batches:
        report = replay_batch(blobs, row.manifest)
        assert report.identical, report.first_difference
    warm = read_manifest(blobs, batches[1].manifest, Batch)
    assert (warm.label_kind, warm.strategy) == ("detection", "round_robin")
    shown = read_table(blobs, warm.table, DETECTION_BATCH).to_pylist()
    assert {(row["width"], row["height"]) for row in shown} == {(WIDTH, HEIGHT)}
    for row in shown:
        boxes_of(row["pre_label"], class_names=COLOURS, size=(WIDTH, HEIGHT))
    candidates = read_table(blobs, warm.candidates, CANDIDATES, columns=["components"])
    components = [json.loads(text) for text in candidates["components"].to_pylist()]
    assert any({"map_information", "map_information:person"} <= set(one) for one in components)

    dataset = read_manifest(blobs, promotions[-1].snapshot, Dataset)
    assert (dataset.label_kind, dataset.class_names) == ("detection", ("car", "person"))
    labels = read_table(blobs, dataset.table, DATASET)["label"].to_pylist()
    found = [box for text in labels for box in boxes_of(text, size=(WIDTH, HEIGHT))]
    assert {box.class_name for box in found} == set(COLOURS)

    page_file = tmp_path / "report.html"
    command(["report", "--out", str(page_file), *state], log=log)
    page = page_file.read_text()
    for told in ("What the committee saw", "mAP50, holdout", "asked committee: person?"):
        assert told in page
    assert page.count('<rect class="true"') >= len(found)
