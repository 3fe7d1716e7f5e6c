"""Batches that are ready before they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

PER_THREAD = 2
"""Batches that wait for each thread."""


def ahead(make: Callable[[T], R], items: Iterable[T], *, threads: int) -> Iterator[R]:
    """Give make(item) of each item in order, made beside the caller by so many threads.

    At most two results a thread wait, so that memory stays bounded. 0 threads: made when asked.
    An error of `make` is raised in its place.
    """
    if threads == 0:
        yield from map(make, items)
        return
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="batches")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > PER_THREAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
