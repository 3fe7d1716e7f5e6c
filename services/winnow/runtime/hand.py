"""Who does the work: this thread, or a second one while this one keeps the membership alive."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Protocol, TypeVar

from winnow.runtime.failures import Abandoned

T = TypeVar("T")
KEEP_ALIVE_SECONDS = 1.0
LOOK_SECONDS = 0.2


class Hand(Protocol):
    """Does one piece of work after the other."""

    def __call__(self, work: Callable[[], T], /) -> T:
        """Give what `work` gives, or raise what it raises."""
        ...

    def may_commit(self) -> None:
        """Raise `Abandoned` if nobody waits for the work in hand any more."""
        ...

    def stopping(self) -> bool:
        """Tell whether no further work should be taken up."""
        ...


class OwnHand:
    """Works in the calling thread: deterministic, for tests and tools."""

    def __call__(self, work: Callable[[], T], /) -> T:
        """Do it."""
        return work()

    def may_commit(self) -> None:
        """Do nothing: the caller waits for ever."""

    def stopping(self) -> bool:
        """Never: the caller decides by not calling again."""
        return False


class SecondHand:
    """Works in a daemon thread; meanwhile the caller calls `keep_alive` once a second.

    Once `stop` is set, work in hand gets `drain_seconds`. Then it is abandoned: the caller sees
    `Abandoned`, and so does the work when it wants to commit, so that it rolls back.
    """

    def __init__(
        self, *, keep_alive: Callable[[], None], stop: threading.Event, drain_seconds: float
    ) -> None:
        self._keep_alive = keep_alive
        self._stop = stop
        self._drain_seconds = drain_seconds
        self._abandoned = threading.Event()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="winnow-hand", daemon=True)
        self._thread.start()

    def __call__(self, work: Callable[[], T], /) -> T:
        """Hand it over and wait."""
        future: Future[T] = Future()
        self._work.put(lambda: _resolve(future, work))
        alive_at = time.monotonic() + KEEP_ALIVE_SECONDS
        stop_at: float | None = None
        while not wait([future], timeout=LOOK_SECONDS).done:
            now = time.monotonic()
            if now >= alive_at:
                self._keep_alive()
                alive_at = now + KEEP_ALIVE_SECONDS
            if self._stop.is_set():
                stop_at = stop_at or now + self._drain_seconds
                if now >= stop_at:
                    self._abandoned.set()
                    msg = f"work in hand: expected its end within {self._drain_seconds} s of stop"
                    raise Abandoned(msg)
        return future.result()

    def may_commit(self) -> None:
        """Raise `Abandoned` once the caller gave up."""
        if self._abandoned.is_set():
            msg = "the process stops: rolled back, and comes again"
            raise Abandoned(msg)

    def stopping(self) -> bool:
        """Tell whether `stop` is set."""
        return self._stop.is_set()

    def close(self) -> None:
        """Let the thread end after what it has in hand."""
        self._work.put(None)

    def _loop(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _resolve(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - carried to the thread that waits for it
        future.set_exception(error)
