"""What open_round must be told beside the parameters of a run."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class OpenRoundSettings(BaseSettings):
    """Read from `WINNOW_OPEN_ROUND_*` by every step: where the console is, and who asks."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_OPEN_ROUND_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    console_url: str = Field(
        default="", description="A running console, unless the run's form names one."
    )
    token: SecretStr = Field(
        default=SecretStr(""), description="Token of the person in whose name rounds are asked for."
    )
    state_dir: Path | None = Field(
        default=None, description="State folder on this machine, where no console runs."
    )
