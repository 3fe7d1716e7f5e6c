"""The object store of rings 2 and 3: any S3 endpoint, through MinIO's client."""

from __future__ import annotations

import base64
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import certifi
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError

from winnow.adapters.content_address import (
    check_key,
    copy_hashed,
    digest_of,
    key_of,
    sha256_of,
    verify,
)
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound, Retryable

SINGLE_PUT_BYTES_MAX = 16 * 1024 * 1024
"""Above this a stream goes up in parts, so that a broken connection costs one part."""

_ABSENT = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchObject", "NoSuchVersion"})
_EXISTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_CONDITION_UNKNOWN = frozenset({"NotImplemented", "InvalidArgument"})
_BUCKET_MADE_BY_OTHERS = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


class S3Blobs:
    """Immutable objects in one bucket, named by their content.

    Parameters
    ----------
    endpoint
        `host` or `host:port`, without scheme.
    region
        Saves a request for the bucket's location; needed where that is forbidden.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        secure: bool = True,
        region: str | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._bucket = bucket
        self._client = Minio(
            endpoint,
            access_key=access_key,
            secret_key=secret_key,
            secure=secure,
            region=region,
            http_client=_http_client(),
        )

    def put(self, data: bytes, *, prefix: str, media_type: str, schema_version: int = 1) -> BlobRef:
        """Store bytes; see `winnow.ports.blobs.Blobs.put`."""
        ref = self._ref(prefix, sha256_of(data), len(data), media_type, schema_version)
        return self._store(ref, io.BytesIO(data))

    def put_stream(
        self, chunks: Iterable[bytes], *, prefix: str, media_type: str, schema_version: int = 1
    ) -> BlobRef:
        """Store bytes that do not fit in memory; spooled to disk first, as the key is a digest."""
        with tempfile.SpooledTemporaryFile(max_size=SINGLE_PUT_BYTES_MAX) as spool:
            source = cast("BinaryIO", spool)
            sha256, size_bytes = copy_hashed(chunks, source)
            source.seek(0)
            ref = self._ref(prefix, sha256, size_bytes, media_type, schema_version)
            return self._store(ref, source)

    def get(self, ref: BlobRef) -> bytes:
        """Give the bytes, verified."""
        sink = io.BytesIO()
        self._download(ref, sink)
        return sink.getvalue()

    def open(self, ref: BlobRef) -> BinaryIO:
        """Give a local copy, verified, that vanishes when closed."""
        sink = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
        try:
            self._download(ref, sink)
        except BaseException:
            sink.close()
            raise
        sink.seek(0)
        return sink

    def exists(self, ref: BlobRef) -> bool:
        """Tell whether something of the right size lies there."""
        return ref.bucket == self._bucket and self._size_of(ref.key) == ref.size_bytes

    def ref_of(self, key: str, *, media_type: str) -> BlobRef:
        """Give the reference of the object under a key."""
        sha256, size_bytes = digest_of(key), self._size_of(key)
        if size_bytes is None:
            msg = f"{self._bucket}/{key}: expected an object, found none"
            raise NotFound(msg)
        return BlobRef(self._bucket, key, sha256, size_bytes, media_type)

    def keys(self, prefix: str) -> Iterator[str]:
        """List keys below a prefix, sorted (S3 lists in byte order)."""
        start = f"{check_key(prefix.rstrip('/'))}/" if prefix else ""
        try:
            with self._mapped(start):
                objects = self._client.list_objects(self._bucket, prefix=start, recursive=True)
                found = [str(item.object_name) for item in objects]
        except NotFound:
            return
        yield from sorted(found)

    def local_path(self, ref: BlobRef) -> Path | None:
        """Give nothing: objects lie elsewhere."""
        del ref
        return None

    def _ref(
        self, prefix: str, sha256: str, size_bytes: int, media_type: str, schema_version: int
    ) -> BlobRef:
        key = key_of(prefix, sha256)
        return BlobRef(self._bucket, key, sha256, size_bytes, media_type, schema_version)

    def _store(self, ref: BlobRef, source: BinaryIO) -> BlobRef:
        found = self._size_of(ref.key)
        if found == ref.size_bytes:
            return ref
        with self._mapped(ref.key):
            try:
                self._upload(ref, source, fresh=found is None)
            except S3Error as error:
                if error.code != "NoSuchBucket":
                    raise
                self._make_bucket()
                source.seek(0)
                self._upload(ref, source, fresh=True)
        return ref

    def _upload(self, ref: BlobRef, source: BinaryIO, *, fresh: bool) -> None:
        if ref.size_bytes > SINGLE_PUT_BYTES_MAX or not fresh:
            self._client.put_object(
                ref.bucket, ref.key, source, ref.size_bytes, content_type=ref.media_type
            )
            return
        try:
            self._put_if_absent(ref, source.read())
        except S3Error as error:
            if error.code in _CONDITION_UNKNOWN:
                source.seek(0)
                self._upload(ref, source, fresh=False)
            elif error.code not in _EXISTS:
                raise

    def _put_if_absent(self, ref: BlobRef, data: bytes) -> None:
        # The public put_object takes no condition and no checksum: with both, two writers of the
        # same content make one version, and bytes damaged on the way are refused by the store.
        checksum = base64.b64encode(bytes.fromhex(ref.sha256)).decode()
        headers = {
            "Content-Type": ref.media_type,
            "If-None-Match": "*",
            "x-amz-checksum-sha256": checksum,
        }
        self._client._put_object(ref.bucket, ref.key, data, headers)

    def _make_bucket(self) -> None:
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code not in _BUCKET_MADE_BY_OTHERS:
                raise

    def _size_of(self, key: str) -> int | None:
        try:
            with self._mapped(key):
                return int(self._client.stat_object(self._bucket, check_key(key)).size or 0)
        except NotFound:
            return None

    def _download(self, ref: BlobRef, sink: BinaryIO) -> None:
        if ref.bucket != self._bucket:
            msg = f"{ref.bucket}/{ref.key}: expected bucket {self._bucket!r}"
            raise NotFound(msg)
        with self._mapped(ref.key):
            response = self._client.get_object(ref.bucket, check_key(ref.key))
            try:
                sha256, size_bytes = copy_hashed(response.stream(1024 * 1024), sink)
            finally:
                response.close()
                response.release_conn()
        verify(ref, sha256=sha256, size_bytes=size_bytes)

    @contextmanager
    def _mapped(self, key: str) -> Iterator[None]:
        where = f"object store {self._endpoint}, {self._bucket}/{key}"
        try:
            yield
        except S3Error as error:
            msg = f"{where}: {error.code}: {error.message}"
            raise (NotFound(msg) if error.code in _ABSENT else Retryable(msg)) from error
        except (InvalidResponseError, ServerError, urllib3.exceptions.HTTPError) as error:
            msg = f"{where}: {error}"
            raise Retryable(msg) from error


def _http_client() -> urllib3.PoolManager:
    # The client's own default waits five minutes for a connection: a store that is away must
    # become a Retryable before the consumer group gives the partition to somebody else.
    retry = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
    timeout = urllib3.Timeout(connect=5.0, read=60.0)
    return urllib3.PoolManager(
        timeout=timeout, retries=retry, maxsize=16, cert_reqs="CERT_REQUIRED", ca_certs=_bundle()
    )


def _bundle() -> str:
    return os.environ.get("SSL_CERT_FILE") or certifi.where()
