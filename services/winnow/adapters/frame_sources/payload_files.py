"""Files of payload records: JSON on each line, one record or a list of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from winnow.adapters.frame_sources.folder import visible
from winnow.domain.errors import BadInput

SUFFIXES = frozenset({".json", ".jsonl", ".log", ".ndjson"})
LINE_BYTES_MAX = 256 * 1024 * 1024
"""A line is read whole; what is longer is no record of a request that a server took."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a record lies; the order is that of reading."""

    file: int
    """Of a topic its partition."""
    offset: int
    line: int
    entry: int
    """Of the list that the line holds."""


class PayloadEntries(Protocol):
    """A log that can be read again."""

    @property
    def n_others(self) -> int:
        """Files of other kinds, which are left out."""
        ...

    def entries(self) -> Iterator[tuple[Place, object]]:
        """Give all that the log holds, decoded from JSON; of what is broken a `BadInput`."""
        ...

    def entry(self, place: Place) -> object:
        """Give what lies at a place.

        Raises
        ------
        BadInput
            It is not there any more.
        """
        ...

    def where(self, place: Place) -> str:
        """Say in words where a place is."""
        ...


class PayloadFiles:
    """A file, or all files below a folder, by path.

    What KServe stores in a bucket is one line without an end; what receivers write has a line for
    each event.

    Raises
    ------
    BadInput
        No such file is there.
    """

    def __init__(self, path: Path) -> None:
        root = path.resolve()
        found = sorted(root.rglob("*")) if root.is_dir() else [root]
        files = [file for file in found if file.is_file() and (file == root or visible(file, root))]
        self._paths = [file for file in files if file == root or file.suffix.lower() in SUFFIXES]
        self.n_others = len(files) - len(self._paths)
        """Files of other kinds, which are left out."""
        self._root = root if root.is_dir() else root.parent
        self._last: tuple[tuple[int, int], Sequence[object]] = ((-1, -1), ())
        if not self._paths:
            kinds = " ".join(sorted(SUFFIXES))
            msg = f"{path}: expected payload records ({kinds}), found {self.n_others} other file(s)"
            raise BadInput(msg)

    def entries(self) -> Iterator[tuple[Place, object]]:
        """Give what lies on each line, a list's items one by one; of a broken line the error."""
        for number, path in enumerate(self._paths):
            with _opened(path) as file:
                for line, offset, text in _lines(file):
                    yield from _read(Place(number, offset, line, 0), text)

    def entry(self, place: Place) -> object:
        """Give what lies at a place; the line last read is kept, as its records come together.

        Raises
        ------
        BadInput
            It is not there any more.
        """
        line = (place.file, place.offset)
        if self._last[0] != line:
            self._last = (line, self._entries_of(place))
        if place.entry >= len(self._last[1]):
            msg = f"{self.where(place)}: expected the record that was read before, found none"
            raise BadInput(msg)
        return self._last[1][place.entry]

    def _entries_of(self, place: Place) -> Sequence[object]:
        with _opened(self._paths[place.file]) as file:
            file.seek(place.offset)
            _, _, text = next(_lines(file), (0, 0, b"[]"))
        try:
            return _parsed(text)
        except BadInput as error:
            msg = f"{self.where(place)}: {error}, no longer what was read before"
            raise BadInput(msg) from error

    def where(self, place: Place) -> str:
        """Say in words where a place is."""
        return f"{self._paths[place.file].relative_to(self._root)} line {place.line}"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        msg = f"{path}: expected a readable file, found: {error.strerror or error}"
        raise BadInput(msg) from error


def _lines(file: BinaryIO) -> Iterator[tuple[int, int, bytes | None]]:
    """Give number, offset and text of each line; of one that is too long no text."""
    number, offset = 0, file.tell()
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        fits = len(line) <= LINE_BYTES_MAX
        while not fits and line and not line.endswith(b"\n"):
            line = file.readline(LINE_BYTES_MAX)
        yield number, offset, line if fits else None
        offset = file.tell()


def _read(place: Place, text: bytes | None) -> Iterator[tuple[Place, object]]:
    if text is not None and not text.strip():
        return
    try:
        entries = _parsed(text)
    except BadInput as error:
        yield place, error
        return
    for number, entry in enumerate(entries):
        yield Place(place.file, place.offset, place.line, number), entry


def _parsed(text: bytes | None) -> Sequence[object]:
    if text is None:
        msg = f"expected a line of at most {LINE_BYTES_MAX} bytes, found a longer one"
        raise BadInput(msg)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"expected JSON, found {text[:20]!r}…: {error}"
        raise BadInput(msg) from error
    return found if isinstance(found, list) else [found]
