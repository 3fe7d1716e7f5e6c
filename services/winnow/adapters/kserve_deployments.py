"""Committee servers as KServe InferenceServices, in Standard mode with a custom predictor.

Each version has objects of its own beside those of other versions, so that a new one can be probed
while the old one serves. Nothing splits traffic: scoring asks the version that its round names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from winnow.contracts.kserve_serving import KServeServing
from winnow.contracts.references import reference_text
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, NotFound, Retryable
from winnow.domain.ids import CommitteeVersion
from winnow.ports.deployments import Part

GROUP, API_VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
VERSION_LABEL = "winnow.dev/committee-version"
MANAGED = {"app.kubernetes.io/managed-by": "winnow-rollout"}
HTTP_PORT, GRPC_PORT = 8080, 8081
NAME_CHARACTERS_MAX = 45
"""KServe puts `-predictor` and hashes behind it; a host name has 63."""
NOT_FOUND, CONFLICT = 404, 409


def cluster_api() -> Any:  # noqa: ANN401 - the client's own
    """Give a `CustomObjectsApi`, as the pod's service account, or as the user's kubectl does.

    Raises
    ------
    BadInput
        Neither is there.
    """
    from kubernetes import client, config  # type: ignore[import-untyped]

    try:
        config.load_incluster_config()
    except config.ConfigException:
        try:
            config.load_kube_config()
        except config.ConfigException as error:
            msg = f"expected a cluster: neither in a pod nor a kubeconfig ({error})"
            raise BadInput(msg) from error
    return client.CustomObjectsApi()


class KServeDeployments:
    """Makes and removes InferenceServices.

    Parameters
    ----------
    api
        What `cluster_api` gives.
    """

    def __init__(self, serving: KServeServing, *, api: Any) -> None:  # noqa: ANN401
        self._serving = serving
        self._api = api
        self._where = {
            "group": GROUP,
            "version": API_VERSION,
            "namespace": serving.namespace,
            "plural": PLURAL,
        }

    def apply(
        self, version: CommitteeVersion, members: BlobRef, parts: Sequence[Part]
    ) -> Sequence[str]:
        """Make an InferenceService for each part, or bring it to the present settings."""
        return tuple(self._applied(version, members, part) for part in parts)

    def lacks(self, version: CommitteeVersion) -> str:
        """Say which InferenceServices are not ready, or are so only of an earlier generation."""
        found = self._listed(f"{VERSION_LABEL}={version}")
        if not found:
            msg = f"committee {version}: expected InferenceServices, found none"
            raise NotFound(msg)
        return "; ".join(text for one in found if (text := _lacks(one)))

    def remove(self, version: CommitteeVersion) -> None:
        """Delete a version's InferenceServices; their pods end when they have answered."""
        for one in self._listed(f"{VERSION_LABEL}={version}"):
            self._call(
                self._api.delete_namespaced_custom_object,
                name=one["metadata"]["name"],
                harmless=NOT_FOUND,
            )

    def versions(self) -> Sequence[CommitteeVersion]:
        """Give what is applied."""
        found = self._listed(",".join(f"{name}={value}" for name, value in MANAGED.items()))
        labels = [one["metadata"]["labels"] for one in found]
        return sorted({CommitteeVersion(one[VERSION_LABEL]) for one in labels})

    def _applied(self, version: CommitteeVersion, members: BlobRef, part: Part) -> str:
        body = inference_service(self._serving, version, members, part)
        name = body["metadata"]["name"]
        made = self._call(self._api.create_namespaced_custom_object, body=body, harmless=CONFLICT)
        if made is None:
            self._call(self._api.patch_namespaced_custom_object, name=name, body=body)
        host = f"{name}-predictor.{self._serving.namespace}.svc"
        return f"grpc://{host}:{GRPC_PORT}/{part.model_name}"

    def _listed(self, selector: str) -> list[dict[str, Any]]:
        found = self._call(self._api.list_namespaced_custom_object, label_selector=selector)
        items: list[dict[str, Any]] = found["items"]
        return items

    def _call(self, function: Any, *, harmless: int = 0, **call: Any) -> Any:  # noqa: ANN401 - the client's own
        from kubernetes.client.exceptions import ApiException  # type: ignore[import-untyped]
        from urllib3.exceptions import HTTPError

        try:
            return function(**self._where, **call)
        except ApiException as error:
            if error.status == harmless:
                return None
            msg = f"namespace {self._serving.namespace}: {_told(error)}"
            raise (Retryable if error.status >= 500 else BadInput)(msg) from error
        except HTTPError as error:
            msg = f"expected the cluster's API to answer, found: {error}"
            raise Retryable(msg) from error


def inference_service(
    serving: KServeServing, version: CommitteeVersion, members: BlobRef, part: Part
) -> dict[str, Any]:
    """Give the object that serves one part."""
    predictor = {
        "minReplicas": serving.replicas,
        "maxReplicas": serving.replicas,
        "logger": serving.logger,
        "containers": [_container(serving, members, part)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "serviceAccountName": serving.service_account,
        "nodeSelector": serving.node_selector,
        "tolerations": list(serving.tolerations),
    }
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": "InferenceService",
        "metadata": {
            "name": object_name(part.model_name),
            "namespace": serving.namespace,
            "labels": {**MANAGED, VERSION_LABEL: version},
            # The chart's default mode, Knative, needs what few clusters have.
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "serving.kserve.io/autoscalerClass": "none",
            },
        },
        "spec": {"predictor": {name: value for name, value in predictor.items() if value}},
    }


def object_name(model_name: str) -> str:
    """Give a name that Kubernetes takes: the model's own where it does.

    Examples
    --------
    >>> object_name("committee-r3-c3")
    'committee-r3-c3'
    >>> object_name("committee-R_3-c3")
    'committee-d0da841c00'
    """
    if len(model_name) <= NAME_CHARACTERS_MAX and re.fullmatch(
        r"[a-z]([-a-z0-9]*[a-z0-9])?", model_name
    ):
        return model_name
    return f"committee-{hashlib.sha256(model_name.encode()).hexdigest()[:10]}"


def _container(serving: KServeServing, members: BlobRef, part: Part) -> dict[str, Any]:
    told = {
        "MEMBERS": reference_text(members),
        "MEMBER_NAMES": json.dumps(part.member_names),
        "HTTP_PORT": str(HTTP_PORT),
        "GRPC_PORT": str(GRPC_PORT),
        "TORCH_THREADS": str(serving.torch_threads),
    }
    url = {"secretKeyRef": {"name": serving.blobs_secret, "key": serving.blobs_key}}
    return {
        "name": "kserve-container",
        "image": serving.image,
        "imagePullPolicy": serving.image_pull_policy,
        "env": [
            {"name": "WINNOW_COMMITTEE_BLOBS_URL", "valueFrom": url},
            *({"name": f"WINNOW_COMMITTEE_{name}", "value": told[name]} for name in told),
        ],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"},
        ],
        # Without a probe KServe says Ready before the server listens.
        "readinessProbe": {
            "httpGet": {"path": f"/v2/models/{part.model_name}/ready", "port": HTTP_PORT},
            "periodSeconds": 5,
        },
        "resources": serving.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }


def _lacks(found: Mapping[str, Any]) -> str:
    name, status = found["metadata"]["name"], found.get("status") or {}
    wanted, seen = found["metadata"].get("generation", 0), status.get("observedGeneration", 0)
    if seen < wanted:
        return f"{name}: generation {wanted} is not looked at yet, {seen} is"
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    if conditions.get("Ready", {}).get("status") == "True":
        return ""
    troubles = [
        f"{kind}: {one.get('message') or one.get('reason') or 'not yet'}"
        for kind, one in sorted(conditions.items())
        if one.get("status") != "True"
    ]
    return f"{name}: " + (", ".join(troubles) or "no condition is told yet")


def _told(error: Any) -> str:  # noqa: ANN401 - the client's own
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"
