"""The door is not left open by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from console.app import app
from console.settings import ConsoleSettings, os_user


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "file.pem"
    path.write_text("")
    return path


def served(tmp_path: Path, **changes: object) -> ConsoleSettings:
    return ConsoleSettings.embedded(tmp_path, **{"local_person": "", "api_port": 8443, **changes})


def test_ring_one_opens_no_port_and_knows_its_user(tmp_path: Path) -> None:
    settings = ConsoleSettings.embedded(tmp_path)
    assert settings.api_port == 0
    assert settings.local_person


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nameless)
    assert os_user().startswith("uid")


def test_tls_takes_both_files(tmp_path: Path, pem: Path) -> None:
    settings = served(tmp_path, api_host="0.0.0.0", tls_cert_file=pem, tls_key_file=pem)
    assert settings.tls_cert_file == settings.tls_key_file == pem


def test_all_mistakes_about_tls_are_told_at_once(tmp_path: Path, pem: Path) -> None:
    with pytest.raises(ValidationError) as caught:
        served(tmp_path, tls_cert_file=tmp_path / "none", tls_upstream=True, bootstrap_token="x")
    text = str(caught.value)
    assert "tls_cert_file: expected a readable file" in text
    assert "tls_key_file: expected both TLS files or neither" in text
    assert "tls_upstream" in text
    assert "bootstrap_token: expected 32 or more" in text


def test_plain_http_stays_on_this_machine(tmp_path: Path) -> None:
    assert served(tmp_path).api_host == "127.0.0.1"
    assert served(tmp_path, api_host="0.0.0.0", tls_upstream=True).tls_upstream
    with pytest.raises(ValidationError, match="found plain HTTP"):
        served(tmp_path, api_host="0.0.0.0")


def test_nobody_is_implicit_where_a_port_is_open(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="whoever reaches the port"):
        served(tmp_path, local_person="me")


def test_secrets_do_not_print(tmp_path: Path) -> None:
    settings = served(tmp_path, bootstrap_token="s" * 32)
    assert "s" * 32 not in repr(settings)


def test_the_console_is_composed_and_its_gauges_read(tmp_path: Path) -> None:
    service = app.build(ConsoleSettings.embedded(tmp_path))
    with service.ledger.transaction() as tx:
        assert service.on_tick[0].handler(tx=tx) == ()
    assert service.relays == ("ingest",)
    assert service.http is not None
    service.close()
