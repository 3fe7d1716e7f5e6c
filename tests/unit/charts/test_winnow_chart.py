"""What the Winnow chart makes: asserted on as typed objects."""

import json
from typing import Any

import pytest

from rollout.settings import RolloutSettings
from tests.unit.charts.rendering import Rendered, refusal, render
from tests.unit.charts.test_values import SERVICES
from winnow.contracts.kserve_serving import KServeServing

MANY = {
    "image": {"registry": "registry.example.com/team", "tag": "1.2.3", "pullSecrets": ["pull"]},
    "services": {
        "qa": {
            "replicas": 3,
            "storage": None,
            "settings": {"tick_seconds": 0.5, "attempts_max": 12_000_000, "http_port": 9000},
            "secretSettings": {"review_token": {"secret": "review", "key": "token"}},
            "secretFiles": [{"secret": "ca", "mountPath": "/etc/ca"}],
            "serviceAccount": {"annotations": {"role": "reader"}, "automountToken": True},
            "nodeSelector": {"pool": "cpu"},
            "tolerations": [{"key": "spot", "operator": "Exists"}],
        },
        "committee": {},
        "rollout": {"enabled": False},
    },
}


@pytest.fixture(scope="module")
def plain() -> Rendered:
    return render("winnow")


@pytest.fixture(scope="module")
def many() -> Rendered:
    return render("winnow", MANY)


def _dashed(name: str) -> str:
    return f"winnow-{name.replace('_', '-')}"


def _container(deployment: Any) -> Any:
    (container,) = deployment.spec.template.spec.containers
    return container


def test_each_service_is_one_deployment_service_account_and_config(plain: Rendered) -> None:
    names = {_dashed(name) for name in SERVICES}
    for kind in ("Deployment", "Service", "ServiceAccount", "ConfigMap"):
        assert set(plain.all(kind)) == names
    assert not plain.all("PodDisruptionBudget")


@pytest.mark.parametrize("name", SERVICES)
def test_pods_are_restricted(plain: Rendered, name: str) -> None:
    pod = plain.one("Deployment", _dashed(name)).spec.template.spec
    container = _container(plain.one("Deployment", _dashed(name)))
    assert pod.security_context.run_as_non_root
    assert pod.security_context.run_as_user == 10001
    assert pod.security_context.seccomp_profile.type == "RuntimeDefault"
    assert container.security_context.read_only_root_filesystem
    assert container.security_context.allow_privilege_escalation is False
    assert container.security_context.capabilities.drop == ["ALL"]
    assert pod.automount_service_account_token is False
    assert pod.enable_service_links is False
    assert "/tmp" in {mount.mount_path for mount in container.volume_mounts}


@pytest.mark.parametrize("name", SERVICES)
def test_pods_are_probed_and_bounded(plain: Rendered, name: str) -> None:
    deployment = plain.one("Deployment", _dashed(name))
    container = _container(deployment)
    assert container.startup_probe.http_get.path == "/healthz"
    assert container.liveness_probe.http_get.path == "/healthz"
    assert container.readiness_probe.http_get.path == "/readyz"
    assert container.resources.requests["memory"]
    assert container.resources.limits["memory"]
    assert deployment.spec.template.spec.termination_grace_period_seconds == 40
    assert deployment.spec.template.metadata.annotations["prometheus.io/port"] == "8080"


@pytest.mark.parametrize("name", SERVICES)
def test_linear_algebra_takes_as_many_threads_as_the_pod_may_use(
    plain: Rendered, name: str
) -> None:
    container = _container(plain.one("Deployment", _dashed(name)))
    threads = {env.name: env.value_from for env in container.env if "NUM_THREADS" in env.name}
    assert threads.keys() == {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}
    for source in threads.values():
        field = source.resource_field_ref
        assert (field.resource, field.divisor) == ("limits.cpu", "1")


@pytest.mark.parametrize("name", SERVICES)
def test_addresses_with_passwords_come_from_the_secret(plain: Rendered, name: str) -> None:
    env = {item.name: item for item in _container(plain.one("Deployment", _dashed(name))).env}
    for what in ("ledger", "bus", "blobs"):
        ref = env[f"WINNOW_{name.upper()}_{what.upper()}_URL"].value_from.secret_key_ref
        assert (ref.name, ref.key) == ("winnow-connections", f"{what}-url")
    assert all(item.value is None for item in env.values())


@pytest.mark.parametrize("name", SERVICES)
def test_selectors_find_exactly_their_pods(plain: Rendered, name: str) -> None:
    labels = plain.one("Deployment", _dashed(name)).spec.template.metadata.labels
    found = [
        service.metadata.name
        for service in plain.all("Service").values()
        if service.spec.selector.items() <= labels.items()
    ]
    assert found == [_dashed(name)]


def test_the_console_serves_https_with_its_certificate(plain: Rendered) -> None:
    deployment = plain.one("Deployment", "winnow-console")
    config = plain.one("ConfigMap", "winnow-console").data
    ports = {port.name: port.port for port in plain.one("Service", "winnow-console").spec.ports}
    volumes = {volume.name: volume for volume in deployment.spec.template.spec.volumes}
    assert ports == {"http": 8080, "https": 8443}
    assert config["WINNOW_CONSOLE_API_PORT"] == "8443"
    assert volumes["secret-0"].secret.secret_name == "winnow-console-tls"
    mounts = {mount.name: mount.mount_path for mount in _container(deployment).volume_mounts}
    assert config["WINNOW_CONSOLE_TLS_KEY_FILE"].startswith(f"{mounts['secret-0']}/")


def test_settings_are_written_as_they_were_given(many: Rendered) -> None:
    data = many.one("ConfigMap", "winnow-qa").data
    assert data["WINNOW_QA_TICK_SECONDS"] == "0.5"
    assert data["WINNOW_QA_ATTEMPTS_MAX"] == "12000000"
    assert data["WINNOW_QA_HTTP_PORT"] == "9000"
    assert data["WINNOW_QA_TOPIC_PREFIX"] == "winnow."


def test_a_changed_setting_makes_new_pods(plain: Rendered, many: Rendered) -> None:
    def checksum(rendered: Rendered, name: str) -> str:
        template = rendered.one("Deployment", name).spec.template
        return str(template.metadata.annotations["checksum/settings"])

    assert checksum(plain, "winnow-qa") != checksum(many, "winnow-qa")
    assert checksum(plain, "winnow-rounds") == checksum(many, "winnow-rounds")


def test_images_carry_registry_service_and_tag(plain: Rendered, many: Rendered) -> None:
    images = {
        name: _container(deployment).image for name, deployment in many.all("Deployment").items()
    }
    path = "registry.example.com/team/winnow"
    assert images["winnow-labeling-gateway"] == f"{path}/labeling-gateway:1.2.3"
    assert _container(plain.one("Deployment", "winnow-qa")).image == "winnow/qa:0.1.0"
    pull = many.one("Deployment", "winnow-qa").spec.template.spec.image_pull_secrets
    assert [secret.name for secret in pull] == ["pull"]


def test_replicas_bring_a_disruption_budget(many: Rendered) -> None:
    assert many.one("Deployment", "winnow-qa").spec.replicas == 3
    assert set(many.all("PodDisruptionBudget")) == {"winnow-qa"}
    assert many.one("PodDisruptionBudget", "winnow-qa").spec.max_unavailable == 1


@pytest.mark.parametrize("name", ["labeling_gateway", "qa"])
def test_a_scripted_tool_outlives_its_pod(plain: Rendered, name: str) -> None:
    deployment = plain.one("Deployment", _dashed(name))
    volumes = {volume.name: volume for volume in deployment.spec.template.spec.volumes}
    mounts = {mount.name: mount.mount_path for mount in _container(deployment).volume_mounts}
    file = plain.one("ConfigMap", _dashed(name)).data[f"WINNOW_{name.upper()}_SCRIPTED_PATH"]
    claim = plain.one("PersistentVolumeClaim", _dashed(name))
    assert volumes["storage"].persistent_volume_claim.claim_name == claim.metadata.name
    assert file.startswith(f"{mounts['storage']}/")
    assert deployment.spec.strategy.type == "Recreate"


def test_a_service_keeps_no_volume_unless_it_says_so(plain: Rendered, many: Rendered) -> None:
    claims = {"winnow-labeling-gateway", "winnow-qa"}
    assert set(plain.all("PersistentVolumeClaim")) == claims
    assert set(many.all("PersistentVolumeClaim")) == claims - {"winnow-qa"}
    assert many.one("Deployment", "winnow-qa").spec.strategy is None


def test_services_are_added_and_left_out_by_name(many: Rendered) -> None:
    assert "winnow-committee" in many.all("Deployment")
    assert "winnow-rollout" not in many.all("Deployment")


def test_a_service_may_have_secrets_an_identity_and_a_place(many: Rendered) -> None:
    deployment = many.one("Deployment", "winnow-qa")
    env = {item.name: item for item in _container(deployment).env}
    account = many.one("ServiceAccount", "winnow-qa")
    ref = env["WINNOW_QA_REVIEW_TOKEN"].value_from.secret_key_ref
    assert (ref.name, ref.key) == ("review", "token")
    assert account.metadata.annotations == {"role": "reader"}
    assert account.automount_service_account_token
    assert deployment.spec.template.spec.node_selector == {"pool": "cpu"}
    assert deployment.spec.template.spec.tolerations[0].key == "spot"


ON_KSERVE = {
    "image": {"registry": "registry.example.com", "tag": "1.2.3"},
    "committee": {
        "enabled": True,
        "namespace": "serving",
        "torchThreads": 2,
        "resources": {"limits": {"nvidia.com/gpu": 1}},
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [{"key": "spot", "operator": "Exists", "tolerationSeconds": 300}],
        "logger": {"mode": "all", "metadataHeaders": ["X-Winnow-Session"]},
    },
}


def test_rollout_is_told_how_committees_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = render("winnow", ON_KSERVE)
    for name, value in rendered.one("ConfigMap", "winnow-rollout").data.items():
        monkeypatch.setenv(name, value)
    for address in ("LEDGER", "BUS", "BLOBS"):
        monkeypatch.setenv(f"WINNOW_ROLLOUT_{address}_URL", "from:///the/secret")
    settings = RolloutSettings()
    serving = settings.kserve
    assert settings.deployments == "kserve"
    assert serving is not None
    assert serving == KServeServing(
        namespace="serving",
        image="registry.example.com/winnow/committee:1.2.3",
        blobs_secret="winnow-connections",
        torch_threads=2,
        resources={
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"memory": "4Gi", "nvidia.com/gpu": "1"},
        },
        node_selector={"pool": "gpu"},
        tolerations=({"key": "spot", "operator": "Exists", "tolerationSeconds": 300},),
        logger={"mode": "all", "metadataHeaders": ["X-Winnow-Session"]},
    )
    assert serving.model_fields_set == set(KServeServing.model_fields), "the chart says all of it"


def test_rollout_alone_may_make_and_remove_inference_services() -> None:
    rendered = render("winnow", ON_KSERVE)
    (role,), (binding,) = rendered.all("Role").values(), rendered.all("RoleBinding").values()
    (rule,) = role.rules
    assert role.metadata.namespace == binding.metadata.namespace == "serving"
    assert (rule.api_groups, rule.resources) == (["serving.kserve.io"], ["inferenceservices"])
    assert set(rule.verbs) == {"get", "list", "create", "patch", "delete"}
    assert (binding.role_ref.kind, binding.role_ref.name) == ("Role", role.metadata.name)
    (subject,) = binding.subjects
    assert (subject.kind, subject.name, subject.namespace) == (
        "ServiceAccount",
        rendered.one("Deployment", "winnow-rollout").spec.template.spec.service_account_name,
        "loop",
    )
    with_token = [
        name
        for name, deployment in rendered.all("Deployment").items()
        if deployment.spec.template.spec.automount_service_account_token
    ]
    assert with_token == ["winnow-rollout"]


def test_committees_are_served_in_the_namespace_of_the_release_unless_told_otherwise() -> None:
    rendered = render("winnow", {"committee": {"enabled": True}})
    told = rendered.one("ConfigMap", "winnow-rollout").data["WINNOW_ROLLOUT_KSERVE"]
    assert json.loads(told)["namespace"] == "loop"
    assert rendered.one("Role", "winnow-rollout").metadata.namespace == "loop"


@pytest.mark.parametrize(
    "values", [{}, {"committee": {"enabled": True}, "services": {"rollout": {"enabled": False}}}]
)
def test_without_committees_on_kserve_nobody_may_ask_kubernetes(values: dict[str, object]) -> None:
    rendered = render("winnow", values)
    assert not rendered.all("Role")
    assert not rendered.all("RoleBinding")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"committee": {"enabled": True, "replicas": 0}}, "replicas"),
        ({"image": {"tag": "latest"}}, "expected a tag that always means the same image"),
        ({"topicPrefx": "x"}, "topicPrefx"),
        ({"services": {"qa": {"replicas": "two"}}}, "replicas"),
        ({"connections": {"existingSecret": ""}}, "existingSecret"),
        ({"services": {"qa": {"replicas": 2}}}, "services.qa.storage: expected null"),
    ],
)
def test_helm_refuses_mistakes(values: dict[str, object], text: str) -> None:
    assert text in refusal("winnow", values)
