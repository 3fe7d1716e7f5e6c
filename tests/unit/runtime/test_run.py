"""From settings to a serving process: mistakes, health, metrics, failure table, pauses."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from winnow.domain import errors
from winnow.domain.events import FramesIngested
from winnow.runtime.backoff import backoff
from winnow.runtime.failures import TABLE, Action, policy_of
from winnow.runtime.http import health_server
from winnow.runtime.run import read_settings, run_app, serve
from winnow.runtime.service import App, Service
from winnow.runtime.settings import ServiceSettings
from winnow.runtime.worker import Worker
from winnow.testing.worlds import frames_ingested, world_in


class QaLikeSettings(ServiceSettings):
    """Settings of a service."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_QALIKE_", frozen=True, extra="forbid", hide_input_in_errors=True
    )


def test_all_mistakes_in_the_settings_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_QALIKE_BUS_URL", "kafka://u:secret@host:1")
    monkeypatch.setenv("WINNOW_QALIKE_ATTEMPTS_MAX", "0")
    monkeypatch.setenv("WINNOW_QALIKE_LOG_FORMAT", "xml")
    with pytest.raises(errors.BadInput) as caught:
        read_settings(QaLikeSettings)
    text = str(caught.value)
    assert "4 mistakes" in text
    for name in ("LEDGER_URL", "BLOBS_URL", "ATTEMPTS_MAX", "LOG_FORMAT"):
        assert f"WINNOW_QALIKE_{name}: " in text
    assert "secret" not in text


def test_mistaken_settings_end_the_process_with_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def build(settings: QaLikeSettings) -> Service:
        raise AssertionError

    assert run_app(App("qalike", QaLikeSettings, build), threading.Event()) == 2
    assert "qalike: 3 mistakes" in capsys.readouterr().err


def test_a_service_that_cannot_reach_its_world_ends_with_the_code_for_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LEDGER_URL", "BUS_URL", "BLOBS_URL"):
        monkeypatch.setenv(f"WINNOW_QALIKE_{name}", "sqlite:///nowhere")

    def build(settings: QaLikeSettings) -> Service:
        raise errors.Retryable("bus away")

    assert run_app(App("qalike", QaLikeSettings, build), threading.Event()) == 75


def test_probes_and_metrics_are_served(tmp_path: Path) -> None:
    world = world_in(tmp_path)
    service = world.service(on_event={FramesIngested: lambda event, *, tx: []})
    worker = Worker(service)
    with health_server(0, worker.health) as port:
        assert _get(port, "/healthz")[0] == 200
        status, body = _get(port, "/readyz")
        assert status == 503
        assert set(json.loads(body)["failures"]) == {"ledger", "bus"}
        world.state_facts(frames_ingested("s0"))
        worker.step()
        assert _get(port, "/readyz")[0] == 200
        assert _get(port, "/nothing")[0] == 404
        text = _get(port, "/metrics")[1]
    assert (
        'winnow_messages_total{outcome="handled",service="embedding",'
        'topic="winnow.frames.ingested.v1"}' in text
    )
    for name in ("handler_seconds", "dead_letters_total", "outbox_backlog", "consumer_lag"):
        assert f"winnow_{name}" in text


class ApiSettings(ServiceSettings):
    """Settings of a service with an API."""

    api_port: int
    tls_cert_file: str | None = None
    tls_key_file: str | None = None


async def no_api(scope: object, receive: object, send: object) -> None:
    """Never asked."""


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({}, errors.Retryable("port {port}, found: .*in use")),
        ({"tls_cert_file": "nowhere"}, errors.BadInput("certificate")),
    ],
)
def test_an_api_that_cannot_be_served_ends_the_service(
    tmp_path: Path, settings: dict[str, str], error: Exception
) -> None:
    stop = threading.Event()
    stop.set()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = replace(
            world_in(tmp_path).service(),
            settings=ApiSettings.embedded(tmp_path, api_port=port, **settings),
            http=lambda: no_api,
        )
        with pytest.raises(type(error), match=str(error).format(port=port)):
            serve(service, stop)


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("error", "action", "exit_code", "http_status"),
    [
        (errors.BudgetExceeded("x"), Action.DEAD_LETTER, 1, 409),
        (errors.NotAllowed("x"), Action.DEAD_LETTER, 77, 403),
        (errors.BadInput("x"), Action.DEAD_LETTER, 2, 422),
        (errors.Retryable("x"), Action.RETRY, 75, 503),
        (ZeroDivisionError("x"), Action.RETRY, 70, 500),
    ],
)
def test_one_table_says_what_follows_from_a_failure(
    error: Exception, action: Action, exit_code: int, http_status: int
) -> None:
    policy = policy_of(error)
    assert (policy.action, policy.exit_code, policy.http_status) == (
        action,
        exit_code,
        http_status,
    )


def test_no_line_of_the_table_hides_a_later_one() -> None:
    for pos, policy in enumerate(TABLE):
        earlier = [line.error for line in TABLE[:pos]]
        assert not any(issubclass(policy.error, kind) for kind in earlier)


def test_pauses_double_with_jitter_up_to_their_limit() -> None:
    pauses = [
        backoff(attempt, seconds_max=30, salt="m").total_seconds() for attempt in range(1, 12)
    ]
    for attempt, pause in enumerate(pauses, start=1):
        ceiling = min(30, 0.2 * 2 ** (attempt - 1))
        assert ceiling / 2 <= pause <= ceiling
    assert len({backoff(3, seconds_max=30, salt=f"{pos}") for pos in range(20)}) > 10
