"""What the committee server must be told."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CommitteeSettings(BaseSettings):
    """Read from `WINNOW_COMMITTEE_*`; a new committee version is a new server, never a reload."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_COMMITTEE_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    blobs_url: SecretStr = Field(
        description="`file:///…` or `s3://key:secret@host:port/bucket?secure=false`."
    )
    members: str = Field(description="Reference of the members manifest, as JSON.")
    member_names: tuple[str, ...] = Field(
        default=(), description='Members that this server holds, e.g. `["m0","m1"]`; none: all.'
    )
    http_port: int = Field(default=8080, ge=1, le=65535, description="REST and `/metrics`.")
    grpc_port: int = Field(default=8081, ge=1, le=65535, description="Open Inference Protocol.")
    frames_max: int = Field(default=1024, ge=1, description="Most frames of one request.")
    torch_threads: int = Field(default=1, ge=1, description="Cores for inference.")
    device: str = Field(
        default="auto", description="`cpu`, `cuda`, or `auto`: a GPU if there is one."
    )
