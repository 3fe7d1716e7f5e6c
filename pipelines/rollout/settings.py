"""What rollout must be told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from winnow.contracts.kserve_serving import KServeServing
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
    servers_tick_seconds: float = Field(
        default=10.0, gt=0, description="How often servers that nobody will ask are ended."
    )
    run_attempts_max: int = Field(
        default=3, ge=1, description="Failures of one run before its round is halted."
    )
    deployments: Literal["local", "process", "kserve"] = Field(
        default="local",
        description=(
            "Where committees serve: `local` inside each scoring process, `process` as processes "
            "of this machine, `kserve` on a cluster."
        ),
    )
    kserve: KServeServing | None = Field(
        default=None,
        description='For `kserve`, as JSON: `{"namespace": …, "image": …, "blobs_secret": …}`.',
    )
    members_per_endpoint: int = Field(
        default=0, ge=0, description="Members of one server; 0: all. Detection takes only 0."
    )
    ready_seconds_max: float = Field(
        default=900.0, gt=0, description="Time to serve; a GPU node may have to be started."
    )
    ready_poll_seconds: float = Field(
        default=2.0, gt=0, description="How often readiness is looked at."
    )
    probe_frames_max: int = Field(
        default=64, ge=1, description="Holdout frames that both committees are asked about."
    )

    @model_validator(mode="after")
    def _kserve_where_it_is_chosen(self) -> Self:
        if (self.deployments == "kserve") != (self.kserve is not None):
            msg = f"kserve: expected it exactly for deployments=kserve, found {self.deployments}"
            raise ValueError(msg)
        return self

    @classmethod
    def embedded(cls, state_dir: Path, **changes: object) -> Self:
        """Give the settings of ring 1: runs' files lie in the state folder."""
        return super().embedded(state_dir, **{"work_dir": state_dir / "rollout", **changes})
