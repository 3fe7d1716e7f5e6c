"""What the steps found and did."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict

from open_round.request import Request


class Checked(BaseModel):
    """What was found before anything was asked for; `why` is empty if a round makes sense."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: str
    n_unlabeled: int
    n_new: int
    under_way: tuple[str, ...]
    period: str
    available_micros: int
    unit: str
    why: tuple[str, ...] = ()

    def judged(self, request: Request, *, waits: str) -> Self:
        """Give the same with all reasons against a round, not only the first."""
        # What the run may add itself counts as there; whether it may, the next step learns.
        available = max(self.available_micros, request.budget_micros)
        period = self.period or "no open period"
        reasons = (
            (waits.startswith("waits for frames"), waits),
            (
                self.n_unlabeled < request.frames_min,
                f"pool too small: expected at least {request.frames_min} frames to choose from, "
                f"found {self.n_unlabeled}",
            ),
            (
                self.n_new < request.frames_new_min,
                f"too little is new: expected at least {request.frames_new_min} frames since the "
                f"last snapshot, found {self.n_new}",
            ),
            (
                available < request.budget_micros_min,
                f"too little money: expected at least {request.budget_micros_min} micros available "
                f"in human_annotation ({period}), found {self.available_micros}",
            ),
            (
                len(self.under_way) >= request.rounds_open_max,
                f"too many rounds: expected fewer than {request.rounds_open_max} under way, "
                f"found {', '.join(self.under_way)}",
            ),
        )
        return self.model_copy(update={"why": tuple(text for holds, text in reasons if holds)})


class Asked(BaseModel):
    """What came of asking; `why` says why there is no new round yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: str
    funded: str = ""
    command_id: str = ""
    round_id: str = ""
    repeated: bool = False
    why: str = ""
