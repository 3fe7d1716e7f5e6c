"""Ingest: registered once, paid once, whole groups on one side, nothing lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid5

import pytest

from tests.unit.ingest.images import class_folder, coco_folder, image_bytes, write_folder
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.frame_sources.open import open_source
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.contracts.artifacts import read_table
from winnow.contracts.mapping import from_message
from winnow.contracts.tables import FRAMES, HOLDOUT, ORACLE
from winnow.domain.errors import BadInput, BudgetExceeded
from winnow.domain.events import FramesIngested
from winnow.domain.ids import NAMESPACE, BudgetId, Micros, Period
from winnow.domain.money import Allocate, Balances, Budget, BudgetKind, Unit
from winnow.domain.tables import SHARDS, SOURCES, SourceRow
from winnow.ports.frame_source import FrameSource
from winnow.runtime.ingestion import IngestOptions, IngestReport, ingest_frames
from winnow.testing.manual_clock import ManualClock

UPLOAD = BudgetId("upload")
PERIOD = Period("2026-Q1")


@dataclass(frozen=True)
class Place:
    ledger: SqliteLedger
    blobs: FileBlobs
    clock: ManualClock

    def fund(self, amount: int) -> None:
        with self.ledger.transaction() as tx:
            tx.money.put_budget(Budget(UPLOAD, BudgetKind.UPLOAD, "owner", Unit("bytes")))
            transfer_id = uuid5(NAMESPACE, f"fund {amount}")
            tx.money.allocate(
                Allocate(
                    transfer_id, UPLOAD, PERIOD, Micros(amount), "owner", "ok", self.clock.now()
                )
            )

    def ingest(self, source: FrameSource, **options: object) -> IngestReport:
        return ingest_frames(
            source,
            ledger=self.ledger,
            blobs=self.blobs,
            clock=self.clock,
            options=replace(IngestOptions(frames_per_shard=3), **options),  # type: ignore[arg-type]
            encoder=PixelEncoder(),
        )

    def balances(self) -> Balances:
        with self.ledger.snapshot() as view:
            return view.money.balances(UPLOAD, PERIOD)

    def facts(self) -> list[FramesIngested]:
        with self.ledger.snapshot() as view:
            rows = view.boxes.unsent("ingest", 100)
        found = [from_message(row.message).data for row in rows]
        return [fact for fact in found if isinstance(fact, FramesIngested)]

    def source_row(self, name: str) -> SourceRow:
        with self.ledger.snapshot() as view:
            row = view.records.get(SOURCES, name)
        assert row is not None
        return row

    def pool_ids(self) -> list[str]:
        tables = [read_table(self.blobs, fact.manifest, FRAMES) for fact in self.facts()]
        return [frame_id for table in tables for frame_id in table["frame_id"].to_pylist()]

    def holdout_ids(self, name: str) -> list[str]:
        ref = self.source_row(name).holdout
        assert ref is not None
        ids: list[str] = read_table(self.blobs, ref, HOLDOUT)["frame_id"].to_pylist()
        return ids


@pytest.fixture
def place(tmp_path: Path) -> Place:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    found = Place(ledger, FileBlobs(tmp_path / "blobs"), ManualClock())
    found.fund(1_000_000)
    return found


def test_a_folder_becomes_shards_facts_an_oracle_and_a_bill(place: Place, tmp_path: Path) -> None:
    source = open_source(class_folder(tmp_path / "pets"))
    report = place.ingest(source)
    facts = place.facts()
    weight = sum(len(frame.data) for frame in source.frames())
    assert [fact.n_frames for fact in facts] == [3, 3, 2]
    assert (report.n_pool, report.n_shards, report.bytes_paid) == (8, 3, weight)
    assert place.balances().spent == weight
    assert place.balances().reserved == 0
    row = place.source_row("pets")
    assert row.class_names == ("cat", "dog")
    assert row.oracle is not None
    oracle = read_table(place.blobs, row.oracle, ORACLE).to_pylist()
    assert sorted(line["frame_id"] for line in oracle) == sorted(place.pool_ids())
    assert [line["label"] for line in oracle].count("cat") == 4


def test_ingesting_twice_registers_and_pays_once(place: Place, tmp_path: Path) -> None:
    source = open_source(class_folder(tmp_path / "pets"))
    first = place.ingest(source, holdout_share=0.25, holdout_by="cluster")
    spent, facts = place.balances().spent, place.facts()
    again = place.ingest(source, holdout_share=0.25, holdout_by="cluster")
    assert (again.n_known, again.n_pool, again.n_holdout, again.bytes_paid) == (8, 0, 0, 0)
    assert first.n_holdout == len(again.holdout.positions) == 2
    assert place.balances().spent == spent
    assert place.facts() == facts


def test_a_source_that_grew_registers_only_what_is_new(place: Place, tmp_path: Path) -> None:
    folder = class_folder(tmp_path / "pets")
    place.ingest(open_source(folder), holdout_share=0.25)
    before, held = place.pool_ids(), place.holdout_ids("pets")
    # Sorted before everything else: positions shift, identities must not.
    write_folder(folder, {f"ant/{number}.png": image_bytes(100 + number) for number in range(4)})
    report = place.ingest(open_source(folder), holdout_share=0.25)
    assert report.n_known == 8
    assert report.n_pool + report.n_holdout == 4
    assert set(before) <= set(place.pool_ids())
    assert set(held) <= set(place.holdout_ids("pets"))
    assert not set(place.pool_ids()) & set(place.holdout_ids("pets"))
    assert place.source_row("pets").class_names == ("cat", "dog", "ant")
    oracle = place.source_row("pets").oracle
    assert oracle is not None
    assert len(read_table(place.blobs, oracle, ORACLE)) == len(place.pool_ids())


def test_an_interrupted_ingest_registers_nothing_and_goes_on(place: Place, tmp_path: Path) -> None:
    source = open_source(class_folder(tmp_path / "pets"))

    def pull_the_plug(what: str, done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_frames(
            source,
            ledger=place.ledger,
            blobs=place.blobs,
            clock=place.clock,
            on_progress=pull_the_plug,
        )
    assert place.facts() == []
    assert place.balances().spent == 0
    assert place.ingest(source).n_pool == 8


def test_without_money_nothing_is_registered_and_more_money_helps(tmp_path: Path) -> None:
    place = Place(SqliteLedger(tmp_path / "l.db"), FileBlobs(tmp_path / "b"), ManualClock())
    source = open_source(class_folder(tmp_path / "pets"))
    with pytest.raises(BudgetExceeded, match="winnow budget allocate upload"):
        place.ingest(source)
    place.fund(10)
    with pytest.raises(BudgetExceeded, match="found 10; nothing was registered"):
        place.ingest(source)
    with place.ledger.snapshot() as view:
        assert view.records.find(SHARDS) == []
    place.fund(100_000)
    assert place.ingest(source).n_pool == 8


def test_whole_sessions_are_held_out(place: Place, tmp_path: Path) -> None:
    sessions: list[dict[str, object]] = [{"session": f"s{number // 2}"} for number in range(10)]
    path = coco_folder(tmp_path / "drive", archive=True, images=sessions)
    report = place.ingest(open_source(path), holdout_share=0.4, holdout_by="session")
    ref = place.source_row("drive").holdout
    assert ref is not None
    held = read_table(place.blobs, ref, HOLDOUT)
    pooled = [
        session
        for fact in place.facts()
        for session in read_table(place.blobs, fact.manifest, FRAMES)["session"].to_pylist()
    ]
    assert len(held) == report.n_holdout == 4
    assert not set(held["session"].to_pylist()) & set(pooled)
    assert set(held["label"].to_pylist()) <= {"car", "sign", "nothing"}


def test_near_duplicates_are_on_one_side(place: Place, tmp_path: Path) -> None:
    files = {
        f"{'cat' if number % 2 else 'dog'}/{number}-{copy}.{kind}": image_bytes(
            number, kind=kind.upper()
        )
        for number in range(6)
        for copy, kind in enumerate(("png", "bmp"))
    }
    source = open_source(write_folder(tmp_path / "pairs", files))
    report = place.ingest(source, holdout_share=0.3, holdout_by="cluster")
    names = [frame.name for frame in source.frames()]
    held = {names[pos].split("-")[0] for pos in report.holdout.positions}
    kept = {
        name.split("-")[0] for pos, name in enumerate(names) if pos not in report.holdout.positions
    }
    assert report.holdout.n_groups == 6
    assert report.n_holdout == 4
    assert not held & kept


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"holdout_share": 0.2}, "no class sub-folders"),
        ({"holdout_by": "frame"}, "session or cluster"),
        ({"holdout_share": 1.0}, "less than 1"),
        ({"limit": 0}, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    place: Place, tmp_path: Path, options: dict[str, object], expected: str
) -> None:
    source = open_source(write_folder(tmp_path / "plain", {"1.png": image_bytes(1)}))
    with pytest.raises(BadInput, match=expected):
        place.ingest(source, **options)


def test_one_session_cannot_be_divided(place: Place, tmp_path: Path) -> None:
    source = open_source(class_folder(tmp_path / "pets"))
    with pytest.raises(BadInput, match="try --by cluster"):
        place.ingest(source, holdout_share=0.2, holdout_by="session")


def test_damaged_images_are_registered_all_the_same(place: Place, tmp_path: Path) -> None:
    whole = image_bytes(1, kind="JPEG")
    files = {"cat/1.jpg": whole[: len(whole) // 2], "cat/2.jpg": whole, "dog/3.jpg": b"no image"}
    source = open_source(write_folder(tmp_path / "damaged", files))
    assert place.ingest(source, holdout_share=0.4).n_pool == 2
    assert len(place.pool_ids()) == 2


def test_a_limit_takes_frames_from_all_over_the_source(place: Place, tmp_path: Path) -> None:
    source = open_source(class_folder(tmp_path / "pets"))
    assert place.ingest(source, limit=4).n_pool == 4
    oracle = place.source_row("pets").oracle
    assert oracle is not None
    labels = read_table(place.blobs, oracle, ORACLE)["label"].to_pylist()
    assert sorted(labels) == ["cat", "cat", "dog", "dog"]


def test_the_same_bytes_under_two_labels_are_told(place: Place, tmp_path: Path) -> None:
    same, other = image_bytes(1), image_bytes(2)
    files = {"cat/1.png": same, "cat/2.png": same, "dog/3.png": same, "dog/4.png": other}
    source = open_source(write_folder(tmp_path / "pets", files))
    report = place.ingest(source)
    assert report.n_pool == 4
    assert any("1 frame(s) repeat another" in note for note in report.notes)
    assert any("dog/3.png (cat before)" in note for note in report.notes)
