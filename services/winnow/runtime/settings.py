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
    bus_url: SecretStr = Field(description="`sqlite:///…` (one machine) or `kafka://host:port,…`.")
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


def variable_of(settings: type[BaseSettings], name: str) -> str:
    """Give the environment variable that a setting is read from.

    Examples
    --------
    >>> class Settings(ServiceSettings):
    ...     model_config = SettingsConfigDict(env_prefix="WINNOW_QA_")
    >>> variable_of(Settings, "ledger_url")
    'WINNOW_QA_LEDGER_URL'
    """
    return f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def secret_variables(settings: type[BaseSettings]) -> dict[str, str]:
    """Give the variable of each setting that is secret, by its key in a Secret of Kubernetes.

    Examples
    --------
    >>> secret_variables(ServiceSettings)
    {'ledger-url': 'LEDGER_URL', 'bus-url': 'BUS_URL', 'blobs-url': 'BLOBS_URL'}
    """
    return {name.replace("_", "-"): variable_of(settings, name) for name in _secrets(settings)}


def plain_variables(settings: type[BaseSettings]) -> dict[str, str]:
    """Give the variable of each other setting, by its key in a ConfigMap: the variable itself."""
    names = [name for name in settings.model_fields if name not in _secrets(settings)]
    return {variable: variable for variable in (variable_of(settings, name) for name in names)}


def _secrets(settings: type[BaseSettings]) -> list[str]:
    return [name for name, one in settings.model_fields.items() if one.annotation is SecretStr]
