"""The port suite of the object store: files always, S3 where `WINNOW_TEST_S3` names a server."""

import errno
import io
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from winnow.adapters.connect import connect_blobs
from winnow.adapters.file_blobs import FileBlobs
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, IntegrityError, NotFound, Retryable
from winnow.ports.blobs import Blobs

Tamper = Callable[[BlobRef, bytes], None]


def _file_store(tmp_path: Path) -> tuple[Blobs, Tamper]:
    def tamper(ref: BlobRef, data: bytes) -> None:
        path = tmp_path / "blobs" / ref.key
        path.chmod(0o644)
        path.write_bytes(data)

    return FileBlobs(tmp_path / "blobs"), tamper


def _s3_store(_tmp_path: Path) -> tuple[Blobs, Tamper]:
    from winnow.adapters.s3_blobs import S3Blobs

    base, _, query = os.environ["WINNOW_TEST_S3"].partition("?")
    url = f"{base}-{uuid.uuid4().hex[:12]}?{query}"
    store = connect_blobs(url)
    assert isinstance(store, S3Blobs)

    def tamper(ref: BlobRef, data: bytes) -> None:
        store._client.put_object(ref.bucket, ref.key, io.BytesIO(data), len(data))

    return store, tamper


_STORES = {"files": _file_store, "s3": _s3_store}


@pytest.fixture(params=["files", pytest.param("s3", marks=pytest.mark.s3)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Blobs, Tamper]:
    if request.param == "s3" and "WINNOW_TEST_S3" not in os.environ:
        pytest.skip("WINNOW_TEST_S3 names no server")
    return _STORES[request.param](tmp_path)


@pytest.fixture
def store(opened: tuple[Blobs, Tamper]) -> Blobs:
    return opened[0]


def test_what_is_put_is_what_is_got(store: Blobs) -> None:
    ref = store.put(b"frame", prefix="frames", media_type="image/png", schema_version=3)
    assert store.get(ref) == b"frame"
    assert ref.key == f"frames/{ref.sha256[:2]}/{ref.sha256}"
    assert (ref.size_bytes, ref.media_type, ref.schema_version) == (5, "image/png", 3)


def test_a_prefix_may_be_nested_and_end_in_a_slash(store: Blobs) -> None:
    ref = store.put(b"x", prefix="rounds/r1/", media_type="text/plain")
    assert ref.key.startswith("rounds/r1/")
    assert "//" not in ref.key
    assert store.get(ref) == b"x"


def test_the_same_content_twice_is_one_object(store: Blobs) -> None:
    first = store.put(b"same", prefix="a", media_type="text/plain")
    assert store.put(b"same", prefix="a", media_type="text/plain") == first
    assert store.put_stream([b"sa", b"me"], prefix="a", media_type="text/plain") == first
    assert list(store.keys("a")) == [first.key]


def test_a_reference_is_found_again_by_its_key_alone(store: Blobs) -> None:
    ref = store.put(b"frame", prefix="a/b", media_type="text/plain")
    assert store.ref_of(ref.key, media_type="text/plain") == ref
    gone = ref.key.replace(ref.sha256, "0" * 64).replace(f"/{ref.sha256[:2]}/", "/00/")
    with pytest.raises(NotFound):
        store.ref_of(gone, media_type="text/plain")
    for key in ("a/b", f"a/xx/{ref.sha256}", ref.sha256, f"../{ref.key}", f"a/{ref.sha256[:-1]}"):
        with pytest.raises(BadInput, match="object key"):
            store.ref_of(key, media_type="text/plain")


def test_nothing_is_content_too(store: Blobs) -> None:
    ref = store.put(b"", prefix="a", media_type="text/plain")
    assert store.exists(ref)
    assert store.get(ref) == b""


def test_a_stream_is_stored_under_the_digest_of_the_whole(store: Blobs) -> None:
    chunks = [bytes([pos]) * 3_000_000 for pos in range(7)]
    ref = store.put_stream(iter(chunks), prefix="big", media_type="application/octet-stream")
    assert ref == store.put(b"".join(chunks), prefix="big", media_type="application/octet-stream")
    with store.open(ref) as source:
        source.seek(20_999_999)
        assert source.read() == b"\x06"


def test_a_stream_that_breaks_leaves_nothing(store: Blobs) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the very error of the stream
        store.put_stream(broken(), prefix="a", media_type="text/plain")
    assert list(store.keys("a")) == []


def test_open_gives_a_seekable_copy_at_its_beginning(store: Blobs) -> None:
    ref = store.put(b"0123456789", prefix="a", media_type="text/plain")
    with store.open(ref) as source:
        assert source.read(2) == b"01"
        source.seek(-1, os.SEEK_END)
        assert source.read() == b"9"


def test_nothing_there_is_not_found(store: Blobs) -> None:
    ref = store.put(b"here", prefix="a", media_type="text/plain")
    absent = replace(ref, key=f"a/00/{'0' * 64}")
    assert not store.exists(absent)
    with pytest.raises(NotFound, match="a/00/0000"):
        store.get(absent)
    with pytest.raises(NotFound, match="a/00/0000"):
        store.open(absent)


def test_a_store_that_was_never_written_is_empty(store: Blobs) -> None:
    assert list(store.keys("a")) == []


def test_a_reference_into_another_bucket_is_not_found(store: Blobs) -> None:
    ref = replace(store.put(b"here", prefix="a", media_type="text/plain"), bucket="elsewhere")
    assert not store.exists(ref)
    with pytest.raises(NotFound, match="elsewhere"):
        store.get(ref)


@pytest.mark.parametrize("damage", [b"other", b"longer than that"])
def test_damaged_bytes_are_never_given(opened: tuple[Blobs, Tamper], damage: bytes) -> None:
    store, tamper = opened
    ref = store.put(b"truth", prefix="a", media_type="text/plain")
    tamper(ref, damage)
    with pytest.raises(IntegrityError, match=r"expected .*, found"):
        store.get(ref)
    with pytest.raises(IntegrityError, match=ref.key):
        store.open(ref)


def test_a_torn_object_is_written_again(opened: tuple[Blobs, Tamper]) -> None:
    store, tamper = opened
    ref = store.put(b"whole", prefix="a", media_type="text/plain")
    tamper(ref, b"who")
    assert store.put(b"whole", prefix="a", media_type="text/plain") == ref
    assert store.get(ref) == b"whole"


def test_keys_are_sorted_and_below_their_prefix_only(store: Blobs) -> None:
    refs = [store.put(bytes([pos]), prefix="a", media_type="text/plain") for pos in range(20)]
    store.put(b"x", prefix="ab", media_type="text/plain")
    assert list(store.keys("a")) == sorted(ref.key for ref in refs)
    assert len(list(store.keys(""))) == 21


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "a/../../b", "", ".hidden", "a//b"])
def test_keys_cannot_leave_the_store(store: Blobs, key: str) -> None:
    ref = store.put(b"x", prefix="a", media_type="text/plain")
    with pytest.raises(BadInput, match="relative path"):
        store.get(replace(ref, key=key))


def test_the_local_path_holds_the_bytes_if_there_is_one(store: Blobs) -> None:
    path = store.local_path(store.put(b"x", prefix="a", media_type="text/plain"))
    assert path is None or path.read_bytes() == b"x"


def test_a_full_disk_is_retryable_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileBlobs(tmp_path / "blobs")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("winnow.adapters.file_blobs.os.fsync", full)
    (tmp_path / "blobs" / "a").mkdir(parents=True)
    with pytest.raises(Retryable, match=r"blobs/a: .*No space left on device.*Make room"):
        store.put(b"x", prefix="a", media_type="text/plain")
    assert list((tmp_path / "blobs").rglob("*")) == [tmp_path / "blobs" / "a"]


def test_a_store_that_is_away_is_retryable() -> None:
    store = connect_blobs("s3://key:secret@127.0.0.1:9/bucket?secure=false&region=us-east-1")
    with pytest.raises(Retryable, match=r"127\.0\.0\.1:9, bucket/a/"):
        store.put(b"x", prefix="a", media_type="text/plain")
