"""Base of every service's settings: read once, frozen, all mistakes reported together."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What every service must be told. Subclasses set `env_prefix="WINNOW_<SERVICE>_"`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    ledger_url: SecretStr = Field(description="`sqlite:///…` or `postgresql+psycopg://…`.")
    bus_url: SecretStr = Field(description="`sqlite:///…` (ring 1) or `kafka://host:port,…`.")
    blobs_url: SecretStr = Field(
        description="`file:///…` or `s3://key:secret@host:port/bucket?secure=false`."
    )
    topic_prefix: str = Field(default="winnow.", description="Put before every topic's name.")
    http_port: int = Field(
        default=0, ge=0, le=65535, description="Health and metrics; 0 serves none."
    )
    log_format: str = Field(
        default="json", pattern="^(json|console)$", description="`json` or `console`."
    )
    attempts_max: int = Field(
        default=5, ge=1, description="Tries of one message before it is dead-lettered."
    )
    backoff_seconds_max: float = Field(
        default=30.0, gt=0, description="Longest pause between two tries."
    )
    poll_timeout_seconds: float = Field(
        default=0.2, ge=0, description="Longest wait for messages before ticks are looked at."
    )
    drain_timeout_seconds: float = Field(
        default=30.0, gt=0, description="Time after SIGTERM to finish the message in hand."
    )

    @classmethod
    def embedded(cls, state_dir: Path, **changes: object) -> Self:
        """Give the settings of ring 1: everything in one folder, no environment needed."""
        urls = {
            "ledger_url": f"sqlite:///{state_dir / 'ledger.db'}",
            "bus_url": f"sqlite:///{state_dir / 'bus.db'}",
            "blobs_url": f"file://{state_dir / 'blobs'}",
        }
        return cls(**{**urls, "log_format": "console", **changes})  # type: ignore[arg-type]
