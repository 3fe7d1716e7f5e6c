"""InferenceServices: given what the cluster says, then what is made, waited for and removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException  # type: ignore[import-untyped]

from winnow.adapters.kserve_deployments import KServeDeployments
from winnow.contracts.kserve_serving import KServeServing
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput, NotFound, Retryable
from winnow.domain.ids import CommitteeVersion
from winnow.ports.deployments import Part

VERSION = CommitteeVersion("c3")
MEMBERS = BlobRef("b", "models/members.json", "0" * 64, 1, "application/json")
PARTS = [Part("committee-r3-c3-m0", ("m0",)), Part("committee-r3-c3-m1", ("m1",))]
SERVING = KServeServing(
    namespace="winnow",
    image="registry/winnow/committee:7",
    blobs_secret="winnow-connections",
    node_selector={"pool": "gpu"},
    tolerations=({"key": "nvidia.com/gpu", "operator": "Exists"},),
    resources={"limits": {"nvidia.com/gpu": "1"}},
)


@dataclass
class FakeCluster:
    """Objects by name; says Ready when it is told to, and refuses when it is told to."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses: ApiException | None = None

    def create_namespaced_custom_object(self, *, body: dict[str, Any], **where: str) -> Any:
        self._look(where)
        if body["metadata"]["name"] in self.objects:
            raise ApiException(status=409, reason="AlreadyExists")
        stored = json.loads(json.dumps(body))
        stored["metadata"]["generation"] = 1
        self.objects[body["metadata"]["name"]] = stored
        return stored

    def patch_namespaced_custom_object(
        self, *, name: str, body: Mapping[str, Any], **where: str
    ) -> Any:
        self._look(where)
        if self.objects[name]["spec"] != body["spec"]:
            self.objects[name]["spec"] = body["spec"]
            self.objects[name]["metadata"]["generation"] += 1
        return self.objects[name]

    def list_namespaced_custom_object(self, *, label_selector: str, **where: str) -> Any:
        self._look(where)
        wanted = dict(pair.split("=") for pair in label_selector.split(","))
        found = [
            one
            for one in self.objects.values()
            if wanted.items() <= one["metadata"]["labels"].items()
        ]
        return {"items": found}

    def delete_namespaced_custom_object(self, *, name: str, **where: str) -> Any:
        self._look(where)
        del self.objects[name]

    def says(self, name: str, *, generation: int, **conditions: str) -> None:
        told = [
            {"type": kind, "status": "True" if text == "True" else "False", "message": text}
            for kind, text in conditions.items()
        ]
        self.objects[name]["status"] = {"observedGeneration": generation, "conditions": told}

    def _look(self, where: Mapping[str, str]) -> None:
        assert where["namespace"] == "winnow"
        assert where["plural"] == "inferenceservices"
        if self.refuses is not None:
            raise self.refuses


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def deployments(cluster: FakeCluster) -> KServeDeployments:
    return KServeDeployments(SERVING, api=cluster)


def test_each_part_becomes_an_inference_service_with_an_address(
    cluster: FakeCluster, deployments: KServeDeployments
) -> None:
    assert deployments.apply(VERSION, MEMBERS, PARTS) == (
        "grpc://committee-r3-c3-m0-predictor.winnow.svc:8081/committee-r3-c3-m0",
        "grpc://committee-r3-c3-m1-predictor.winnow.svc:8081/committee-r3-c3-m1",
    )
    made = cluster.objects["committee-r3-c3-m1"]
    assert made["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
    predictor = made["spec"]["predictor"]
    assert predictor["nodeSelector"] == {"pool": "gpu"}
    assert predictor["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    (container,) = predictor["containers"]
    assert container["image"] == "registry/winnow/committee:7"
    assert container["resources"] == {"limits": {"nvidia.com/gpu": "1"}}
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/models/committee-r3-c3-m1/ready"
    env = {one["name"]: one for one in container["env"]}
    assert env["WINNOW_COMMITTEE_MEMBER_NAMES"]["value"] == '["m1"]'
    assert json.loads(env["WINNOW_COMMITTEE_MEMBERS"]["value"])["key"] == MEMBERS.key
    secret = env["WINNOW_COMMITTEE_BLOBS_URL"]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": "winnow-connections", "key": "blobs-url"}


def test_what_servers_are_asked_is_logged_if_that_is_wanted(
    cluster: FakeCluster, deployments: KServeDeployments
) -> None:
    deployments.apply(VERSION, MEMBERS, PARTS[:1])
    predictor = cluster.objects["committee-r3-c3-m0"]["spec"]["predictor"]
    assert "logger" not in predictor
    logger = {"mode": "all", "url": "http://log-store.winnow.svc"}
    logging = SERVING.model_copy(update={"logger": logger})
    KServeDeployments(logging, api=cluster).apply(VERSION, MEMBERS, PARTS[1:])
    assert cluster.objects["committee-r3-c3-m1"]["spec"]["predictor"]["logger"] == logger


def test_applied_again_nothing_is_made_twice_and_new_settings_take_effect(
    cluster: FakeCluster, deployments: KServeDeployments
) -> None:
    for _ in range(2):
        deployments.apply(VERSION, MEMBERS, PARTS[:1])
    assert cluster.objects["committee-r3-c3-m0"]["metadata"]["generation"] == 1
    more = SERVING.model_copy(update={"replicas": 3})
    KServeDeployments(more, api=cluster).apply(VERSION, MEMBERS, PARTS[:1])
    assert cluster.objects["committee-r3-c3-m0"]["spec"]["predictor"]["minReplicas"] == 3


def test_ready_of_an_earlier_generation_is_not_ready(
    cluster: FakeCluster, deployments: KServeDeployments
) -> None:
    deployments.apply(VERSION, MEMBERS, PARTS[:1])
    assert "is not looked at yet" in deployments.lacks(VERSION)
    name = "committee-r3-c3-m0"
    cluster.says(name, generation=1, Ready="pulling", PredictorReady="image not found")
    assert deployments.lacks(VERSION) == f"{name}: PredictorReady: image not found, Ready: pulling"
    cluster.says(name, generation=1, Ready="True")
    assert deployments.lacks(VERSION) == ""
    cluster.objects[name]["metadata"]["generation"] = 2
    assert "generation 2 is not looked at yet, 1 is" in deployments.lacks(VERSION)


def test_versions_are_removed_one_by_one(
    cluster: FakeCluster, deployments: KServeDeployments
) -> None:
    deployments.apply(VERSION, MEMBERS, PARTS)
    deployments.apply(CommitteeVersion("c4"), MEMBERS, [Part("committee-r4-c4")])
    assert deployments.versions() == ["c3", "c4"]
    for _ in range(2):
        deployments.remove(VERSION)
    assert list(cluster.objects) == ["committee-r4-c4"]
    with pytest.raises(NotFound, match="committee c3: expected InferenceServices, found none"):
        deployments.lacks(VERSION)


def test_what_the_cluster_refuses_is_told_in_its_words(
    cluster: FakeCluster, deployments: KServeDeployments
) -> None:
    cluster.refuses = ApiException(status=422, reason="Unprocessable")
    cluster.refuses.body = '{"message": "admission webhook denied: no tag"}'
    with pytest.raises(BadInput, match="namespace winnow: admission webhook denied: no tag"):
        deployments.apply(VERSION, MEMBERS, PARTS)
    cluster.refuses = ApiException(status=503, reason="Service Unavailable")
    with pytest.raises(Retryable, match="503 Service Unavailable"):
        deployments.versions()
