"""Rounds through real Kafka, PostgreSQL and S3: `make e2e` after both charts are installed."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import Cluster, forwarded, kubectl
from winnow.cli.demo.plan import write_digits

pytestmark = pytest.mark.cluster
NAMESPACE = os.environ.get("WINNOW_TEST_NAMESPACE", "winnow")
ROUND_SECONDS_MAX = 900.0
N_FRAMES = 800
HOLDOUT = ("--holdout", "0.2", "--by", "cluster")
CHANCE = 0.1
# For more rounds than there are frames: the tests can be run again on the same cluster.
BUDGETS = (
    ("upload", "1GB"),
    ("auto_label_inference", "3600000ms"),
    ("human_annotation", "1000.00"),
    ("label_qa", "200.00"),
    ("expert_review", "100.00"),
)
N_LABELS = 40
ROLES = ("budget_owner", "ml_engineer", "data_steward")
POLICY = {
    "name": "e2e",
    "seed": 7,
    "selection": {"batch_size": N_LABELS},
    "training": {"members": 4, "input_pixels": 16},
    "stopping": {"rounds_max": 1},
}
ENDED = ("closed", "halted")
LAGS = {
    "labeling-gateway": "WINNOW_LABELING_GATEWAY_SCRIPTED_LAG_SECONDS",
    "qa": "WINNOW_QA_SCRIPTED_LAG_SECONDS",
}
Found = Mapping[str, Any]
Winnow = Callable[..., Any]
"""Runs the command line against the cluster's console and gives its JSON answer."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with forwarded(NAMESPACE, tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def winnow(cluster: Cluster) -> Winnow:
    """Give the command line of somebody who may do what a round needs."""
    roles = [part for role in ROLES for part in ("--role", role)]
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    person = _winnow(cluster, cluster.console_token, "people", "add", name, *roles)
    return lambda *arguments: _winnow(cluster, person["token"], *arguments)


def _winnow(cluster: Cluster, token: str, *arguments: str) -> Any:
    environment = {
        "WINNOW_CONSOLE_URL": cluster.console_url,
        "WINNOW_TOKEN": token,
        "SSL_CERT_FILE": str(cluster.console_certificate),
    }
    return json.loads(_said([*arguments, "--json"], environment))


def _on_stores(cluster: Cluster, *arguments: str) -> str:
    """Run a command that opens the cluster's ledger and object store itself."""
    environment = {"WINNOW_LEDGER_URL": cluster.ledger_url, "WINNOW_BLOBS_URL": cluster.blobs_url}
    return _said(arguments, environment)


def _said(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    command = [str(Path(sys.executable).with_name("winnow")), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def test_every_pod_is_ready() -> None:
    kubectl(NAMESPACE, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s")


def test_one_round_from_frames_to_a_committee(
    cluster: Cluster, winnow: Winnow, tmp_path: Path
) -> None:
    funded = {str(budget["id"]) for budget in winnow("budget", "show")}
    for kind, amount in (pair for pair in BUDGETS if pair[0] not in funded):
        winnow("budget", "allocate", kind, amount)
    frames = str(write_digits(tmp_path / "digits.npz"))
    _on_stores(cluster, "ingest", frames, *HOLDOUT, "--limit", str(N_FRAMES))
    number = _opened(winnow, tmp_path)

    done = _until(winnow, number, lambda found: found["state"] in ENDED)

    assert done["state"] == "closed", done["reason"]
    assert done["labels"].get("approved_for_training", 0) > N_LABELS // 2
    assert done["metrics"]["accuracy"] > 3 * CHANCE
    assert all(row["reserved"] in (0, "0") for row in done["money"]), done["money"]
    assert "identical" in _on_stores(cluster, "replay", number)


def test_a_round_ends_the_same_though_pods_are_killed(
    winnow: Winnow, slow_people: None, tmp_path: Path
) -> None:
    number = _opened(winnow, tmp_path)

    _until(winnow, number, lambda found: 0 < found["tasks"].get("labeled", 0) < N_LABELS)
    _kill("labeling-gateway")
    seen = _until(winnow, number, lambda found: "qa_passed" in found["labels"])
    assert _stage(seen, "promotion") != "promoted", "QA was done before it could be killed"
    _kill("qa")
    done = _until(winnow, number, lambda found: found["state"] in ENDED)

    assert done["state"] == "closed", done["reason"]
    (batch,) = done["batch"]
    assert batch["n_tasks"] == N_LABELS, "frames are used up: install the platform anew"
    assert done["labels"].get("approved_for_training", 0) > N_LABELS // 2
    money = {row["budget"]: row for row in done["money"]}
    price = batch["price_micros"] // batch["n_tasks"]
    assert money["human_annotation"]["spent"] == price * done["tasks"]["labeled"], "paid once each"
    assert all(row["reserved"] == 0 for row in done["money"]), done["money"]


@pytest.fixture
def slow_people() -> Iterator[None]:
    """Let scripted people take their time, so that there is a middle to be killed in."""
    try:
        for name, variable in LAGS.items():
            kubectl(NAMESPACE, "set", "env", f"deployment/winnow-{name}", f"{variable}=4")
        _rolled_out()
        yield
    finally:
        for name, variable in LAGS.items():
            kubectl(NAMESPACE, "set", "env", f"deployment/winnow-{name}", f"{variable}-")
        _rolled_out()


def _rolled_out() -> None:
    for name in LAGS:
        kubectl(NAMESPACE, "rollout", "status", f"deployment/winnow-{name}", "--timeout=180s")


def _kill(component: str) -> None:
    chosen = ("-l", f"app.kubernetes.io/component={component}")
    kubectl(NAMESPACE, "delete", "pod", *chosen, "--force", "--grace-period=0", "--wait=false")


def _opened(winnow: Winnow, tmp_path: Path) -> str:
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    asked = winnow("round", "open", "--policy", str(policy), "--wait", "--timeout", "120")
    return str(asked["answer"]["round_id"]).removeprefix("r")


def _stage(found: Found, name: str) -> str:
    return next(str(row["state"]) for row in found["stages"] if row["stage"] == name)


def _until(winnow: Winnow, number: str, is_there: Callable[[Found], bool]) -> Found:
    deadline = time.monotonic() + ROUND_SECONDS_MAX
    while time.monotonic() < deadline:
        found: Found = winnow("round", "show", number)
        if is_there(found):
            return found
        assert found["state"] != "halted", found["reason"]
        time.sleep(0.5)
    pytest.fail(f"round {number}: not there after {ROUND_SECONDS_MAX:g} s: {found['stages']}")
