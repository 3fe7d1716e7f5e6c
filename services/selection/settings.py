"""What selection must be told."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from winnow.runtime.settings import ServiceSettings


class SelectionSettings(ServiceSettings):
    """Read from `WINNOW_SELECTION_*`; every mistake is reported at once."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_SELECTION_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    expiry_tick_seconds: float = Field(
        default=60.0, gt=0, description="How often reservations without a task are looked for."
    )
    device: str = Field(
        default="cpu",
        description="Where distances are measured: cpu, cuda, faiss, or auto. Same batches.",
    )
    commit_id: str = Field(
        default="", description="Commit that this image was built from; named on evidence."
    )
