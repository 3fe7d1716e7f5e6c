"""What rollout must be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from winnow.runtime.settings import ServiceSettings


class RolloutSettings(ServiceSettings):
    """Read from `WINNOW_ROLLOUT_*`, by the consumer and by every step of a run."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_ROLLOUT_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    work_dir: Path = Field(description="Folder of kfp's files and the logs of runs. May be lost.")
    runner: Literal["kfp_local", "inline"] = Field(
        default="kfp_local", description="Where runs run: a process of their own, or this one."
    )
    runs_tick_seconds: float = Field(default=0.5, gt=0, description="How often runs are looked at.")
    run_attempts_max: int = Field(
        default=3, ge=1, description="Failures of one run before its round is halted."
    )
    endpoint: str = Field(
        default="local:",
        description="Where the committee serves; `local:` is inside each scoring process.",
    )

    @classmethod
    def embedded(cls, state_dir: Path, **changes: object) -> Self:
        """Give the settings of ring 1: runs' files lie in the state folder."""
        return super().embedded(state_dir, **{"work_dir": state_dir / "rollout", **changes})
