"""What the benchmark's steps on a cluster must be told; the command needs none of it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class BenchmarkSettings(BaseSettings):
    """Read from `WINNOW_BENCHMARK_*` by the steps on a cluster."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_BENCHMARK_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    blobs_url: SecretStr = Field(description="Object store of what goes from step to step.")
    ledger_url: SecretStr = Field(
        default=SecretStr(""), description="Ledger of the ingested pool, for `pool` as data."
    )
    work_dir: Path = Field(
        description="Folder of finished runs: what a killed step goes on from. May be lost."
    )
