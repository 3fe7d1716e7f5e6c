"""Breaking things on purpose: crashes at the n-th write, lost, doubled and shuffled messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import Retryable
from winnow.ports.blobs import Blobs
from winnow.ports.bus import Bus, Consumer, Delivery, Message
from winnow.ports.ledger import Boxes, Labels, Ledger, Money, Records, Transaction


class Crash(BaseException):
    """The process dies here; no handler of errors may see it."""


@dataclass
class CrashPlan:
    """Counts writes and crashes at the chosen one, before or after it takes effect.

    `at=None` only counts: run once undisturbed, then once for each number up to `n_writes`.
    """

    at: int | None = None
    after_effect: bool = False
    n_writes: int = 0
    where: str = ""
    """Name of the write that crashed."""

    def before(self, name: str) -> None:
        """Say that a write is about to happen."""
        self.n_writes += 1
        if self.n_writes == self.at and not self.after_effect:
            self.where = f"before {name}"
            raise Crash(self.where)

    def after(self, name: str) -> None:
        """Say that it happened."""
        if self.n_writes == self.at and self.after_effect and not self.where:
            self.where = f"after {name}"
            raise Crash(self.where)


class CrashingLedger:
    """Crashes around commits of transactions that were used."""

    def __init__(self, inner: Ledger, plan: CrashPlan) -> None:
        self._inner = inner
        self._plan = plan

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction; a crash before its commit rolls it back."""
        with self._inner.transaction() as inner:
            tx = _WatchedTransaction(inner)
            yield tx
            if tx.used:
                self._plan.before("commit")
        if tx.used:
            self._plan.after("commit")

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """Pass on: reading crashes nothing."""
        return self._inner.snapshot()

    def close(self) -> None:
        """Pass on."""
        self._inner.close()


class _WatchedTransaction:
    def __init__(self, inner: Transaction) -> None:
        self._inner = inner
        self.used = False

    def _use(self) -> Transaction:
        self.used = True
        return self._inner

    @property
    def money(self) -> Money:
        return self._use().money

    @property
    def labels(self) -> Labels:
        return self._use().labels

    @property
    def records(self) -> Records:
        return self._use().records

    @property
    def boxes(self) -> Boxes:
        return self._use().boxes


class CrashingBus:
    """Crashes around publishing and acknowledging."""

    def __init__(self, inner: Bus, plan: CrashPlan) -> None:
        self._inner = inner
        self._plan = plan

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish, unless the crash comes first."""
        self._plan.before("publish")
        self._inner.publish(messages)
        self._plan.after("publish")

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Pass on."""
        self._inner.ensure_topics(topics)

    def subscribe(self, group: str, topics: Sequence[str]) -> Consumer:
        """Give a consumer that crashes around its acknowledgements."""
        return _CrashingConsumer(self._inner.subscribe(group, topics), self._plan)

    def read(self, topic: str, *, limit: int | None = None) -> Sequence[Delivery]:
        """Pass on."""
        return self._inner.read(topic, limit=limit)

    def close(self) -> None:
        """Pass on."""
        self._inner.close()


class _CrashingConsumer:
    def __init__(self, inner: Consumer, plan: CrashPlan) -> None:
        self._inner = inner
        self._plan = plan

    def poll(self, timeout_seconds: float) -> Sequence[Delivery]:
        return self._inner.poll(timeout_seconds)

    def ack(self, delivery: Delivery) -> None:
        self._plan.before("ack")
        self._inner.ack(delivery)
        self._plan.after("ack")

    def rewind(self, delivery: Delivery) -> None:
        self._inner.rewind(delivery)

    def keep_alive(self) -> None:
        self._inner.keep_alive()

    def lag(self) -> Mapping[str, int]:
        return self._inner.lag()

    def close(self) -> None:
        self._inner.close()


class CrashingBlobs:
    """Crashes around puts."""

    def __init__(self, inner: Blobs, plan: CrashPlan) -> None:
        self._inner = inner
        self._plan = plan

    def put(self, data: bytes, *, prefix: str, media_type: str, schema_version: int = 1) -> BlobRef:
        """Put, unless the crash comes first."""
        return self._around(
            lambda: self._inner.put(
                data, prefix=prefix, media_type=media_type, schema_version=schema_version
            )
        )

    def put_stream(
        self, chunks: Iterable[bytes], *, prefix: str, media_type: str, schema_version: int = 1
    ) -> BlobRef:
        """Put, unless the crash comes first."""
        return self._around(
            lambda: self._inner.put_stream(
                chunks, prefix=prefix, media_type=media_type, schema_version=schema_version
            )
        )

    def get(self, ref: BlobRef) -> bytes:
        """Pass on."""
        return self._inner.get(ref)

    def open(self, ref: BlobRef) -> BinaryIO:
        """Pass on."""
        return self._inner.open(ref)

    def exists(self, ref: BlobRef) -> bool:
        """Pass on."""
        return self._inner.exists(ref)

    def ref_of(self, key: str, *, media_type: str) -> BlobRef:
        """Pass on."""
        return self._inner.ref_of(key, media_type=media_type)

    def keys(self, prefix: str) -> Iterator[str]:
        """Pass on."""
        return self._inner.keys(prefix)

    def local_path(self, ref: BlobRef) -> Path | None:
        """Pass on."""
        return self._inner.local_path(ref)

    def _around(self, put: Callable[[], BlobRef]) -> BlobRef:
        self._plan.before("put")
        ref = put()
        self._plan.after("put")
        return ref


class UnrulyBus:
    """A bus that loses, doubles and reorders, from a seed; what it may do, real ones do.

    A lost message is a publish that fails with `Retryable` after taking only some of the
    messages: a log never loses what it said it had. Messages are shuffled between keys only,
    as order is promised within a key.
    """

    def __init__(
        self,
        inner: Bus,
        *,
        rng: np.random.Generator,
        loss: float = 0.0,
        duplication: float = 0.0,
        reordering: float = 0.0,
    ) -> None:
        self.n_lost = 0
        self.n_doubled = 0
        self._inner = inner
        self._rng = rng
        self._loss = loss
        self._duplication = duplication
        self._reordering = reordering

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish in an unruly way."""
        sent = list(messages)
        if self._chance(self._reordering):
            sent = self._between_keys(sent)
        if sent and self._chance(self._loss):
            n_taken = int(self._rng.integers(len(sent)))
            self._inner.publish(sent[:n_taken])
            self.n_lost += len(sent) - n_taken
            msg = "publish: expected acknowledgements, found none (injected)"
            raise Retryable(msg)
        self._inner.publish(sent)
        again = [message for message in sent if self._chance(self._duplication)]
        self._inner.publish(again)
        self.n_doubled += len(again)

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Pass on."""
        self._inner.ensure_topics(topics)

    def subscribe(self, group: str, topics: Sequence[str]) -> Consumer:
        """Pass on."""
        return self._inner.subscribe(group, topics)

    def read(self, topic: str, *, limit: int | None = None) -> Sequence[Delivery]:
        """Pass on."""
        return self._inner.read(topic, limit=limit)

    def close(self) -> None:
        """Pass on."""
        self._inner.close()

    def _chance(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)

    def _between_keys(self, messages: Sequence[Message]) -> list[Message]:
        lines: dict[tuple[str, str], list[Message]] = {}
        for message in messages:
            lines.setdefault((message.topic, message.key), []).append(message)
        slots = [line for line in lines.values() for _ in line]
        taken = {id(line): iter(line) for line in lines.values()}
        order = self._rng.permutation(len(slots))
        return [next(taken[id(slots[pos])]) for pos in order]
