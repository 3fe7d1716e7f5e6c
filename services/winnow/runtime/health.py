"""Is it alive, may it get work: what Kubernetes asks and a person reads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta

from winnow.ports.clock import Clock

ALIVE_WITHIN = timedelta(seconds=30)
"""The loop beats every second, during long work too: silence this long means it hangs."""


class Health:
    """What the loop last told about itself; asked from the HTTP thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._beat_at = clock.now()
        self._failures = {"ledger": "not looked at yet", "bus": "not looked at yet"}

    def beat(self) -> None:
        """Say that the loop turns."""
        with self._lock:
            self._beat_at = self._clock.now()

    def tell(self, what: str, failure: str) -> None:
        """Say how a thing is: empty text for well."""
        with self._lock:
            self._failures[what] = failure

    def alive(self) -> Mapping[str, str]:
        """Give what is wrong with the loop, by name; nothing if it turns."""
        with self._lock:
            silent = self._clock.now() - self._beat_at
        if silent > ALIVE_WITHIN:
            return {"loop": f"expected a beat within {ALIVE_WITHIN}, found none for {silent}"}
        return {}

    def ready(self) -> Mapping[str, str]:
        """Give what is wrong with the loop or what it needs."""
        with self._lock:
            failures = {what: failure for what, failure in self._failures.items() if failure}
        return {**self.alive(), **failures}
