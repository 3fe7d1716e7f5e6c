"""What the platform chart makes: development backends and the Secret that Winnow refers to."""

import base64
from typing import Any
from urllib.parse import urlsplit

import pytest
from charts.winnow.schema.values import Chart
from cryptography import x509

from tests.unit.charts.rendering import Rendered, render
from tests.unit.charts.test_values import DEFAULTS

BACKENDS = ("kafka", "postgres", "minio")


@pytest.fixture(scope="module")
def plain() -> Rendered:
    return render("platform")


def _pod(rendered: Rendered, backend: str) -> Any:
    return rendered.one("StatefulSet", f"winnow-{backend}").spec.template.spec


def test_the_secret_has_what_winnow_refers_to(plain: Rendered) -> None:
    connections = Chart.model_validate(DEFAULTS).connections
    data = plain.one("Secret", connections.existing_secret).string_data
    assert urlsplit(data[connections.ledger_key]).scheme == "postgresql+psycopg"
    assert data[connections.bus_key] == "kafka://winnow-kafka.loop.svc:9092"
    assert urlsplit(data[connections.blobs_key]).hostname == "winnow-minio.loop.svc"
    for service in DEFAULTS["services"].values():
        for ref in service.get("secretSettings", {}).values():
            assert ref["key"] in plain.one("Secret", ref["secret"]).string_data


def test_addresses_hold_the_passwords_of_the_backends(plain: Rendered) -> None:
    data = plain.one("Secret", "winnow-connections").string_data
    assert urlsplit(data["ledger-url"]).password == data["postgres-password"]
    blobs = urlsplit(data["blobs-url"])
    assert (blobs.username, blobs.password) == (data["s3-access-key"], data["s3-secret-key"])
    assert len(data["console-token"]) >= 32


def test_passwords_are_drawn_anew_for_each_installation(plain: Rendered) -> None:
    other = render("platform").one("Secret", "winnow-connections").string_data
    for name in ("postgres-password", "s3-secret-key", "console-token"):
        assert other[name] != plain.one("Secret", "winnow-connections").string_data[name]


def test_the_console_gets_a_certificate_for_its_names(plain: Rendered) -> None:
    data = plain.one("Secret", "winnow-console-tls").data
    certificate = x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "winnow-console", "winnow-console.loop.svc"} <= set(
        names.get_values_for_type(x509.DNSName)
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_are_restricted_and_tagged(plain: Rendered, backend: str) -> None:
    pod = _pod(plain, backend)
    (container,) = pod.containers
    assert pod.security_context.run_as_non_root
    assert pod.enable_service_links is False
    assert pod.automount_service_account_token is False
    assert container.security_context.read_only_root_filesystem
    assert container.security_context.capabilities.drop == ["ALL"]
    assert container.image.partition(":")[2] not in {"", "latest"}
    assert container.readiness_probe
    assert container.resources.limits["memory"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_data_live_on_a_volume_and_go_with_the_release(plain: Rendered, backend: str) -> None:
    spec = plain.one("StatefulSet", f"winnow-{backend}").spec
    (claim,) = spec.volume_claim_templates
    assert claim.spec.access_modes == ["ReadWriteOnce"]
    assert spec.persistent_volume_claim_retention_policy.when_deleted == "Delete"
    assert "data" in {mount.name for mount in spec.template.spec.containers[0].volume_mounts}


def test_kafka_keeps_its_log_on_the_volume(plain: Rendered) -> None:
    (container,) = _pod(plain, "kafka").containers
    env = {item.name: item.value for item in container.env}
    mounts = {mount.name: mount.mount_path for mount in container.volume_mounts}
    assert env["KAFKA_LOG_DIRS"].startswith(f"{mounts['data']}/")
    assert env["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert "LOCAL://localhost:19092" in env["KAFKA_ADVERTISED_LISTENERS"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_backend_has_a_switch(backend: str) -> None:
    rendered = render("platform", {backend: {"enabled": False}})
    assert set(rendered.all("StatefulSet")) == {
        f"winnow-{name}" for name in BACKENDS if name != backend
    }
    keys = rendered.one("Secret", "winnow-connections").string_data
    url = {"kafka": "bus-url", "postgres": "ledger-url", "minio": "blobs-url"}[backend]
    assert url not in keys


def test_the_certificate_has_a_switch() -> None:
    rendered = render("platform", {"consoleTls": {"enabled": False}})
    assert set(rendered.all("Secret")) == {"winnow-connections"}
