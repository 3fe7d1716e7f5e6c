"""`winnow ingest` as a user types it: what it says, and what it says when it cannot."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.ingest.images import class_folder, coco_folder, image_bytes, write_folder
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.frame_sources.coco import NOTHING
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.cli import app
from winnow.contracts.artifacts import read_table
from winnow.contracts.tables import ORACLE
from winnow.domain.ids import BudgetId, Micros, Period, derived_uuid
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.domain.money import Allocate, Budget, BudgetKind, Unit
from winnow.domain.tables import SOURCES, SourceRow


def run(*arguments: object) -> int:
    try:
        code = app([str(argument) for argument in arguments], standalone_mode=False)
    except SystemExit as end:
        code = end.code
    return int(code or 0)


def funded(state: Path) -> Path:
    state.mkdir()
    ledger = SqliteLedger(state / "ledger.db")
    upload, now = BudgetId("upload"), datetime(2026, 1, 1, tzinfo=UTC)
    with ledger.transaction() as tx:
        tx.money.put_budget(Budget(upload, BudgetKind.UPLOAD, "owner", Unit("bytes")))
        transfer_id = derived_uuid("fund")
        tx.money.allocate(
            Allocate(transfer_id, upload, Period("2026"), Micros(10**6), "owner", "ok", now)
        )
    ledger.close()
    return state


def known_labels(state: Path) -> tuple[SourceRow, list[str]]:
    """Give the one source that was registered, and what is known of its frames."""
    ledger, blobs = SqliteLedger(state / "ledger.db"), FileBlobs(state / "blobs")
    with ledger.snapshot() as view:
        (source,) = view.records.find(SOURCES)
    ledger.close()
    assert source.oracle is not None
    return source, read_table(blobs, source.oracle, ORACLE)["label"].to_pylist()


def topics_stated(state: Path) -> set[str]:
    with closing(sqlite3.connect(state / "ledger.db")) as db:
        return {topic for (topic,) in db.execute("SELECT topic FROM outbox")}


def test_it_says_what_was_registered_and_how_it_was_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, pets = funded(tmp_path / "state"), class_folder(tmp_path / "pets")
    assert run("ingest", pets, "--holdout", 0.25, "--state", state) == 0
    said = capsys.readouterr().out
    assert "pets: 8 frames read, 6 new in the pool (1 shard(s)), 2 new in the holdout" in said
    assert "2 class sub-folders are known labels" in said
    assert "classes: cat, dog" in said
    assert "holdout: 2 frames; whole clusters, of 8" in said
    assert run("ingest", pets, "--holdout", 0.25, "--state", state) == 0
    assert "8 already known; 0 bytes paid for" in capsys.readouterr().out


BOXES_OF_THREE = {
    '[{"box":[0,0,12,12],"class":"car"},{"box":[0,0,2,2],"class":"sign"}]',
    '[{"box":[0,0,2,2],"class":"car"},{"box":[0,0,12,12],"class":"sign"}]',
    "[]",
}


def test_of_many_classes_the_first_are_named_and_the_others_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = {f"breed{breed:03}/a.png": image_bytes(breed) for breed in range(200)}
    pets = write_folder(tmp_path / "pets", layout)
    assert run("ingest", pets, "--state", funded(tmp_path / "state")) == 0
    (line,) = (one for one in capsys.readouterr().out.splitlines() if "classes:" in one)
    assert line.endswith("breed018, breed019 and 180 more")


@pytest.mark.parametrize(
    ("asked", "kind", "class_names", "expected"),
    [
        (["--labels", "boxes"], DETECTION, ("car", "sign"), BOXES_OF_THREE),
        (["--labels", "class"], CLASSIFICATION, ("car", "sign", NOTHING), {"car", "sign", NOTHING}),
        ([], CLASSIFICATION, ("car", "sign", NOTHING), {"car", "sign", NOTHING}),
    ],
)
def test_labels_says_what_is_known_of_a_coco_files_frames(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    asked: list[str],
    kind: str,
    class_names: tuple[str, ...],
    expected: set[str],
) -> None:
    state = funded(tmp_path / "state")
    coco = coco_folder(tmp_path / "roads", archive=False, images=[{}, {}, {}])
    assert run("ingest", coco, *asked, "--state", state) == 0
    assert f"classes: {', '.join(class_names)}" in capsys.readouterr().out
    source, labels = known_labels(state)
    assert (source.label_kind, source.class_names) == (kind, class_names)
    assert set(labels) == expected


@pytest.mark.parametrize(
    ("path", "labels", "expected"),
    [
        ("pets", "boxes", "expected boxes, which a COCO .json has"),
        ("pets", "polygons", "--labels: expected class or boxes or weather"),
        ("roads:town=1,frames=8", "class", "expected --labels boxes"),
    ],
)
def test_labels_that_a_source_does_not_have_are_bad_usage(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    path: str,
    labels: str,
    expected: str,
) -> None:
    class_folder(tmp_path / "pets")
    where = tmp_path / path if path == "pets" else path
    assert run("ingest", where, "--labels", labels, "--state", tmp_path / "state") == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_a_folder_without_images_ends_with_bad_usage_and_leaves_no_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / "texts", {"a.txt": b""})
    assert run("ingest", folder, "--state", tmp_path / "state") == 2
    assert "expected images" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_without_a_budget_it_names_the_command_that_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pets = class_folder(tmp_path / "pets")
    assert run("ingest", pets, "--state", tmp_path / "state") == 1
    assert "winnow budget allocate upload 10GB" in capsys.readouterr().err


def test_stores_named_by_url_are_used_instead_of_a_state_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere, pets = funded(tmp_path / "elsewhere"), class_folder(tmp_path / "pets")
    urls = ["--ledger-url", f"sqlite:///{elsewhere / 'ledger.db'}"]
    urls += ["--blobs-url", f"file://{tmp_path / 'bucket'}"]
    state = tmp_path / "state"
    assert run("ingest", pets, *urls, "--prefix", "lab.", "--state", state) == 0
    assert "8 new in the pool" in capsys.readouterr().out
    assert (tmp_path / "bucket").is_dir()
    assert not state.exists()
    assert topics_stated(elsewhere) == {"lab.frames.ingested.v1"}
    assert run("replay", 1, *urls) == 1
    assert "round 1: expected a batch" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("ingest", "pets"), ("replay", "1")])
@pytest.mark.parametrize("option", ["--ledger-url", "--blobs-url"])
def test_half_of_a_cluster_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, str], option: str
) -> None:
    class_folder(tmp_path / "pets")
    what = tmp_path / "pets" if command[1] == "pets" else command[1]
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    assert run(command[0], what, option, url, "--state", tmp_path / "state") == 2
    assert f"together or neither, found only {option}" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
