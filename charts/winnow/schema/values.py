"""The chart's values as types; `python -m charts.winnow.schema` writes values.schema.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
"""A Kubernetes quantity."""
KubernetesName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
ServiceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
SettingName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
PortName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,14}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
UnprivilegedPort = Annotated[int, Field(ge=1024, le=65535)]
Tag = Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")]


class Values(BaseModel):
    """Base: camel case as charts have it, no unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class Image(Values):
    """Where the services' images come from: `registry/repository/service:tag`."""

    registry: str = Field(default="", description="Host and path before the repository, or empty.")
    repository: str = Field(default="winnow", min_length=1, description="The service follows it.")
    tag: Tag = Field(default="", description="Empty: the chart's appVersion. Never `latest`.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: list[KubernetesName] = Field(default=[], description="Names of Secrets.")


class Connections(Values):
    """The Secret with the three addresses, which hold passwords."""

    existing_secret: KubernetesName = Field(description="Name of a Secret in the same namespace.")
    ledger_key: str = Field(default="ledger-url", min_length=1)
    bus_key: str = Field(default="bus-url", min_length=1)
    blobs_key: str = Field(default="blobs-url", min_length=1)


class Amounts(Values):
    """An amount of each resource."""

    model_config = ConfigDict(frozen=True, extra="allow")
    cpu: Quantity | None = None
    memory: Quantity | None = None


class Resources(Values):
    """What a pod is promised, and what it is stopped at."""

    requests: Amounts = Amounts()
    limits: Amounts = Amounts()


class SecretKey(Values):
    """One key of an existing Secret."""

    secret: KubernetesName
    key: str = Field(min_length=1)


class SecretFiles(Values):
    """An existing Secret as files."""

    secret: KubernetesName
    mount_path: str = Field(pattern=r"^/.+")


class Storage(Values):
    """A volume that outlives its pod. One pod at a time has it, so there is one replica."""

    size: Quantity
    mount_path: str = Field(pattern=r"^/.+")
    storage_class: str | None = Field(default=None, description="Absent: the cluster's default.")


class ServiceAccount(Values):
    """The identity of a service's pods."""

    annotations: dict[str, str] = Field(
        default={}, description="E.g. the role of a cloud that lets it into the object store."
    )
    automount_token: bool = Field(
        default=False, description="For services that talk to Kubernetes itself."
    )


class Committee(Values):
    """How rollout serves committees on KServe, with the image `committee`."""

    enabled: bool = Field(default=False, description="False: members answer inside scoring.")
    namespace: KubernetesName | Literal[""] = Field(
        default="",
        description="Empty: the release's. Another one needs a Secret of the connections' name.",
    )
    service_account: KubernetesName | Literal[""] = Field(
        default="", description="Of the servers' pods; empty: the namespace's default one."
    )
    replicas: int = Field(default=1, ge=1, description="Pods of each InferenceService.")
    torch_threads: int = Field(default=1, ge=1, description="Cores that each pod computes on.")
    resources: Resources = Resources()
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, str | int]] = []
    logger: dict[str, JsonValue] = Field(
        default={}, description="KServe's payload logger, as an InferenceService has it."
    )


class Defaults(Values):
    """What holds for every service that does not say otherwise."""

    replicas: int = Field(default=1, ge=0)
    scratch_size: Quantity = Field(default="1Gi", description="Limit of `/tmp`.")
    resources: Resources = Resources()


class Service(Values):
    """One service; its key is the name of its Python package."""

    enabled: bool = True
    replicas: int | None = Field(
        default=None, ge=0, description="More than the topic's partitions stay idle."
    )
    settings: dict[SettingName, str | int | float | bool] = Field(
        default={}, description="`tick_seconds: 5` becomes `WINNOW_<SERVICE>_TICK_SECONDS=5`."
    )
    secret_settings: dict[SettingName, SecretKey] = Field(
        default={}, description="Settings that come from Secrets."
    )
    secret_files: list[SecretFiles] = []
    ports: dict[PortName, UnprivilegedPort] = Field(
        default={}, description="Ports beside that of health and metrics."
    )
    scratch_size: Quantity | None = Field(default=None, description="Limit of `/tmp`.")
    storage: Storage | None = Field(
        default=None, description="For a scripted tool's file; services keep no state in files."
    )
    resources: Resources | None = None
    service_account: ServiceAccount = ServiceAccount()
    pod_annotations: dict[str, str] = {}
    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, JsonValue]] = []
    affinity: dict[str, JsonValue] = {}


class Chart(Values):
    """All values."""

    model_config = ConfigDict(title="Values of the Winnow chart")

    image: Image = Image()
    connections: Connections
    topic_prefix: str = Field(default="winnow.", description="Put before every topic's name.")
    log_format: Literal["json", "console"] = "json"
    drain_timeout_seconds: int = Field(
        default=30, gt=0, description="Time to finish the message in hand; pods get ten more."
    )
    http_port: UnprivilegedPort = Field(default=8080, description="Health and metrics.")
    run_as_user: int = Field(default=10001, ge=1, description="Any number but that of root.")
    pod_annotations: dict[str, str] = {}
    defaults: Defaults = Defaults()
    committee: Committee = Committee()
    services: dict[ServiceName, Service]
    global_: dict[str, JsonValue] = Field(
        default={}, alias="global", description="What Helm gives to subcharts; not used."
    )
