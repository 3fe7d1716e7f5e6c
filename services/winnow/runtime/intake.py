"""Events: from the log through a handler to the acknowledgement."""

from __future__ import annotations

import time
from datetime import timedelta

from winnow.contracts.mapping import from_message
from winnow.domain.errors import MessageTooLarge, SchemaMismatch
from winnow.domain.events import Envelope
from winnow.ports.bus import OVERSIZE_HEADER, VALUE_BYTES_MAX, Consumer, Delivery
from winnow.runtime import metrics
from winnow.runtime.backoff import backoff
from winnow.runtime.dead_letters import dead_letter_of
from winnow.runtime.failures import Abandoned, Action, AlreadyHandled, policy_of
from winnow.runtime.hand import Hand
from winnow.runtime.queues import PartitionQueues, Place, place_of
from winnow.runtime.receiving import handled_once
from winnow.runtime.service import EventHandler, Service
from winnow.runtime.stating import state_facts
from winnow.telemetry import logs
from winnow.telemetry.trace import trace_id_of

SLICE = timedelta(seconds=1)
"""How long one step handles messages before ticks and commands get their turn."""
HELD_MAX = 1000
"""With so many in hand (some partition backs off) nothing more is fetched."""
log = logs.get_logger()


class Intake:
    """The consuming half of a worker."""

    def __init__(self, service: Service, consumer: Consumer, hand: Hand) -> None:
        self.hand = hand
        self._service = service
        self._consumer = consumer
        self._queues = PartitionQueues()
        self._acks: dict[Place, Delivery] = {}

    def step(self, timeout_seconds: float) -> bool:
        """Fetch, handle what is due, acknowledge; tell whether anything was handled."""
        self._fetch(timeout_seconds)
        clock = self._service.clock
        until = clock.now() + SLICE
        any_handled = False
        try:
            while not self.hand.stopping() and clock.now() <= until:
                delivery = self._queues.due(clock.now())
                if delivery is None:
                    break
                self._take(delivery)
                any_handled = True
        finally:
            self._acknowledge()
        return any_handled

    def _fetch(self, timeout_seconds: float) -> None:
        if len(self._queues) >= HELD_MAX:
            self._consumer.keep_alive()
        else:
            self._queues.add(self._consumer.poll(timeout_seconds))

    def _acknowledge(self) -> None:
        """Commit the newest offset of each partition: one write for many messages.

        A crash before it brings them again, and the inbox drops them.
        """
        for place, delivery in list(self._acks.items()):
            self._consumer.ack(delivery)
            del self._acks[place]

    def _take(self, delivery: Delivery) -> None:
        began = time.perf_counter()
        outcome, error = self._outcome(delivery)
        if outcome != "retried":
            self._queues.done(delivery)
            self._acks[place_of(delivery)] = delivery
        topic = delivery.message.topic
        seconds = time.perf_counter() - began
        metrics.MESSAGES.labels(self._service.name, topic, outcome).inc()
        metrics.HANDLER_SECONDS.labels(self._service.name, topic).observe(seconds)
        _log(delivery, outcome, seconds, error)

    def _outcome(self, delivery: Delivery) -> tuple[str, Exception | None]:
        try:
            self.hand(lambda: self._handle(delivery))
        except Abandoned:
            raise
        except AlreadyHandled:
            return "duplicate", None
        except Exception as error:  # noqa: BLE001 - the one place that decides what follows
            return self._after(delivery, error), error
        return "handled", None

    def _handle(self, delivery: Delivery) -> None:
        envelope = _decode(delivery)
        handler = self._handler(envelope)
        with logs.bound(**_names(self._service.name, envelope)):
            self._handle_once(envelope, handler)

    def _handle_once(self, envelope: Envelope, handler: EventHandler) -> None:
        service = self._service
        name, now = service.name, service.clock.now()
        identity = (name, envelope.source, str(envelope.event_id))
        with service.ledger.snapshot() as view:  # a heavy handler must not work for nothing
            if view.boxes.seen(*identity):
                raise AlreadyHandled
        with handled_once(
            service.ledger, lambda boxes: boxes.receive(*identity, now), self.hand.may_commit
        ) as tx:
            events = handler(envelope.data, tx=tx)
            state_facts(
                tx,
                events,
                service=name,
                at=now,
                topic_prefix=service.settings.topic_prefix,
                cause=envelope,
            )

    def _handler(self, envelope: Envelope) -> EventHandler:
        kind = type(envelope.data)
        if kind not in self._service.on_event:
            msg = f"event {envelope.event_id}: no handler of {self._service.name} for {kind.type}"
            raise SchemaMismatch(msg)
        return self._service.on_event[kind]

    def _after(self, delivery: Delivery, error: Exception) -> str:
        """Decide by the table: pause the partition, or give the message up."""
        settings = self._service.settings
        attempts = self._queues.try_again(delivery)
        if policy_of(error).action is Action.RETRY and attempts < settings.attempts_max:
            pause = backoff(
                attempts, seconds_max=settings.backoff_seconds_max, salt=_salt(delivery)
            )
            self._queues.defer(delivery, self._service.clock.now() + pause)
            return "retried"
        return self._give_up(delivery, error, attempts)

    def _give_up(self, delivery: Delivery, error: Exception, attempts: int) -> str:
        name, clock = self._service.name, self._service.clock
        letter = dead_letter_of(delivery, error, consumer=name, attempts=attempts, at=clock.now())
        self.hand(lambda: self._service.bus.publish([letter]))
        metrics.DEAD_LETTERS.labels(name, delivery.message.topic).inc()
        return "dead_lettered"


def _decode(delivery: Delivery) -> Envelope:
    size = delivery.message.headers.get(OVERSIZE_HEADER)
    if size is not None:
        msg = (
            f"message in {delivery.message.topic}: expected at most {VALUE_BYTES_MAX} bytes of "
            f"value, found {size.decode()}; it stays in partition {delivery.partition} at offset "
            f"{delivery.offset}"
        )
        raise MessageTooLarge(msg)
    return from_message(delivery.message)


def _names(service: str, envelope: Envelope) -> dict[str, str]:
    return {
        "service": service,
        "event_id": str(envelope.event_id),
        "round_id": envelope.round_id,
        "trace_id": trace_id_of(envelope.traceparent),
    }


def _salt(delivery: Delivery) -> str:
    return f"{delivery.message.topic}/{delivery.partition}/{delivery.offset}"


def _log(delivery: Delivery, outcome: str, seconds: float, error: Exception | None) -> None:
    headers = delivery.message.headers
    write = log.info if error is None else log.warning
    failure = {} if error is None else {"error": type(error).__name__, "reason": str(error)}
    is_bug = error is not None and policy_of(error).exit_code == 70
    write(
        "message.handled" if error is None else f"message.{outcome}",
        topic=delivery.message.topic,
        partition=delivery.partition,
        offset=delivery.offset,
        outcome=outcome,
        seconds=round(seconds, 4),
        event_id=headers.get("ce_id", b"").decode(errors="replace"),
        round_id=headers.get("correlationid", b"").decode(errors="replace"),
        trace_id=trace_id_of(headers.get("traceparent", b"").decode(errors="replace")),
        exc_info=error if is_bug else None,
        **failure,
    )
