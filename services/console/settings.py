"""What the console must be told."""

from __future__ import annotations

import getpass
import os
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from winnow.runtime.settings import ServiceSettings


class ConsoleSettings(ServiceSettings):
    """Read from `WINNOW_CONSOLE_*`; every mistake is reported at once."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_CONSOLE_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    api_host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(default=0, ge=0, le=65535, description="Port of the API; 0 serves none.")
    tls_cert_file: Path | None = Field(
        default=None, description="Certificate chain (PEM); together with the key: HTTPS."
    )
    tls_key_file: Path | None = Field(default=None, description="Its private key (PEM).")
    tls_upstream: bool = Field(
        default=False, description="A proxy before the API speaks TLS; the API speaks plain HTTP."
    )
    bootstrap_token: SecretStr | None = Field(
        default=None,
        description="Token (32 or more characters) of the first platform engineer, `bootstrap`.",
    )
    local_person: str = Field(
        default="",
        description="Who calls without a token, with all roles: on one machine, in-process only.",
    )
    gauges_tick_seconds: float = Field(
        default=10.0, gt=0, description="How often money and label gauges are read anew."
    )
    commit_id: str = Field(
        default="", description="Commit that this image was built from; named on evidence."
    )

    @classmethod
    def embedded(cls, state_dir: Path, **changes: object) -> Self:
        """Give the settings of ring 1: the OS user is the person, and no port is opened."""
        return super().embedded(state_dir, **{"local_person": os_user(), **changes})

    @model_validator(mode="after")
    def _door_is_safe(self) -> Self:
        mistakes = [*_tls_mistakes(self), *_exposure_mistakes(self)]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self


def os_user() -> str:
    """Give the name of this machine's user; a container may know only the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid{os.getuid()}"


def _tls_mistakes(settings: ConsoleSettings) -> list[str]:
    files = {"tls_cert_file": settings.tls_cert_file, "tls_key_file": settings.tls_key_file}
    missing = [name for name, path in files.items() if path is None]
    mistakes = [
        f"{name}: expected a readable file, found nothing at {path}"
        for name, path in files.items()
        if path is not None and not path.is_file()
    ]
    if len(missing) == 1:
        mistakes.append(f"{missing[0]}: expected both TLS files or neither, found only the other")
    if settings.tls_upstream and len(missing) < len(files):
        mistakes.append("tls_upstream: expected TLS here or in the proxy, found both")
    return mistakes


def _exposure_mistakes(settings: ConsoleSettings) -> list[str]:
    mistakes = []
    encrypted = settings.tls_cert_file is not None or settings.tls_upstream
    if settings.api_port and not encrypted and not _is_loopback(settings.api_host):
        mistakes.append(
            f"api_host: expected tls_cert_file and tls_key_file (or tls_upstream) for "
            f"{settings.api_host}, found plain HTTP, over which tokens could be read"
        )
    if settings.api_port and settings.local_person:
        mistakes.append(
            "local_person: expected none while api_port is open, because whoever reaches the "
            f"port would be {settings.local_person} with all roles"
        )
    token = settings.bootstrap_token
    if token is not None and len(token.get_secret_value()) < 32:
        mistakes.append("bootstrap_token: expected 32 or more characters, found fewer")
    return mistakes


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
