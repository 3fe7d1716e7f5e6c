"""The one loop of all services: events, commands, ticks, relay."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from winnow.contracts.topics import DEAD_LETTER_SUFFIX, TOPICS
from winnow.domain.errors import Retryable
from winnow.ports.bus import Consumer
from winnow.runtime import metrics
from winnow.runtime.commanding import Commanding
from winnow.runtime.hand import Hand, OwnHand, SecondHand
from winnow.runtime.health import Health
from winnow.runtime.intake import Intake
from winnow.runtime.pacing import Paced
from winnow.runtime.relay import Relay
from winnow.runtime.service import Service
from winnow.runtime.ticking import Ticking

OBSERVE_EVERY = timedelta(seconds=5)


class Worker:
    """A service at work.

    `step()` does everything once in the calling thread, so that tests drive it; `run()` steps
    until told to stop, with the handlers in a second thread.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.health = Health(service.clock)
        hand: Hand = OwnHand()
        service.bus.ensure_topics(topics_of(service))
        self.consumer: Consumer | None = _subscribe(service)
        self._intake = Intake(service, self.consumer, hand) if self.consumer else None
        self._commanding = Commanding(service, hand)
        self._tickings = [Ticking(service, tick, hand) for tick in service.on_tick]
        self._relay = Relay(service.ledger, service.bus, (service.name, *service.relays))
        self._hand = hand
        self._paced = {name: self._pace(name) for name in ("intake", "commands", "relay")}
        self._observe_at: datetime | None = None

    def step(self, timeout_seconds: float = 0.0) -> bool:
        """Poll, handle, carry out, tick, relay: each once; tell whether anything was done."""
        self.health.beat()
        done = [
            self._paced["intake"].run(lambda: self._take_in(timeout_seconds)),
            self._paced["commands"].run(self._commanding.step),
            *[ticking.step() for ticking in self._tickings],
            self._paced["relay"].run(lambda: self._hand(self._relay.step)),
        ]
        self._observe()
        return any(done)

    def run(self, stop: threading.Event) -> None:
        """Step until `stop` is set, then leave the group.

        Raises
        ------
        Abandoned
            What was in hand did not end within `drain_timeout_seconds` of the stop. It will be
            rolled back: the caller should end the process.
        """
        settings = self.service.settings
        hand = SecondHand(
            keep_alive=self._keep_alive, stop=stop, drain_seconds=settings.drain_timeout_seconds
        )
        self._work_with(hand)
        busy = True
        try:
            while not stop.is_set():
                busy = self.step(0.0 if busy else settings.poll_timeout_seconds)
                if not busy and self.consumer is None:
                    stop.wait(settings.poll_timeout_seconds)
            self._paced["relay"].run(self._settle)
        finally:
            hand.close()
            self.close()

    def close(self) -> None:
        """Leave the consumer group."""
        if self.consumer is not None:
            self.consumer.close()

    def _take_in(self, timeout_seconds: float) -> bool:
        return self._intake is not None and self._intake.step(timeout_seconds)

    def _settle(self) -> bool:
        self._relay.settle()
        return True

    def _keep_alive(self) -> None:
        self.health.beat()
        if self.consumer is not None:
            # Told and tried again in a second: the work in hand goes on, and is not to blame.
            self.health.tell("bus", _failure_of(self.consumer.keep_alive))

    def _work_with(self, hand: Hand) -> None:
        self._hand = hand
        self._commanding.hand = hand
        for ticking in self._tickings:
            ticking.hand = hand
        if self._intake is not None:
            self._intake.hand = hand

    def _pace(self, name: str) -> Paced:
        service = self.service
        return Paced(name, service.name, service.clock, service.settings)

    def _observe(self) -> None:
        """Look at ledger and bus now and then: for gauges and for readiness."""
        now = self.service.clock.now()
        if self._observe_at is not None and now < self._observe_at:
            return
        self._observe_at = now + OBSERVE_EVERY
        self.health.tell("ledger", _failure_of(self._observe_backlog))
        self.health.tell("bus", _failure_of(self._observe_lag))
        failing = [part.failing for part in self._all_paced() if part.failing]
        self.health.tell("parts", "; ".join(failing))

    def _observe_backlog(self) -> None:
        for name, waiting in self._relay.backlog().items():
            metrics.OUTBOX_BACKLOG.labels(name).set(waiting)

    def _observe_lag(self) -> None:
        if self.consumer is not None:
            for topic, unread in self.consumer.lag().items():
                metrics.CONSUMER_LAG.labels(self.service.name, topic).set(unread)

    def _all_paced(self) -> list[Paced]:
        return [*self._paced.values(), *[ticking.paced for ticking in self._tickings]]


def topics_of(service: Service) -> tuple[str, ...]:
    """Give the topics that a service needs: consumed, their dead letters, and produced."""
    prefix = service.settings.topic_prefix
    consumed = [f"{prefix}{event.type}" for event in service.on_event]
    writes = {service.name, *service.relays}
    produced = [f"{prefix}{topic.name}" for topic in TOPICS if writes & set(topic.producers)]
    dead = [f"{topic}{DEAD_LETTER_SUFFIX}" for topic in consumed]
    return tuple(dict.fromkeys([*consumed, *dead, *produced]))


def _subscribe(service: Service) -> Consumer | None:
    if not service.on_event:
        return None
    prefix = service.settings.topic_prefix
    topics = [f"{prefix}{event.type}" for event in service.on_event]
    return service.bus.subscribe(f"{prefix}{service.name}", topics)


def _failure_of(look: Callable[[], None]) -> str:
    try:
        look()
    except Retryable as error:
        return str(error) or type(error).__name__
    return ""
