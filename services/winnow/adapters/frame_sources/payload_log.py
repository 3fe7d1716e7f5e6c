"""KServe's payload log as a source: frames of which the serving committee was not sure."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from winnow.adapters.frame_sources.media import media_type_in
from winnow.adapters.frame_sources.payload_answer import Answered, Thresholds, answered_of
from winnow.adapters.frame_sources.payload_files import PayloadEntries, Place
from winnow.adapters.frame_sources.payload_join import WINDOW, Again, Alone, Pair, joined
from winnow.adapters.frame_sources.payload_record import Key, PayloadRecord, record_of
from winnow.adapters.frame_sources.payload_request import frames_of, origin_of
from winnow.domain.errors import BadInput, SchemaMismatch
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.frame_source import SourceFrame

NAME = "production"
DEFAULTS = Thresholds()
MISFIT = "answer(s) that do not fit"
DOUBTS = ("confidence", "disagreement")
EXAMPLES_SHOWN = 3
COMMITTEES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Asked:
    n_frames: int
    says_privacy: bool


@dataclass(frozen=True, slots=True)
class _Unusable:
    """Why a side cannot be used; it is told when both sides are there, so once."""

    why: str
    found: str


_Told = _Asked | Answered | _Unusable


@dataclass(frozen=True, slots=True)
class _Half:
    """What is kept of a record until its other side comes: no bodies."""

    key: Key
    is_request: bool
    place: Place
    told: _Told


@dataclass(slots=True)
class _Frames:
    """Frames that committees of one kind answered, counted."""

    n: int = 0
    n_sure: int = 0
    n_confidence: int = 0
    n_disagreement: int = 0


@dataclass(frozen=True, slots=True, order=True)
class _Candidate:
    place: Place
    pos: int
    key: Key
    committee: str
    confidence: float
    disagreement: float
    doubt: str


class PayloadLogSource:
    """Frames of requests to a committee server whose answer was unsure, by their place in the log.

    The log is read once for what is in it, with a bounded number of requests in memory, and again
    for the candidates' bytes. A frame's tags say why it is here: `committee` (version and digest),
    `confidence`, `disagreement`, `doubt` (which of the two) and `request` (its id, and the place in
    it). What cannot be used is counted in the notes, each kind with examples.

    Parameters
    ----------
    entries
        Files or a topic of records.
    window
        So many requests may lie between the two sides of one.

    Raises
    ------
    BadInput
        No record of KServe's payload logger is there.
    """

    def __init__(
        self, entries: PayloadEntries, *, thresholds: Thresholds = DEFAULTS, window: int = WINDOW
    ) -> None:
        self._thresholds = thresholds
        self._entries = entries
        self._examples: dict[str, list[str]] = {}
        self._left_out: Counter[str] = Counter()
        self._committees: Counter[str] = Counter()
        self._frames: dict[str, _Frames] = {}
        self._candidates: list[_Candidate] = []
        self._n_records = self._n_silent = 0
        for found in joined(self._halves(), window=window):
            self._take(found)
        self._candidates.sort()
        if not self._n_records:
            msg = "expected records of KServe's payload logger, found none"
            raise BadInput("; ".join([msg, *self._told()]))

    @property
    def name(self) -> str:
        """The same for all logs: a record that is read again under another path is known."""
        return NAME

    @property
    def n_frames(self) -> int:
        """Number of candidates."""
        return len(self._candidates)

    @property
    def class_names(self) -> tuple[str, ...]:
        """None: what the committee thinks is no label."""
        return ()

    @property
    def label_kind(self) -> str:
        """What the committee detects or classifies."""
        return DETECTION if set(self._frames) == {DETECTION} else CLASSIFICATION

    @property
    def notes(self) -> tuple[str, ...]:
        """What became a candidate and why, what did not, and what could not be used."""
        told = [
            f"{kind}: {frames.n} frame(s) answered, {frames.n_sure} of them surely; "
            f"{frames.n_confidence} with confidence below {self._thresholds.confidence(kind):g}, "
            f"{frames.n_disagreement} with disagreement above "
            f"{self._thresholds.disagreement(kind):g} nats"
            for kind, frames in sorted(self._frames.items())
        ]
        if self._committees:
            shown = [f"{name} ({n})" for name, n in self._committees.most_common(COMMITTEES_SHOWN)]
            more = len(self._committees) - len(shown)
            told.append(f"answered by {', '.join(shown)}" + (f" and {more} more" if more else ""))
        if self._n_silent:
            told.append(
                f"{self._n_silent} frame(s) without X-Winnow-Privacy-Blocked, taken as not blocked"
            )
        return (*told, *self._told())

    def frames(self, positions: Collection[int] | None = None) -> Iterator[SourceFrame]:
        """Give the candidates in the order of the log.

        Raises
        ------
        BadInput
            The log is not what it was when it was read first.
        """
        last: Place | None = None
        for number in range(self.n_frames) if positions is None else sorted(positions):
            candidate = self._candidates[number]
            if candidate.place != last:
                record, last = self._record(candidate), candidate.place
                frames, origin = frames_of(record), origin_of(record)
            data = frames[candidate.pos]
            name = f"{record.id}/{candidate.pos}"
            yield SourceFrame(
                data=data,
                name=name,
                media_type=media_type_in(data),
                session=origin.session,
                captured_at=origin.captured_at,
                site=origin.site,
                sensor=origin.sensor,
                vehicle=origin.vehicle,
                privacy_blocked=origin.privacy_blocked,
                calibrated=origin.calibrated,
                tags={
                    **origin.tags,
                    "committee": candidate.committee,
                    "confidence": f"{candidate.confidence:.4f}",
                    "disagreement": f"{candidate.disagreement:.4g}",
                    "doubt": candidate.doubt,
                    "request": name,
                },
            )

    def _record(self, candidate: _Candidate) -> PayloadRecord:
        record = record_of(self._entries.entry(candidate.place))
        if record is None or not record.is_request or record.key != candidate.key:
            where = self._entries.where(candidate.place)
            msg = f"{where}: expected request {candidate.key[-1]} as before, found something else"
            raise BadInput(msg)
        return record

    def _halves(self) -> Iterator[_Half]:
        for place, entry in self._entries.entries():
            try:
                if isinstance(entry, BadInput):
                    raise entry
                record = record_of(entry)
            except BadInput as error:
                self._leave_out("line(s) or item(s) that are no record", place, str(error))
                continue
            if record is None:
                self._leave_out("event(s) of another type", place)
                continue
            self._n_records += 1
            yield _Half(record.key, record.is_request, place, _told(record))

    def _take(self, found: Pair[_Half] | Alone[_Half] | Again[_Half]) -> None:
        match found:
            case Again(half):
                self._leave_out("record(s) that repeat an id", half.place)
            case Alone(half) if half.is_request:
                self._leave_out("request(s) without a response", half.place)
            case Alone(half):
                self._leave_out("response(s) without a request", half.place)
            case Pair(request, response):
                self._choose(request, response.told)

    def _choose(self, request: _Half, answered: _Told) -> None:
        place = request.place
        match request.told, answered:
            case _Asked(n_frames=0), _:
                self._leave_out("request(s) without frames, which ask who is there", place)
            case (_Unusable(why, found), _) | (_, _Unusable(why, found)):
                self._leave_out(why, place, found)
            case _Asked() as asked, Answered() if len(answered.confidence_N) == asked.n_frames:
                self._keep(request, asked, answered)
            case _Asked() as asked, Answered():
                found = f"{asked.n_frames} frame(s) asked about, {len(answered.confidence_N)} told"
                self._leave_out(MISFIT, place, found)

    def _keep(self, request: _Half, asked: _Asked, answered: Answered) -> None:
        unsure = answered.unsure(self._thresholds)
        positions = np.flatnonzero(unsure.any(axis=0)).tolist()
        for pos in positions:
            self._candidates.append(
                _Candidate(
                    request.place,
                    pos,
                    request.key,
                    answered.committee,
                    float(answered.confidence_N[pos]),
                    float(answered.disagreement_N[pos]),
                    "+".join(itertools.compress(DOUBTS, unsure[:, pos])),
                )
            )
        self._committees[answered.committee] += asked.n_frames
        self._n_silent += 0 if asked.says_privacy else len(positions)
        counted = self._frames.setdefault(answered.kind, _Frames())
        counted.n += asked.n_frames
        counted.n_sure += asked.n_frames - len(positions)
        counted.n_confidence += int(unsure[0].sum())
        counted.n_disagreement += int(unsure[1].sum())

    def _leave_out(self, why: str, place: Place, found: str = "") -> None:
        self._left_out[why] += 1
        examples = self._examples.setdefault(why, [])
        if len(examples) < EXAMPLES_SHOWN:
            where = self._entries.where(place)
            examples.append(f"{where}: {found}" if found else where)

    def _told(self) -> list[str]:
        told = [
            f"{self._left_out[why]} {why} left out, first {'; '.join(examples)}"
            for why, examples in sorted(self._examples.items())
        ]
        if self._entries.n_others:
            told.append(f"{self._entries.n_others} file(s) of other kinds left out")
        return told


def _told(record: PayloadRecord) -> _Told:
    try:
        if record.is_request:
            return _Asked(len(frames_of(record)), origin_of(record).says_privacy)
        return answered_of(record.body) or _Unusable("answer(s) of another model", "")
    except (BadInput, SchemaMismatch) as error:
        why = "request(s) that cannot be used" if record.is_request else MISFIT
        return _Unusable(why, str(error))
