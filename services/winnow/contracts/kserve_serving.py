"""How committees are served on a cluster: a part of the settings of whoever rolls them out."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class KServeServing(BaseModel):
    """How members are served on a cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespace: str = Field(description="Where InferenceServices are made.")
    image: str = Field(description="Image of `services/committee`; KServe wants a tag.")
    image_pull_policy: str = Field(default="IfNotPresent", description="As in a container.")
    blobs_secret: str = Field(description="Secret that holds the object store's URL …")
    blobs_key: str = Field(default="blobs-url", description="… under this key.")
    service_account: str = Field(default="", description="Of the pods; empty: the default one.")
    replicas: int = Field(default=1, ge=1, description="Pods of each InferenceService.")
    torch_threads: int = Field(default=1, ge=1, description="Cores that each pod computes on.")
    resources: dict[str, dict[str, str]] = Field(
        default={
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"memory": "4Gi"},
        },
        description='Requests and limits; `{"limits": {"nvidia.com/gpu": "1"}}` for a GPU.',
    )
    node_selector: dict[str, str] = Field(default={}, description="Of the pods.")
    tolerations: tuple[dict[str, str | int], ...] = Field(default=(), description="Of the pods.")
    logger: dict[str, Any] = Field(
        default={},
        description="KServe's payload logger of HTTP requests, as in an InferenceService; "
        "see `winnow ingest --format payload-log`.",
    )
