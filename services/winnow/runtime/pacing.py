"""Parts of the loop that may fail for a while without stopping the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from winnow.domain.errors import DomainError, Retryable
from winnow.ports.clock import Clock
from winnow.runtime import metrics
from winnow.runtime.backoff import backoff
from winnow.runtime.failures import Abandoned, AlreadyHandled
from winnow.runtime.settings import ServiceSettings
from winnow.telemetry import logs

log = logs.get_logger()


class Paced:
    """Runs a named part; while it fails, leaves growing pauses.

    The world not being ready is waited for without end. A bug is tried `attempts_max` times in a
    row and then raised: the process ends, is restarted and seen in its restarts.
    """

    def __init__(self, name: str, service: str, clock: Clock, settings: ServiceSettings) -> None:
        self.failing = ""
        self._name = name
        self._service = service
        self._clock = clock
        self._settings = settings
        self._attempts = 0
        self._n_bugs = 0
        self._not_before: datetime | None = None

    def run(self, part: Callable[[], bool]) -> bool:
        """Give what the part gives; False while it pauses or if it failed."""
        if self._not_before is not None and self._clock.now() < self._not_before:
            return False
        try:
            done = part()
        except (Abandoned, AlreadyHandled):
            raise
        except DomainError as error:
            self._count("refused", error)
            return False
        except Exception as error:  # noqa: BLE001 - counted, logged, bounded; raised at the bound
            self._pause(error)
            return False
        self._attempts, self._n_bugs, self._not_before, self.failing = 0, 0, None, ""
        return done

    def _pause(self, error: Exception) -> None:
        self._attempts += 1
        self.failing = str(error) or type(error).__name__
        self._n_bugs = 0 if isinstance(error, Retryable) else self._n_bugs + 1
        if self._n_bugs >= self._settings.attempts_max:
            raise error
        self._count("retried", error)
        self._not_before = self._clock.now() + backoff(
            self._attempts, seconds_max=self._settings.backoff_seconds_max, salt=self._name
        )

    def _count(self, outcome: str, error: Exception) -> None:
        metrics.MESSAGES.labels(self._service, self._name, outcome).inc()
        expected = isinstance(error, (DomainError, Retryable))
        log.warning(
            "part.failed",
            outcome=outcome,
            service=self._service,
            part=self._name,
            error=type(error).__name__,
            reason=str(error),
            exc_info=None if expected else error,
        )
