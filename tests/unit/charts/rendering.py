"""Charts rendered by helm and read as the Kubernetes client's typed objects."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]
MODELS = {
    "ConfigMap": "V1ConfigMap",
    "Deployment": "V1Deployment",
    "PersistentVolumeClaim": "V1PersistentVolumeClaim",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "Role": "V1Role",
    "RoleBinding": "V1RoleBinding",
    "Secret": "V1Secret",
    "Service": "V1Service",
    "ServiceAccount": "V1ServiceAccount",
    "StatefulSet": "V1StatefulSet",
}


@dataclass(frozen=True)
class _Answer:
    """What the client's deserializer expects of a server's answer."""

    data: str


@dataclass(frozen=True)
class Rendered:
    """What a chart makes of some values."""

    objects: Sequence[Any]

    def all(self, kind: str) -> dict[str, Any]:
        """Give the objects of a kind by name."""
        return {item.metadata.name: item for item in self.objects if item.kind == kind}

    def one(self, kind: str, name: str) -> Any:
        """Give the one object of this kind and name."""
        return self.all(kind)[name]


def run_helm(chart: str, values: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
    """Render a chart with release name `winnow` in namespace `loop`."""
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("helm is not on the PATH; charts can only be rendered by it")
    command = [helm, "template", "winnow", f"charts/{chart}", "--namespace", "loop", "-f", "-"]
    return subprocess.run(
        command, cwd=ROOT, input=json.dumps(values), capture_output=True, text=True, check=False
    )


def render(chart: str, values: Mapping[str, object] | None = None) -> Rendered:
    """Give the typed objects."""
    done = run_helm(chart, values or {})
    assert done.returncode == 0, done.stderr
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    return Rendered([_typed(document) for document in documents])


def refusal(chart: str, values: Mapping[str, object]) -> str:
    """Give the text with which helm refuses values."""
    done = run_helm(chart, values)
    assert done.returncode != 0
    return done.stderr


def _typed(document: Mapping[str, object]) -> Any:
    api = client.ApiClient()
    return api.deserialize(_Answer(json.dumps(document)), MODELS[str(document["kind"])])
