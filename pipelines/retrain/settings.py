"""What retrain must be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from winnow.runtime.settings import ServiceSettings


class RetrainSettings(ServiceSettings):
    """Read from `WINNOW_RETRAIN_*`, by the consumer and by every step of a run."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_RETRAIN_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    work_dir: Path = Field(
        description="Folder of training states: what a killed run goes on from. May be lost."
    )
    runner: Literal["kfp_local", "inline"] = Field(
        default="kfp_local", description="Where runs run: a process of their own, or this one."
    )
    runs_tick_seconds: float = Field(default=0.5, gt=0, description="How often runs are looked at.")
    run_attempts_max: int = Field(
        default=3, ge=1, description="Failures of one run before its round is halted."
    )
    checkpoint_seconds: float = Field(
        default=10.0, ge=0, description="Least time between two training states of a member."
    )
    torch_threads: int = Field(
        default=1, ge=1, description="Cores for each task; two tasks train side by side."
    )
    loader_threads: int = Field(
        default=1, ge=0, description="Threads that prepare batches beside each task's training."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="What members are trained on; `auto`: a GPU if there is one."
    )
    members_per_task: int = Field(
        default=1, ge=1, description="Members that one task trains; more of them load torch once."
    )

    @classmethod
    def embedded(cls, state_dir: Path, **changes: object) -> Self:
        """Give the settings of ring 1: states in the state folder, two members to a process."""
        ring_1 = {"work_dir": state_dir / "training", "members_per_task": 2}
        return super().embedded(state_dir, **{**ring_1, **changes})
