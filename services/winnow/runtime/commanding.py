"""Commands: what people asked for through the console, each carried out exactly once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from winnow.domain.errors import BadInput, DomainError
from winnow.domain.tables import COMMANDS, CommandRow
from winnow.ports.ledger import Boxes
from winnow.runtime import metrics
from winnow.runtime.failures import Abandoned, AlreadyHandled
from winnow.runtime.hand import Hand
from winnow.runtime.pacing import Paced
from winnow.runtime.receiving import handled_once
from winnow.runtime.service import CommandHandler, Service
from winnow.runtime.stating import state_facts
from winnow.telemetry import logs

BATCH = 50
SOURCE = "console"
log = logs.get_logger()


class Commanding:
    """Carries out the pending commands of a service, in order of their keys.

    A refusal is an answer like any other: `{"error": …, "reason": …, "at": …}`, state `refused`.
    """

    def __init__(self, service: Service, hand: Hand) -> None:
        self.hand = hand
        self._service = service
        self._paced: dict[str, Paced] = {}

    def step(self) -> bool:
        """Carry out what is pending; tell whether there was any."""
        if not self._service.on_command:
            return False
        with self._service.ledger.snapshot() as view:
            pending = view.records.find(
                COMMANDS, group=self._service.name, state="pending", limit=BATCH
            )
        done = [self._pace(command) for command in pending if not self.hand.stopping()]
        return any(done)

    def _pace(self, command: CommandRow) -> bool:
        service = self._service
        paced = self._paced.setdefault(
            command.key,
            Paced(f"command.{command.name}", service.name, service.clock, service.settings),
        )
        try:
            done = paced.run(lambda: self.hand(lambda: self._carry_out(command)))
        except Abandoned:
            raise
        except Exception as error:  # noqa: BLE001 - a bug, tried often enough: the person is told
            done = self.hand(partial(self._refuse, command, error))
        if done:
            del self._paced[command.key]
        return done

    def _carry_out(self, command: CommandRow) -> bool:
        with logs.bound(service=self._service.name, command_id=command.key):
            try:
                self._accept(command)
            except AlreadyHandled:
                return True
            except DomainError as error:
                return self._refuse(command, error)
            return True

    def _accept(self, command: CommandRow) -> None:
        service, now = self._service, self._service.clock.now()
        with handled_once(
            service.ledger, lambda boxes: self._receive(boxes, command), self.hand.may_commit
        ) as tx:
            events, answer = self._handler(command)(command, tx=tx)
            state_facts(
                tx,
                events,
                service=service.name,
                at=now,
                topic_prefix=service.settings.topic_prefix,
            )
            tx.records.update(COMMANDS, command.key, lambda row: _answered(row, "done", answer))
        self._tell(command, "handled")

    def _refuse(self, command: CommandRow, error: Exception) -> bool:
        why = {"error": type(error).__name__, "reason": str(error)}
        answer = {**why, "at": self._service.clock.now().isoformat()}
        with handled_once(
            self._service.ledger, lambda boxes: self._receive(boxes, command), self.hand.may_commit
        ) as tx:
            tx.records.update(COMMANDS, command.key, lambda row: _answered(row, "refused", answer))
        self._tell(command, "refused", **why)
        return True

    def _receive(self, boxes: Boxes, command: CommandRow) -> bool:
        return boxes.receive(self._service.name, SOURCE, command.key, self._service.clock.now())

    def _handler(self, command: CommandRow) -> CommandHandler:
        known = self._service.on_command
        if command.name not in known:
            msg = (
                f"command {command.key}: expected one of {', '.join(sorted(known))}, "
                f"found {command.name!r}"
            )
            raise BadInput(msg)
        return known[command.name]

    def _tell(self, command: CommandRow, outcome: str, **why: str) -> None:
        metrics.MESSAGES.labels(self._service.name, f"command.{command.name}", outcome).inc()
        log.info("command.answered", command=command.name, outcome=outcome, **why)


def _answered(row: CommandRow, state: str, answer: Mapping[str, object]) -> CommandRow:
    text = json.dumps(answer, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return replace(row, state=state, answer=text)
