"""Given a vehicle with these recordings and limits, this manifest; killed, repeated, tampered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.unit.fleet.vehicle import (
    NOW,
    START,
    Recordings,
    cloud,
    key_pair,
    look,
    plan,
    recordings,
    send,
)
from tests.unit.ingest.test_ingestion import Place, place  # noqa: F401 - a fixture
from winnow.adapters.ed25519_keys import Ed25519Signer, KeyFolder, write_key_pair
from winnow.adapters.file_blobs import FileBlobs
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.contracts.artifacts import canonical_json, read_table
from winnow.contracts.tables import FRAMES
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import (
    BadInput,
    BudgetExceeded,
    Conflict,
    IntegrityError,
    NotFound,
    SchemaMismatch,
)
from winnow.domain.ids import FrameId
from winnow.evidence.upload_manifest import UploadSelectionManifest
from winnow.ports.frame_source import SourceFrame
from winnow.runtime.ingestion import IngestReport
from winnow.runtime.upload_intake import (
    UploadedSource,
    check_upload,
    is_upload,
    keep_upload,
    read_upload,
)
from winnow.testing.faults import Crash, CrashingBlobs, CrashingLedger, CrashPlan

TWO_DRIVES = {"day": [0, 1, 2, 3], "night": [900, 901, 500, 501]}


@pytest.fixture
def store(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "bucket")


@pytest.fixture
def signer(tmp_path: Path) -> Ed25519Signer:
    return key_pair(tmp_path / "keys")


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes have an order, so that the n-th is always the same."""
    for module in ("uploading", "ingestion", "ingest_gathering"):
        monkeypatch.setattr(f"winnow.runtime.{module}.PUTS_AT_ONCE", 1)


def take_in(
    place: Place,  # noqa: F811
    store: FileBlobs,
    data: bytes,
    keys: Path,
    *,
    now: object = NOW,
) -> IngestReport:
    """What `winnow ingest` does with a manifest."""
    manifest = read_upload(data, where="manifest")
    check_upload(manifest, keys=KeyFolder(keys), now=now, where="manifest")  # type: ignore[arg-type]
    keep_upload(manifest, place.blobs)
    return place.ingest(UploadedSource(manifest, store), vehicle=manifest.vehicle)


def test_the_manifest_says_what_was_sent_what_was_not_and_why(
    store: FileBlobs, signer: Ed25519Signer
) -> None:
    source = recordings(TWO_DRIVES)
    known = cloud([0, 1, 2, 3])
    sent = send(source, store, signer, known=known, budget_bytes=250, model_version="m3")
    manifest = sent.manifest
    assert not sent.sent_before
    assert manifest.verify()
    chosen = [segment for segment in manifest.segments if segment.rank is not None]
    assert [(one.name, one.rank, one.n_frames, one.size_bytes) for one in chosen] == [
        ("night/0000", 0, 2, 200)
    ]
    reasons = {segment.name: segment.reason for segment in manifest.segments}
    assert reasons["night/0001"] == "does not fit beside better ones: 200 bytes, 50 were left"
    assert reasons["day/0000"] == "adds nothing to what the cloud and this upload show"
    assert (manifest.vehicle, manifest.model_version, manifest.used_bytes) == ("v7", "m3", 200)
    assert manifest.coverage_before < manifest.coverage_after <= manifest.coverage_ceiling
    assert manifest.cloud_set is not None
    assert (manifest.cloud_set.n_rows, manifest.cloud_set.sha256) == (4, known.sha256)
    left = manifest.left_behind
    assert (left.n_passed_over, left.n_known, left.n_privacy_blocked) == (6, 0, 0)
    frame = manifest.frames[0]
    assert store.get(frame.ref) == source.sent[4].data
    assert (frame.session, frame.sensor, frame.site) == ("night", "front", "berlin")
    assert (frame.captured_at, frame.tags) == (source.sent[4].captured_at, {"weather": "rain"})
    # The two frames stand for themselves and for those at 500; days are nearer to the cloud.
    assert [frame.stands_for for frame in manifest.frames] == [3.0, 1.0]
    assert manifest.frames[0].segment == "night/0000"


def test_sent_twice_is_sent_once(store: FileBlobs, signer: Ed25519Signer) -> None:
    source = recordings(TWO_DRIVES)
    first = send(source, store, signer)
    before = sorted(store.keys(""))
    again = send(source, store, signer, now=NOW + timedelta(hours=3))
    assert again == replace(first, sent_before=True)
    assert sorted(store.keys("")) == before


def test_what_the_cloud_has_by_id_is_not_sent_again(
    store: FileBlobs, signer: Ed25519Signer
) -> None:
    source = recordings(TWO_DRIVES)
    ids = {one.frame_id for one in look(source).usable[4:]}
    manifest = send(source, store, signer, known=cloud([], frame_ids=ids)).manifest
    assert {frame.session for frame in manifest.frames} == {"day"}
    assert manifest.left_behind.n_known == 4
    part = plan(
        source, known=cloud([], frame_ids={one.frame_id for one in look(source).usable[:3]})
    )
    names = [(one.name, one.size_bytes) for one in part.segments]  # names are those of a first try
    assert names == [("day/0001", 100), ("night/0000", 200), ("night/0001", 200)]
    assert manifest.n_observations == 8


def test_an_expired_manifest_is_replaced(store: FileBlobs, signer: Ed25519Signer) -> None:
    source = recordings(TWO_DRIVES)
    first = send(source, store, signer).manifest
    later = send(source, store, signer, now=NOW + timedelta(days=31))
    assert not later.sent_before
    assert later.manifest.supersedes == first.id
    assert later.manifest.choice_sha256 == first.choice_sha256


def test_a_damaged_manifest_in_the_store_is_written_again(
    store: FileBlobs, signer: Ed25519Signer, tmp_path: Path
) -> None:
    source = recordings(TWO_DRIVES)
    ref = send(source, store, signer).ref
    path = tmp_path / "bucket" / ref.key
    path.chmod(0o644)
    path.write_bytes(b"{}")
    again = send(source, store, signer)
    assert not again.sent_before
    assert store.get(again.ref)


@pytest.mark.parametrize("after_effect", [False, True])
def test_killed_at_any_write_it_goes_on_and_ends_the_same(
    one_at_a_time: None, tmp_path: Path, signer: Ed25519Signer, after_effect: bool
) -> None:
    source = recordings(TWO_DRIVES)
    undisturbed = FileBlobs(tmp_path / "undisturbed")
    plan_ = CrashPlan()
    expected = send(source, CrashingBlobs(undisturbed, plan_), signer)
    assert plan_.n_writes == 9  # 8 frames and the manifest, which comes last
    for at in range(1, plan_.n_writes + 1):
        store = FileBlobs(tmp_path / f"{after_effect}-{at}")
        crashing = CrashingBlobs(store, CrashPlan(at=at, after_effect=after_effect))
        with pytest.raises(Crash):
            send(source, crashing, signer)
        assert bool(list(store.keys("uploads"))) == (at == plan_.n_writes and after_effect)
        found = send(source, store, signer)
        assert found.manifest == expected.manifest
        assert sorted(store.keys("")) == sorted(undisturbed.keys(""))


def test_a_recording_that_changes_meanwhile_is_refused(
    store: FileBlobs, signer: Ed25519Signer
) -> None:
    class Changing(Recordings):
        def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
            for frame in super().frames(positions):
                yield frame if positions is None else replace(frame, data=b"other")

    steady = recordings(TWO_DRIVES)
    with pytest.raises(IntegrityError, match="expected the bytes that were looked at"):
        send(Changing(steady.sent, steady.places), store, signer)
    assert list(store.keys("uploads")) == []


def test_without_bytes_a_manifest_says_that_nothing_was_sent(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    sent = send(recordings(TWO_DRIVES), store, signer, budget_bytes=0)
    assert (sent.manifest.frames, sent.manifest.used_bytes) == ((), 0)
    assert sent.manifest.left_behind.n_passed_over == 8
    report = take_in(place, store, store.get(sent.ref), tmp_path / "keys")
    assert (report.n_frames, report.bytes_paid) == (0, 0)


def test_a_vehicle_without_frames_sends_an_empty_manifest(
    store: FileBlobs, signer: Ed25519Signer
) -> None:
    manifest = send(recordings({}), store, signer).manifest
    assert (manifest.segments, manifest.frames, manifest.coverage_after) == ((), (), 0.0)


def test_private_and_unreadable_frames_stay_on_the_vehicle(
    store: FileBlobs, signer: Ed25519Signer
) -> None:
    source = recordings(TWO_DRIVES)
    source.sent[0] = replace(source.sent[0], privacy_blocked=True)
    manifest = send(source, store, signer).manifest
    assert manifest.left_behind.n_privacy_blocked == 1
    assert len(manifest.frames) == 7
    seen = look(source)
    assert seen.blocked[0] not in {frame.frame_id for frame in manifest.frames}
    from winnow.runtime.upload_looking import look_at

    own = look_at(  # its own encoder cannot decode these bytes
        source, vehicle="v7", encoder=PixelEncoder(), given=None, on_progress=lambda *_: None
    )
    assert (len(own.usable), len(own.blocked), len(own.unreadable)) == (0, 1, 7)
    assert own.embeddings.shape == (0, PixelEncoder().dimension)


def test_the_same_frame_twice_in_a_source_is_one_frame() -> None:
    source = recordings({"day": [0, 1]})
    source.sent.append(source.sent[0])
    source.places.append(source.places[0])
    assert len(look(source).usable) == 2


def test_segments_without_times_are_cut_in_order_and_never_too_old() -> None:
    source = recordings({"a": [0, 1, 2], "b": [3]})
    source.sent = [replace(frame, captured_at=None) for frame in source.sent]
    planned = plan(source, retention=timedelta(seconds=1), now=NOW + timedelta(days=900))
    assert [segment.name for segment in planned.segments] == ["a/0000", "a/0001", "b/0000"]
    assert {segment.deadline_us for segment in planned.segments} == {None}


def test_retention_and_the_next_window_decide_what_goes_first() -> None:
    source = recordings({"old": [0, 1], "new": [500, 900]})
    # "old" was recorded at 8, "new" at 9; it is 12 and the next window opens at 14.
    planned = plan(
        source,
        retention=timedelta(hours=5, minutes=30),
        next_window=timedelta(hours=2),
        budget_bytes=200,
        known=cloud([0, 2]),
    )
    assert {segment.name for segment in planned.segments} == {"old/0000", "new/0000"}
    assert [one.session for one in planned.sent] == ["old", "old"]
    gone = plan(source, retention=timedelta(hours=3, minutes=30))
    assert {one.session for one in gone.sent} == {"new"}


def test_uncertainty_of_the_local_model_weighs(store: FileBlobs, signer: Ed25519Signer) -> None:
    source = recordings({"a": [0, 1], "b": [900, 901]})
    for sure, expected in ((0, "b"), (2, "a")):
        scores = np.ones(4)
        scores[sure : sure + 2] = 0.01
        planned = plan(source, scores=scores, budget_bytes=200)
        assert {one.session for one in planned.sent} == {expected}
        assert planned.scores is not None


def test_a_cloud_set_of_another_encoder_is_refused() -> None:
    source = recordings(TWO_DRIVES)
    with pytest.raises(BadInput, match=r"encoder line/1 with 1 numbers, found other/2"):
        plan(source, known=replace(cloud([0]), encoder_version="other/2"))
    with pytest.raises(BadInput, match="with 3"):
        plan(source, known=replace(cloud([0]), embeddings=np.zeros((2, 3), np.float32)))
    source.places.pop()
    with pytest.raises(BadInput, match="a row for each of the 8 frames"):
        look(source)


# In the cloud.


def test_the_cloud_registers_an_upload_as_it_does_any_source(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    sent = send(recordings(TWO_DRIVES), store, signer, known=cloud([0, 1, 2, 3]))
    report = take_in(place, store, store.get(sent.ref), tmp_path / "keys")
    assert (report.source, report.n_pool, report.bytes_paid) == ("v7", 4, 400)
    assert sorted(place.pool_ids()) == sorted(frame.frame_id for frame in sent.manifest.frames)
    assert place.balances().spent == 400
    (first, *_) = place.facts()
    assert (first.vehicle, first.source) == ("v7", "v7")
    rows = [
        r
        for fact in place.facts()
        for r in read_table(place.blobs, fact.manifest, FRAMES).to_pylist()
    ]
    assert {row["vehicle"] for row in rows} == {"v7"}
    tags = {row["frame_id"]: json.loads(row["tags"]) for row in rows}
    frame = sent.manifest.frames[0]
    assert tags[frame.frame_id] == {"weather": "rain", "stands_for": f"{frame.stands_for:g}"}
    (kept,) = place.blobs.keys("ingest/evidence")
    assert place.blobs.get(
        place.blobs.ref_of(kept, media_type="application/json")
    ) == canonical_json(sent.manifest)


def test_taken_in_twice_it_is_paid_once(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    data = store.get(send(recordings(TWO_DRIVES), store, signer).ref)
    first = take_in(place, store, data, tmp_path / "keys")
    facts, spent = place.facts(), place.balances().spent
    again = take_in(place, store, data, tmp_path / "keys")
    assert (first.n_pool, again.n_pool, again.n_known, again.bytes_paid) == (8, 0, 8, 0)
    assert (place.facts(), place.balances().spent) == (facts, spent)


def test_two_overlapping_uploads_pay_each_frame_once(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    source = recordings(TWO_DRIVES)
    small = send(source, store, signer, budget_bytes=200)
    large = send(source, store, signer)
    for sent in (small, large):
        take_in(place, store, store.get(sent.ref), tmp_path / "keys")
    assert place.balances().spent == 800
    assert len(set(place.pool_ids())) == len(place.pool_ids()) == 8


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_cloud_that_is_killed_at_any_write_registers_and_pays_once(
    one_at_a_time: None,
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
    after_effect: bool,
) -> None:
    data = store.get(send(recordings(TWO_DRIVES), store, signer).ref)
    for at in range(1, 40):
        crash = CrashPlan(at=at, after_effect=after_effect)
        crashing = replace(
            place,
            ledger=CrashingLedger(place.ledger, crash),  # type: ignore[arg-type]
            blobs=CrashingBlobs(place.blobs, crash),  # type: ignore[arg-type]
        )
        try:
            take_in(crashing, store, data, tmp_path / "keys")
        except Crash:
            continue
        break
    assert at > 8
    assert place.balances().spent == 800
    assert len(set(place.pool_ids())) == len(place.pool_ids()) == 8


Tamper = Callable[[UploadSelectionManifest], UploadSelectionManifest]


def resealed(**changes: object) -> Tamper:
    return lambda manifest: manifest.model_copy(update=changes).sealed()


@pytest.mark.parametrize(
    ("tamper", "error", "expected"),
    [
        (resealed(used_bytes=1), IntegrityError, "one that does not fit"),
        (lambda m: m.model_copy(update={"used_bytes": 1}), IntegrityError, "of digest"),
        (resealed(signature=""), BadInput, "signed by vehicle v7, found none"),
        (resealed(signature="!!"), IntegrityError, "signature in base64"),
        (
            resealed(signature=base64.b64encode(bytes(64)).decode()),
            IntegrityError,
            "one that does not fit",
        ),
        (resealed(vehicle="v8"), BadInput, "vehicle v8: expected its public key"),
        (resealed(key_fingerprint="00" * 32), BadInput, "expected a key with fingerprint"),
    ],
    ids=["changed", "changed, old digest", "unsigned", "no base64", "other signature",
         "unknown vehicle", "other key"],
)  # fmt: skip
def test_what_was_tampered_with_registers_nothing(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
    tamper: Tamper,
    error: type[Exception],
    expected: str,
) -> None:
    manifest = tamper(send(recordings(TWO_DRIVES), store, signer).manifest)
    with pytest.raises(error, match=expected):
        take_in(place, store, canonical_json(manifest), tmp_path / "keys")
    assert place.facts() == []
    assert place.balances().spent == 0
    assert list(place.blobs.keys("")) == []


def test_another_vehicles_key_does_not_sign_for_this_one(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    thief = key_pair(tmp_path / "keys", "v8", secret=8)
    manifest = send(recordings(TWO_DRIVES), store, thief).manifest
    claimed = manifest.model_copy(update={"key_fingerprint": signer.fingerprint})
    forged = claimed.signed(thief.sign)
    with pytest.raises(IntegrityError, match="one that does not fit"):
        take_in(place, store, canonical_json(forged), tmp_path / "keys")
    with pytest.raises(BadInput, match="expected a key with fingerprint"):
        take_in(place, store, canonical_json(manifest), tmp_path / "keys")


def test_an_expired_manifest_is_refused(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    data = store.get(send(recordings(TWO_DRIVES), store, signer, valid=timedelta(hours=1)).ref)
    with pytest.raises(BadInput, match="one that expired at 2026-05-01T13:00:00"):
        take_in(place, store, data, tmp_path / "keys", now=NOW + timedelta(hours=2))
    assert place.facts() == []


@pytest.mark.parametrize(("gone", "error"), [(True, NotFound), (False, IntegrityError)])
def test_frames_that_are_gone_or_other_ones_register_nothing(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
    gone: bool,
    error: type[Exception],
) -> None:
    sent = send(recordings(TWO_DRIVES), store, signer)
    path = tmp_path / "bucket" / sent.manifest.frames[-1].ref.key
    path.chmod(0o644)
    path.unlink() if gone else path.write_bytes(b"x" * 100)
    with pytest.raises(error):
        take_in(place, store, store.get(sent.ref), tmp_path / "keys")
    assert place.facts() == []
    assert place.balances().spent == 0


def signed_with(signer: Ed25519Signer, manifest: UploadSelectionManifest, **frame: object) -> bytes:
    first, *rest = manifest.frames
    frames = (first.model_copy(update=frame), *rest)
    return canonical_json(manifest.model_copy(update={"frames": frames}).signed(signer.sign))


def test_even_a_signed_manifest_cannot_name_other_frames_or_places(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    manifest = send(recordings(TWO_DRIVES), store, signer).manifest
    wrong_id = signed_with(signer, manifest, frame_id=FrameId("0" * 32))
    with pytest.raises(IntegrityError, match="expected id 0000"):
        take_in(place, store, wrong_id, tmp_path / "keys")
    secret = store.put(b"secret", prefix="holdout/frames", media_type="text/plain")
    elsewhere = signed_with(signer, manifest, ref=secret)
    with pytest.raises(BadInput, match="expected bytes under frames/"):
        take_in(place, store, elsewhere, tmp_path / "keys")
    assert place.facts() == []


def test_a_store_copied_into_another_bucket_holds_the_same_frames(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    manifest = send(recordings(TWO_DRIVES), store, signer).manifest
    frames = tuple(
        frame.model_copy(update={"ref": replace(frame.ref, bucket="fleet-uploads")})
        for frame in manifest.frames
    )
    moved = manifest.model_copy(update={"frames": frames}).signed(signer.sign)
    assert take_in(place, store, canonical_json(moved), tmp_path / "keys").n_pool == 8


def test_without_upload_money_nothing_is_registered(
    store: FileBlobs,
    signer: Ed25519Signer,
    place: Place,  # noqa: F811
    tmp_path: Path,
) -> None:
    sent = send(recordings({"a": [0, 1]}, size_bytes=600_000), store, signer, budget_bytes=10**7)
    with pytest.raises(BudgetExceeded, match="expected 1200000 bytes available"):
        take_in(place, store, store.get(sent.ref), tmp_path / "keys")
    assert place.facts() == []


def test_what_is_no_manifest_is_told_with_every_mistake() -> None:
    with pytest.raises(SchemaMismatch, match=r"upload selection manifest, found \d+ mistake"):
        read_upload(b'{"artifact": "upload_selection", "seed": "x"}', where="here")
    assert is_upload(b' {\n "artifact": "upload_selection", ')
    assert not is_upload(b'{"images": []}')
    assert not is_upload(b"\x89PNG")


def test_keys_are_made_once_private_and_replaced_side_by_side(
    tmp_path: Path, store: FileBlobs
) -> None:
    private, public = write_key_pair(tmp_path / "made", "v7")
    assert private.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict, match="expected no key yet"):
        write_key_pair(tmp_path / "made", "v7")
    with pytest.raises(BadInput, match="begins with a letter or digit"):
        write_key_pair(tmp_path, "../v7")
    other = key_pair(tmp_path / "keys", secret=9)
    both = public.read_bytes() + (tmp_path / "keys" / "v7.pem").read_bytes()
    (tmp_path / "keys" / "v7.pem").write_bytes(both)
    for signing in (Ed25519Signer(private), other):
        manifest = send(recordings({"a": [0]}), store, signing).manifest
        check_upload(manifest, keys=KeyFolder(tmp_path / "keys"), now=NOW, where="")


@pytest.mark.parametrize(
    "found", [b"", b"nonsense", b"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----"]
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, found: bytes) -> None:
    path = tmp_path / "v7.pem"
    path.write_bytes(found)
    with pytest.raises(BadInput, match="expected an Ed25519 private key"):
        Ed25519Signer(path)
    with pytest.raises(BadInput, match="expected an Ed25519 public key"):
        KeyFolder(tmp_path).check("v7", "00", b"", b"")
    with pytest.raises(BadInput, match="expected a readable key file"):
        Ed25519Signer(tmp_path / "none.pem")


def test_times_of_a_segment_are_those_of_its_frames(
    store: FileBlobs, signer: Ed25519Signer
) -> None:
    manifest = send(recordings(TWO_DRIVES), store, signer, retention=timedelta(days=2)).manifest
    first = manifest.segments[0]
    assert (first.captured_from, first.captured_to) == (START, START + timedelta(seconds=1))
    assert first.keep_until == START + timedelta(days=2, seconds=1)
    assert isinstance(manifest.frames[0].ref, BlobRef)
