"""`winnow upload` as a vehicle runs it, and `winnow ingest` of what it sent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.cli.test_ingest import funded, run, topics_stated
from tests.unit.ingest.images import image_bytes, write_folder
from winnow.adapters.file_blobs import FileBlobs


@pytest.fixture
def vehicle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A vehicle's disk: two drives and its keys."""
    monkeypatch.chdir(tmp_path)
    for name in ("WINNOW_STATE", "WINNOW_UPLOAD_TO", "WINNOW_VEHICLE_KEYS"):
        monkeypatch.delenv(name, raising=False)
    write_folder(
        tmp_path / "recordings",
        {
            f"{drive}/{number:02d}.png": image_bytes(100 * day + number)
            for day, drive in enumerate(("day", "night"))
            for number in range(6)
        },
    )
    assert run("upload", "keygen", "--vehicle", "v7") == 0
    return tmp_path


def upload(*more: object, budget: str = "2KB") -> int:
    return run(
        "upload", "--vehicle", "v7", "--source", "recordings", "--budget-bytes", budget,
        "--segment-frames", 3, *more,
    )  # fmt: skip


SEND = ("--key", "v7.key.pem", "--to", "bucket")


def test_a_vehicle_sends_and_the_cloud_registers(
    vehicle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert upload(*SEND) == 0
    said = capsys.readouterr().out
    assert "v7: 12 frames in 4 segments to choose from; 2 segments with 6 frames chosen" in said
    assert "adds " in said
    assert "does not fit beside better ones" in said
    assert not (vehicle / ".winnow").exists()  # a vehicle has no ledger
    (key,) = FileBlobs(vehicle / "bucket").keys("uploads")
    assert f"in the cloud: winnow ingest {key} --from bucket" in said

    state = funded(vehicle / "state")
    manifest = vehicle / "bucket" / key
    assert run("ingest", manifest, "--state", state) == 2
    assert "v7: expected its public key at" in capsys.readouterr().err
    assert topics_stated(state) == set()
    (state / "vehicles").mkdir()
    (state / "vehicles" / "v7.pem").write_bytes((vehicle / "v7.pem").read_bytes())
    assert run("ingest", manifest, "--state", state) == 0
    said = capsys.readouterr().out
    assert "v7: 6 frames read, 6 new in the pool" in said
    assert "signed by vehicle v7 (key " in said
    assert "6 frame(s) stayed behind" in said
    assert topics_stated(state) == {"winnow.frames.ingested.v1"}
    assert run("ingest", key, "--from", "bucket", "--state", state) == 0
    assert "6 already known; 0 bytes paid for" in capsys.readouterr().out


def test_sent_twice_it_says_so_and_sends_nothing(
    vehicle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upload(*SEND) == 0
    keys = list(FileBlobs(vehicle / "bucket").keys(""))
    capsys.readouterr()
    assert upload(*SEND) == 0
    assert "was sent before; nothing was sent again" in capsys.readouterr().out
    assert list(FileBlobs(vehicle / "bucket").keys("")) == keys


def test_a_dry_run_needs_no_key_and_sends_nothing(
    vehicle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upload("--dry-run") == 0
    assert "nothing was sent (--dry-run)" in capsys.readouterr().out
    assert not (vehicle / "bucket").exists()


def test_everything_that_is_missing_is_named_at_once(
    vehicle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("upload", "--vehicle", "v7") == 2
    assert "expected --source, --budget-bytes, --key, --to as well" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--storage-bytes", "5"), "expected one of the units"),
        (("--retention", "soon"), "amount 'soon'"),
        (("--cloud-set", "nowhere.npz"), "expected a readable file"),
        (("--embeddings", "v7.pem"), "v7.pem: expected an array (.npy)"),
        (("--scores", "scores.npy"), "expected one for each of 12 frames, found 3"),
        (("--source", "nowhere"), "nothing is there"),
        (("--vehicle", "a/b", "--dry-run"), "vehicle: expected a name"),
    ],
)
def test_bad_usage_is_told_before_anything_is_sent(
    vehicle: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], expected: str
) -> None:
    np.save(vehicle / "scores.npy", np.ones(3))
    assert upload(*SEND, *more) == 2
    assert expected in capsys.readouterr().err
    assert not (vehicle / "bucket").exists()


def test_what_the_cloud_knows_and_the_models_doubts_change_the_choice(
    vehicle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = np.array([0, 0, 0, 0, 0, 0, 500, 501, 502, 700, 701, 702], dtype=np.float32)
    np.save(vehicle / "rows.npy", places[:, None])
    np.save(vehicle / "cloud.npy", np.array([[0.0], [701.0]]))
    given = ("--embeddings", "rows.npy", "--cloud-set", "cloud.npy")
    assert upload(*SEND, *given, "--model-version", "m3", "--encoder-version", "line/1") == 0
    (key,) = FileBlobs(vehicle / "bucket").keys("uploads")
    document = json.loads((vehicle / "bucket" / key).read_bytes())
    assert {frame["session"] for frame in document["frames"]} == {"night"}
    assert document["frames"][0]["name"] == "night/00.png"
    assert (document["model_version"], document["weighted"]) == ("m3", False)
    assert (document["encoder_version"], document["cloud_set"]["n_rows"]) == ("line/1", 2)
    scores = np.full(12, 1e-6)
    scores[9:] = 1.0
    np.save(vehicle / "scores.npy", scores)
    capsys.readouterr()
    assert upload("--dry-run", *given, "--scores", "scores.npy", budget="1KB") == 0
    assert "night/0001" in capsys.readouterr().out
    assert document["frames"][0]["score"] is None


def test_sub_folders_are_sessions_unless_labels_are_to_be_sent(vehicle: Path) -> None:
    assert upload(*SEND, budget="1MB") == 0
    assert upload("--key", "v7.key.pem", "--to", "tryout", "--labels", budget="1MB") == 0
    found = []
    for folder in ("bucket", "tryout"):
        (key,) = FileBlobs(vehicle / folder).keys("uploads")
        frames = json.loads((vehicle / folder / key).read_bytes())["frames"]
        found.append({(frame["session"], frame["known_label"]) for frame in frames})
    assert found == [{("day", None), ("night", None)}, {("", "day"), ("", "night")}]


def test_options_that_contradict_the_manifest_are_refused(
    vehicle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upload(*SEND) == 0
    (key,) = FileBlobs(vehicle / "bucket").keys("uploads")
    state = funded(vehicle / "state")
    moved = vehicle / "manifest.json"
    moved.write_bytes((vehicle / "bucket" / key).read_bytes())
    assert run("ingest", moved, "--state", state) == 2
    assert "name that folder or store with --from" in capsys.readouterr().err
    assert run("ingest", vehicle / "bucket" / key, "--vehicle", "v8", "--state", state) == 2
    assert "no --source and no --vehicle" in capsys.readouterr().err
    keys = ("--vehicle-keys", vehicle)
    assert run("ingest", moved, "--from", "bucket", *keys, "--state", state) == 0
    assert run("ingest", "uploads/none", "--state", state) == 2
    assert "object key" in capsys.readouterr().err


def test_keys_are_never_overwritten(vehicle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("upload", "keygen", "--vehicle", "v7") == 1
    assert "expected no key yet, found one" in capsys.readouterr().err


def test_a_cloud_set_needs_an_embedded_pool(
    vehicle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = funded(vehicle / "state")
    assert run("upload", "cloud-set", "cloud.npz", "--state", state) == 2
    assert "nothing embedded yet (winnow up does it)" in capsys.readouterr().err
    assert not (vehicle / "cloud.npz").exists()
