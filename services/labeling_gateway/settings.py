"""What the labeling gateway must be told."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from winnow.runtime.settings import ServiceSettings


class LabelingGatewaySettings(ServiceSettings):
    """Read from `WINNOW_LABELING_GATEWAY_*`; every mistake is reported at once."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_LABELING_GATEWAY_",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    tool: Literal["scripted"] = Field(default="scripted", description="Where people label.")
    tick_seconds: float = Field(
        default=0.2, gt=0, description="Between two looks for tasks to submit and for answers."
    )
    expiry_tick_seconds: float = Field(
        default=30.0, gt=0, description="Between two looks for tasks past their deadline."
    )
    reconcile_tick_seconds: float = Field(
        default=300.0, gt=0, description="Between two comparisons of open tasks with the tool."
    )
    tasks_per_tick: int = Field(
        default=100, ge=1, description="Tasks in one transaction; bounds how long others wait."
    )
    commit_id: str = Field(
        default="", description="Commit that this image was built from; named on evidence."
    )
    scripted_path: Path | None = Field(
        default=None, description="File of the scripted tool; none: beside the SQLite ledger."
    )
    scripted_seed: int = Field(
        default=0, ge=0, lt=2**63, description="Of all that scripted people do."
    )
    scripted_n_annotators: int = Field(default=5, ge=1, le=999, description="Scripted people.")
    scripted_accuracy: float = Field(
        default=0.95, ge=0.0, le=1.0, description="Share of right answers of the middle one."
    )
    scripted_accuracy_spread: float = Field(
        default=0.03, ge=0.0, le=1.0, description="The best is better by this, the worst worse."
    )
    scripted_skip_share: float = Field(
        default=0.01, ge=0.0, le=1.0, description="Tasks that they skip."
    )
    scripted_careless_share: float = Field(
        default=0.01, ge=0.0, le=1.0, description="Predictions accepted at once without a look."
    )
    scripted_duplicate_share: float = Field(
        default=0.05, ge=0.0, le=1.0, description="Answers that the tool delivers twice."
    )
    scripted_lag_seconds: float = Field(
        default=0.0, ge=0.0, description="Mean time until an answer comes."
    )

    def scripted_file(self) -> Path:
        """Give the scripted tool's file."""
        ledger = urlsplit(self.ledger_url.get_secret_value())
        if self.scripted_path is not None:
            return self.scripted_path
        if ledger.scheme == "sqlite":
            return Path(unquote(ledger.path)).parent / "scripted_annotators.db"
        return Path(tempfile.gettempdir()) / "scripted_annotators.db"
