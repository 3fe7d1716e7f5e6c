"""What scoring must be told."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from winnow.runtime.settings import ServiceSettings


class ScoringSettings(ServiceSettings):
    """Read from `WINNOW_SCORING_*`; every mistake is reported at once."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_SCORING_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    tick_seconds: float = Field(
        default=0.1, gt=0, description="Pause between two parts of a snapshot."
    )
    frames_per_call: int = Field(
        default=256, ge=1, description="Frames in memory and in one call of the committee."
    )
    committee_versions_max: int = Field(
        default=2, ge=1, description="Committee versions kept in memory; one per open round."
    )
    frames_per_request: int = Field(
        default=64, ge=1, description="Frames of one request to a served committee."
    )
    requests_in_flight_max: int = Field(
        default=4, ge=1, description="Requests that wait for one endpoint at once."
    )
    call_deadline_seconds: float = Field(
        default=60.0, gt=0, description="After this a request's members count as missing."
    )
    call_attempts_max: int = Field(
        default=3, ge=1, description="Tries of a request to a server that is restarting."
    )
