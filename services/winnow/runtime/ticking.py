"""Ticks: what comes due by the clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from winnow.runtime import metrics
from winnow.runtime.hand import Hand
from winnow.runtime.pacing import Paced
from winnow.runtime.service import Service, Tick
from winnow.runtime.stating import state_facts
from winnow.telemetry import logs

log = logs.get_logger()


class Ticking:
    """One tick of a service; each has its own rhythm and its own pauses after failures."""

    def __init__(self, service: Service, tick: Tick, hand: Hand) -> None:
        self.hand = hand
        self.paced = Paced(f"tick.{tick.name}", service.name, service.clock, service.settings)
        self._service = service
        self._tick = tick
        self._next_at: datetime | None = None

    def step(self) -> bool:
        """Run it if it is due; tell whether it stated a fact."""
        now = self._service.clock.now()
        if self.hand.stopping() or (self._next_at is not None and now < self._next_at):
            return False
        self._next_at = now + timedelta(seconds=self._tick.every_seconds)
        return self.paced.run(lambda: self.hand(self._run))

    def _run(self) -> bool:
        service = self._service
        with logs.bound(service=service.name), service.ledger.transaction() as tx:
            events = self._tick.handler(tx=tx)
            state_facts(
                tx,
                events,
                service=service.name,
                at=service.clock.now(),
                topic_prefix=service.settings.topic_prefix,
            )
            self.hand.may_commit()
        if events:
            metrics.MESSAGES.labels(service.name, f"tick.{self._tick.name}", "handled").inc()
            log.info(
                "tick.handled", service=service.name, tick=self._tick.name, n_facts=len(events)
            )
        return bool(events)
