"""Embedding: a shard's frames in, gates, hashes and vectors out, nobody lost."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pydantic import ValidationError

from embedding import handlers
from embedding.app import app, encoder_of
from embedding.settings import EmbeddingSettings
from tests.unit.ingest.images import image_bytes
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.constraints.gates import GateThresholds
from winnow.contracts.artifacts import read_table, write_table
from winnow.contracts.references import reference_text
from winnow.contracts.tables import EMBEDDED, FRAMES
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.domain.events import Event, FramesEmbedded, FramesIngested
from winnow.domain.ids import ShardId
from winnow.domain.tables import EMBEDDED_SHARDS
from winnow.ports.frame_source import SourceFrame
from winnow.runtime.ingest_rows import UNKNOWN_TIME, frames_table, identity_of, row_of


class World:
    """A ledger, blobs and a shard of frames."""

    def __init__(self, folder: Path) -> None:
        self.ledger = SqliteLedger(folder / "ledger.db")
        self.blobs = FileBlobs(folder / "blobs")

    def shard(self, frames: list[SourceFrame]) -> FramesIngested:
        rows = []
        for pos, frame in enumerate(frames):
            ref = self.blobs.put(frame.data, prefix="frames", media_type=frame.media_type)
            frame_id = identity_of(frame, source="set", sha256=ref.sha256)
            rows.append(row_of(frame, frame_id=frame_id, ref=ref, pos=pos, vehicle=""))
        manifest = write_table(self.blobs, frames_table(rows), FRAMES, prefix="shards")
        return self.fact(manifest, len(rows))

    def fact(self, manifest: BlobRef, n_frames: int) -> FramesIngested:
        return FramesIngested(
            ShardId("s0"), "set", "", UNKNOWN_TIME, UNKNOWN_TIME, n_frames, manifest
        )

    def embed(self, event: FramesIngested, *, pixels_max: int = 10_000) -> FramesEmbedded:
        handle = partial(
            handlers.on_frames_ingested,
            blobs=self.blobs,
            encoder=PixelEncoder(),
            thresholds=GateThresholds(),
            frames_per_call=2,
            pixels_max=pixels_max,
        )
        with self.ledger.transaction() as tx:
            events: list[Event] = list(handle(event, tx=tx))
        (embedded,) = events
        assert isinstance(embedded, FramesEmbedded)
        return embedded


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def frame(name: str, data: bytes, **fields: object) -> SourceFrame:
    return SourceFrame(data=data, name=name, media_type="image/png", **fields)  # type: ignore[arg-type]


def bomb() -> bytes:
    sink = io.BytesIO()
    Image.new("L", (5000, 5000)).save(sink, format="PNG")
    return sink.getvalue()


def test_every_frame_keeps_its_row_whatever_is_wrong_with_it(world: World) -> None:
    good, jpeg = image_bytes(1), image_bytes(2, kind="JPEG")
    event = world.shard(
        [
            frame("good", good),
            frame("truncated", jpeg[: len(jpeg) // 2]),
            frame("private", image_bytes(3), privacy_blocked=True),
            frame("bomb", bomb()),
            frame("uncalibrated", image_bytes(4), calibrated=False),
            frame("text", b"no image at all"),
        ]
    )
    fact = world.embed(event)
    table = read_table(world.blobs, fact.embedded, EMBEDDED)
    gates = ["", "unreadable", "privacy", "unreadable", "calibration_missing", "unreadable"]
    assert table["gate"].to_pylist() == gates
    assert fact.n_frames == 6
    assert fact.n_blocked_by_gate == (("calibration_missing", 1), ("privacy", 1), ("unreadable", 3))
    decoded = [True, False, False, False, True, False]
    assert [v is not None for v in table["embedding"].to_pylist()] == decoded
    assert [v is not None for v in table["phash"].to_pylist()] == decoded
    assert table["width"].to_pylist() == [24, None, None, None, 24, None]
    assert "10000 pixels, found 5000x5000" in table["gate_detail"][3].as_py()


def test_a_private_frame_is_not_even_read(world: World) -> None:
    event = world.shard([frame("private", b"gone", privacy_blocked=True)])
    for path in (world.blobs._root / "frames").rglob("*"):
        if path.is_file():
            path.unlink()
    assert world.embed(event).n_blocked_by_gate == (("privacy", 1),)


def test_damaged_or_missing_bytes_block_one_frame_and_not_the_shard(world: World) -> None:
    event = world.shard([frame("a", image_bytes(1)), frame("b", image_bytes(2))])
    files = sorted(p for p in (world.blobs._root / "frames").rglob("*") if p.is_file())
    files[0].unlink()
    assert world.embed(event).n_blocked_by_gate == (("unreadable", 1),)


def test_embedding_again_gives_the_same_bytes_and_one_row(world: World) -> None:
    event = world.shard([frame(str(seed), image_bytes(seed)) for seed in range(5)])
    assert world.embed(event) == world.embed(event)
    with world.ledger.snapshot() as view:
        (row,) = view.records.find(EMBEDDED_SHARDS)
    assert (row.key, row.n_frames, row.encoder_version) == ("s0", 5, "pixel/1")


def test_vectors_tell_alike_from_different() -> None:
    encoder = PixelEncoder()
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    one, other = (np.kron(c, np.ones((5, 5, 1), dtype=np.uint8)) for c in coarse)
    nudged = np.clip(one.astype(np.int64) + rng.integers(-4, 5, one.shape), 0, 255)
    vectors = encoder.encode([one, nudged.astype(np.uint8), other, np.zeros((9, 9, 3), np.uint8)])
    assert vectors.shape == (4, encoder.dimension)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > 0.99
    assert unit[0] @ unit[2] < 0.9


def test_a_torchvision_encoder_takes_weights_from_a_file_or_the_store(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision.models")
    torch.manual_seed(0)
    sink = io.BytesIO()
    torch.save(models.get_model("squeezenet1_1", weights=None).state_dict(), sink)
    path = tmp_path / "weights.pt"
    path.write_bytes(sink.getvalue())
    blobs = FileBlobs(tmp_path / "blobs")
    ref = blobs.put(sink.getvalue(), prefix="weights", media_type="application/octet-stream")
    frames = [np.zeros((40, 50, 3), np.uint8), np.full((20, 20, 3), 255, np.uint8)]
    made = [
        encoder_of(
            EmbeddingSettings.embedded(
                tmp_path,
                encoder="torchvision:squeezenet1_1",
                encoder_weights=where,
                encoder_side_pixels=64,
            ),
            blobs,
        )
        for where in (str(path), reference_text(ref))
    ]
    vectors = [encoder.encode(frames) for encoder in made]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert vectors[0].shape == (2, made[0].dimension)
    assert made[0].version == made[1].version
    assert made[0].version.startswith("torchvision/squeezenet1_1/64/")


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from winnow.adapters.torchvision_encoder import TorchvisionEncoder

    sink = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, sink)
    with pytest.raises(BadInput, match="expected the weights of squeezenet1_1"):
        TorchvisionEncoder("squeezenet1_1", sink.getvalue())
    with pytest.raises(BadInput, match="expected the weights of"):
        TorchvisionEncoder("squeezenet1_1", b"no weights")
    with pytest.raises(BadInput, match="name of a torchvision model"):
        TorchvisionEncoder("no_such_net", b"")


def test_settings_ask_for_weights_and_build_makes_a_service(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="encoder_weights must name"):
        EmbeddingSettings.embedded(tmp_path, encoder="torchvision:resnet18")
    service = app.build(EmbeddingSettings.embedded(tmp_path))
    assert set(service.on_event) == {FramesIngested}
    service.close()


def test_a_table_of_another_schema_is_refused(world: World) -> None:
    sink = pa.BufferOutputStream()
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"frame_id": ["x"]}), sink)
    ref = world.blobs.put(sink.getvalue().to_pybytes(), prefix="shards", media_type="x")
    with pytest.raises(Exception, match="expected column 'bucket'"):
        world.embed(world.fact(ref, 1))
