"""One round through real Kafka, PostgreSQL and S3: `make e2e` after both charts are installed."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import Cluster, forwarded, kubectl
from winnow.adapters.connect import connect_blobs, connect_ledger
from winnow.adapters.frame_sources.open import open_source
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.adapters.system_clock import SystemClock
from winnow.cli.demo.plan import write_digits
from winnow.cli.demo.world import BUDGETS
from winnow.runtime.ingestion import IngestOptions, ingest_frames

pytestmark = pytest.mark.cluster
NAMESPACE = os.environ.get("WINNOW_TEST_NAMESPACE", "winnow")
ROUND_SECONDS_MAX = 900.0
N_FRAMES = 400
CHANCE = 0.1
N_LABELS = 60
ROLES = ("budget_owner", "ml_engineer", "data_steward")
POLICY = {
    "name": "e2e",
    "seed": 7,
    "selection": {"batch_size": N_LABELS},
    "training": {"members": 4, "input_pixels": 16},
    "stopping": {"rounds_max": 1},
}
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
        **os.environ,
        "WINNOW_CONSOLE_URL": cluster.console_url,
        "WINNOW_TOKEN": token,
        "SSL_CERT_FILE": str(cluster.console_certificate),
    }
    command = [str(Path(sys.executable).with_name("winnow")), *arguments, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def test_every_pod_is_ready() -> None:
    kubectl(NAMESPACE, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s")


def test_one_round_from_frames_to_a_committee(
    cluster: Cluster, winnow: Winnow, tmp_path: Path
) -> None:
    funded = {str(budget["id"]) for budget in winnow("budget", "show")}
    for kind, amount in (pair for pair in BUDGETS if pair[0] not in funded):
        winnow("budget", "allocate", kind, amount)
    _ingest(cluster, write_digits(tmp_path / "digits.npz"))
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    asked = winnow("round", "open", "--policy", str(policy), "--wait", "--timeout", "120")
    number = str(asked["answer"]["round_id"]).removeprefix("r")

    done = _closed(winnow, number)

    assert done["state"] == "closed", done["reason"]
    assert done["labels"].get("approved_for_training", 0) > N_LABELS // 2
    assert done["metrics"]["accuracy"] > 3 * CHANCE
    assert all(row["reserved"] in (0, "0") for row in done["money"]), done["money"]
    _replay(cluster, number)


def _ingest(cluster: Cluster, path: Path) -> None:
    ledger = connect_ledger(cluster.ledger_url)
    try:
        ingest_frames(
            open_source(path),
            ledger=ledger,
            blobs=connect_blobs(cluster.blobs_url),
            clock=SystemClock(),
            options=IngestOptions(holdout_share=0.2, holdout_by="cluster", limit=N_FRAMES),
            encoder=PixelEncoder(),
        )
    finally:
        ledger.close()


def _replay(cluster: Cluster, number: str) -> None:
    environment = {
        **os.environ,
        "WINNOW_LEDGER_URL": cluster.ledger_url,
        "WINNOW_BLOBS_URL": cluster.blobs_url,
    }
    command = [str(Path(sys.executable).with_name("winnow")), "replay", number]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _closed(winnow: Winnow, number: str) -> Mapping[str, Any]:
    deadline = time.monotonic() + ROUND_SECONDS_MAX
    while time.monotonic() < deadline:
        found: Mapping[str, Any] = winnow("round", "show", number)
        if found["state"] in ("closed", "halted"):
            return found
        time.sleep(2.0)
    pytest.fail(f"round {number} is still open after {ROUND_SECONDS_MAX:g} s: {found['stages']}")
