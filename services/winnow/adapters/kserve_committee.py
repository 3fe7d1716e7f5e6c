"""The committee behind KServe: fans out over its endpoints and names who is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from winnow.adapters.calls import Calls
from winnow.adapters.committee_answers import (
    answer_in,
    check_version,
    combined,
    joined,
    maps_in,
    names_in,
)
from winnow.adapters.open_inference import Address, OpenInferenceClient
from winnow.contracts import serving
from winnow.contracts.artifacts import read_manifest
from winnow.contracts.manifests import Members
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, NotFound, Retryable, SchemaMismatch
from winnow.domain.ids import CommitteeVersion
from winnow.ports.blobs import Blobs
from winnow.ports.committee import CommitteeAnswer
from winnow.telemetry import logs

log = logs.get_logger()


@dataclass(slots=True)
class _Endpoint:
    """One server and the members that it holds."""

    client: OpenInferenceClient
    members: tuple[str, ...]


@dataclass(slots=True)
class _Served:
    """A version whose members are all ready."""

    version_text: str
    member_names: tuple[str, ...]
    n_classes: int
    endpoints: tuple[_Endpoint, ...]
    pool: ThreadPoolExecutor


@dataclass(slots=True)
class _Course:
    """How it goes with one endpoint during one call: after a failure nothing more is asked."""

    failure: Retryable | SchemaMismatch | None = None
    given_up: threading.Event = field(default_factory=threading.Event)


class KServeCommittee:
    """Asks the endpoints of a committee version, each of which holds some of its members or all.

    Parameters
    ----------
    endpoints_of
        Where a version is served, as `grpc://host:port/model`.
    versions_max
        Versions whose connections are kept, those loaded last: two rounds may overlap, each with
        its own.
    """

    def __init__(
        self,
        blobs: Blobs,
        endpoints_of: Callable[[CommitteeVersion], Sequence[str]],
        *,
        calls: Calls | None = None,
        versions_max: int = 2,
    ) -> None:
        self._blobs = blobs
        self._endpoints_of = endpoints_of
        self._calls = calls or Calls()
        self._versions_max = versions_max
        self._served: dict[CommitteeVersion, _Served] = {}
        self._lock = threading.Lock()

    def load(self, version: CommitteeVersion, members: BlobRef) -> Sequence[str]:
        """Wait for nothing: connect, and see that every member is there and of this version.

        Raises
        ------
        Retryable
            A server is not ready, holds another version, or members are missing.
        """
        text = serving.served_version(version, members)
        with self._lock:
            known = self._served.pop(version, None)
            if known is not None and known.version_text != text:
                _close(known)
                known = None
            self._served[version] = known or self._connect(version, members, text)
            while len(self._served) > self._versions_max:
                _close(self._served.pop(next(iter(self._served))))
            return self._served[version].member_names

    def score(self, version: CommitteeVersion, frames: Sequence[bytes]) -> CommitteeAnswer:
        """Score encoded images; members whose endpoint failed are left out, and logged by name.

        Raises
        ------
        BadInput
            A frame is no complete image, or there is none.
        NotFound
            The version was not loaded.
        Retryable
            No member answered.
        SchemaMismatch
            No member answered, and one gave another version or other shapes than asked for.
        """
        served = self._of(version)
        if not frames:
            msg = "frames: expected at least one, found none"
            raise BadInput(msg)
        courses = [_Course() for _ in served.endpoints]
        try:
            # The first request is on its way while frames of the last are still being read.
            asked = [
                [
                    served.pool.submit(self._ask, served, endpoint, course, chunk)
                    for endpoint, course in zip(served.endpoints, courses, strict=True)
                ]
                for chunk in _chunks(frames, self._calls)
            ]
            answers = [[one.result() for one in row] for row in asked]
        finally:
            for course in courses:
                course.given_up.set()
        parts = [
            joined([row[pos] for row in answers])
            for pos, course in enumerate(courses)
            if course.failure is None
        ]
        _note_missing(served, courses)
        given = [part for part in parts if part.members_answered]
        if not given:
            raise _nobody(served, courses)
        return combined(given, served.member_names, where=served.version_text)

    def maps(self, version: CommitteeVersion, frames: Sequence[bytes]) -> npt.NDArray[np.float16]:
        """Give probability maps [N, M, C, h, w] of a handful of frames.

        Raises
        ------
        NotFound
            The version was not loaded.
        Retryable
            A member did not answer.
        SchemaMismatch
            A committee of a kind without maps, or one that is spread over endpoints.
        """
        served = self._of(version)
        if len(served.endpoints) > 1:
            msg = f"committee {version}: expected one endpoint with all members for maps, "
            raise SchemaMismatch(msg + f"found {len(served.endpoints)}")
        (endpoint,) = served.endpoints
        where = endpoint.client.address.url
        try:
            said = endpoint.client.infer(
                {serving.FRAMES: frames},
                outputs=[serving.MAPS],
                deadline_seconds=self._calls.deadline_seconds,
                attempts_max=self._calls.attempts_max,
            )
        except BadInput as error:
            raise SchemaMismatch(str(error)) from error
        check_version(said, served.version_text, where)
        return maps_in(said, (len(endpoint.members), len(frames), served.n_classes), where)

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            while self._served:
                _close(self._served.popitem()[1])

    def _of(self, version: CommitteeVersion) -> _Served:
        with self._lock:
            if version not in self._served:
                msg = f"committee {version!r}: expected it to be loaded first, found it is not"
                raise NotFound(msg)
            return self._served[version]

    def _connect(self, version: CommitteeVersion, members: BlobRef, text: str) -> _Served:
        manifest = read_manifest(self._blobs, members, Members)
        expected = tuple(member.name for member in manifest.members)
        clients = [OpenInferenceClient(Address.parse(url)) for url in self._endpoints_of(version)]
        try:
            endpoints = tuple(self._endpoint(client, text) for client in clients)
            found = sorted(name for endpoint in endpoints for name in endpoint.members)
            if found != sorted(expected):
                msg = f"committee {version}: expected each of {', '.join(expected)} once, "
                raise Retryable(msg + f"found {', '.join(found) or 'none'}")
        except (Retryable, SchemaMismatch):
            for client in clients:
                client.close()
            raise
        pool = ThreadPoolExecutor(
            max_workers=self._calls.in_flight_max * len(endpoints),
            thread_name_prefix=f"committee-{version}",
        )
        return _Served(text, expected, len(manifest.class_names), endpoints, pool)

    def _endpoint(self, client: OpenInferenceClient, text: str) -> _Endpoint:
        """Ask who is there: a request without frames."""
        where = client.address.url
        if not client.ready(deadline_seconds=self._calls.deadline_seconds):
            msg = f"{where}: expected a model that is ready, found none"
            raise Retryable(msg)
        try:
            said = client.infer({serving.FRAMES: []}, deadline_seconds=self._calls.deadline_seconds)
            check_version(said, text, where)
            return _Endpoint(client, names_in(said, where))
        except (BadInput, SchemaMismatch) as error:
            # Another committee may stand behind the name for a moment, while a rollout goes on.
            raise Retryable(str(error)) from error

    def _ask(
        self, served: _Served, endpoint: _Endpoint, course: _Course, chunk: Sequence[bytes]
    ) -> CommitteeAnswer | None:
        if course.given_up.is_set():
            return None
        where = endpoint.client.address.url
        try:
            said = endpoint.client.infer(
                {serving.FRAMES: chunk},
                deadline_seconds=self._calls.deadline_seconds,
                attempts_max=self._calls.attempts_max,
            )
            check_version(said, served.version_text, where)
            return answer_in(said, endpoint.members, (len(chunk), served.n_classes), where)
        except (Retryable, SchemaMismatch) as error:
            course.failure = course.failure or error
            course.given_up.set()
            return None


def _chunks(frames: Sequence[bytes], calls: Calls) -> Iterator[Sequence[bytes]]:
    """Cut so that no request is longer than the calls allow; one frame always goes."""
    chunk: list[bytes] = []
    size = 0
    for frame in frames:
        full = len(chunk) == calls.frames_per_request
        if chunk and (full or size + len(frame) > calls.bytes_per_request_max):
            yield chunk
            chunk, size = [], 0
        chunk.append(frame)
        size += len(frame)
    if chunk:
        yield chunk


def _note_missing(served: _Served, courses: Sequence[_Course]) -> None:
    for endpoint, course in zip(served.endpoints, courses, strict=True):
        if course.failure is not None:
            names = ", ".join(endpoint.members)
            log.warning("committee.missing", members=names, reason=str(course.failure))


def _nobody(served: _Served, courses: Sequence[_Course]) -> Retryable | SchemaMismatch:
    failures = [course.failure for course in courses if course.failure is not None]
    msg = f"committee {served.version_text}: expected an answer of a member, found none"
    reasons = "; ".join(str(failure) for failure in failures)
    lasting = any(isinstance(failure, SchemaMismatch) for failure in failures)
    return (SchemaMismatch if lasting else Retryable)(f"{msg} ({reasons})")


def _close(served: _Served) -> None:
    served.pool.shutdown(wait=False, cancel_futures=True)
    for endpoint in served.endpoints:
        endpoint.client.close()
