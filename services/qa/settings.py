"""What QA must be told."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from winnow.runtime.settings import ServiceSettings


class QaSettings(ServiceSettings):
    """Read from `WINNOW_QA_*`; every mistake is reported at once."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_QA_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    tool: Literal["scripted"] = Field(default="scripted", description="Where people review.")
    tick_seconds: float = Field(
        default=0.2, gt=0, description="Between two steps of batches, reviews and verdicts."
    )
    expiry_tick_seconds: float = Field(
        default=30.0, gt=0, description="Between two looks for inspections past their deadline."
    )
    approvals_tick_seconds: float = Field(
        default=3600.0, gt=0, description="Between two looks for approvals that ended."
    )
    reconcile_tick_seconds: float = Field(
        default=300.0, gt=0, description="Between two comparisons of open reviews with the tool."
    )
    items_per_tick: int = Field(
        default=100, ge=1, description="Labels in one transaction; bounds how long others wait."
    )
    commit_id: str = Field(
        default="", description="Commit that this image was built from; named on evidence."
    )
    scripted_path: Path | None = Field(
        default=None, description="File of the scripted tool; none: beside the SQLite ledger."
    )
    scripted_seed: int = Field(
        default=0, ge=0, lt=2**63, description="Of all that scripted reviewers do."
    )
    scripted_n_reviewers: int = Field(default=3, ge=1, le=999, description="Scripted reviewers.")
    scripted_accuracy: float = Field(
        default=0.99, ge=0.0, le=1.0, description="Share of labels that they judge rightly."
    )
    scripted_lag_seconds: float = Field(
        default=0.0, ge=0.0, description="Mean time until a review comes."
    )

    def scripted_file(self) -> Path:
        """Give the scripted tool's file."""
        ledger = urlsplit(self.ledger_url.get_secret_value())
        if self.scripted_path is not None:
            return self.scripted_path
        if ledger.scheme == "sqlite":
            return Path(unquote(ledger.path)).parent / "scripted_reviewers.db"
        return Path(tempfile.gettempdir()) / "scripted_reviewers.db"
