"""What the form of a run asks for, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from winnow.domain.errors import BadInput
from winnow.domain.mistakes import sentence

LAST = "last"
"""Stands for the policy of the newest round."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Request(BaseModel):
    """The parameters of a run; each is explained in the graph, where the form takes it from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: str = LAST
    frames_min: int = Field(default=1, ge=0)
    frames_new_min: int = Field(default=0, ge=0)
    budget_micros_min: int = Field(default=1, ge=0)
    budget_micros: int = Field(default=0, ge=0)
    rounds_open_max: int = Field(default=1, ge=1)
    schedule: str = Field(default="open_round", pattern=r"^[A-Za-z0-9_.-]{1,60}$")
    window_hours: int = Field(default=0, ge=0, le=24 * 366)
    wait_seconds: int = Field(default=60, ge=0)
    run_id: str = Field(min_length=1, max_length=80)
    window: str = Field(default="", max_length=150)
    """Given by the step before, so that both mean the same one whenever they run."""

    def window_at(self, now: datetime) -> str:
        """Name what may open one round: the window of the schedule, else this run.

        Examples
        --------
        >>> at = datetime(2026, 11, 26, 10, 32, tzinfo=UTC)
        >>> Request(run_id="4f1c", window_hours=24).window_at(at)
        'open_round/2026-11-26T00:00'
        >>> Request(run_id="4f1c").window_at(at)
        'open_round/run/4f1c'
        """
        if self.window:
            return self.window
        if not self.window_hours:
            return f"{self.schedule}/run/{self.run_id}"
        length = timedelta(hours=self.window_hours)
        begins = _EPOCH + (now - _EPOCH) // length * length
        return f"{self.schedule}/{begins:%Y-%m-%dT%H:%M}"


def request_of(given: Mapping[str, object]) -> Request:
    """Read the parameters of a run, as a form or a command line gives them.

    Raises
    ------
    BadInput
        Some are wrong or unknown; the text lists all of them.
    """
    try:
        return Request.model_validate(dict(given))
    except ValidationError as error:
        lines = [f"\n  {sentence(one, Request.model_fields)}" for one in error.errors()]
        msg = f"open_round: {len(lines)} parameter(s) are wrong:{''.join(lines)}"
        raise BadInput(msg) from error
