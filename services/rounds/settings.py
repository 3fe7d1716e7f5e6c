"""What rounds must be told."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from winnow.runtime.settings import ServiceSettings


class RoundsSettings(ServiceSettings):
    """Read from `WINNOW_ROUNDS_*`; every mistake is reported at once."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_ROUNDS_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    open_max: int = Field(default=2, ge=1, le=16, description="Rounds that may overlap.")
    tick_seconds: float = Field(
        default=0.5, gt=0, description="How often a requested round is looked at."
    )
    stuck_hours: float = Field(
        default=48.0, gt=0, description="An open round is called stuck after this, and again."
    )
    stuck_tick_seconds: float = Field(
        default=60.0, gt=0, description="How often stuck rounds are looked for."
    )
