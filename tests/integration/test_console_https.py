"""The console over HTTPS: a real server, a private certificate, a token."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from console.app import app
from console.settings import ConsoleSettings
from winnow.cli.client import ConsoleClient
from winnow.domain.errors import NotAuthenticated, Retryable
from winnow.runtime.http import api_server

TOKEN = "bootstrap-token-of-thirty-two-characters"
DEADLINE_SECONDS = 20


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "console")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "tls.crt", folder / "tls.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the console never listened"
        else:
            return


def test_people_come_in_over_https_with_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert_file, key_file = certificate(tmp_path)
    port = free_port()
    settings = ConsoleSettings.embedded(
        tmp_path,
        local_person="",
        api_port=port,
        tls_cert_file=cert_file,
        tls_key_file=key_file,
        bootstrap_token=TOKEN,
    )
    service = app.build(settings)
    url = f"https://127.0.0.1:{port}"
    with api_server(service):
        wait_until_it_listens(port)
        with pytest.raises(Retryable, match="certificate"):
            _ask(url, TOKEN)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert_file))
        assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 1
        assert _ask(url, TOKEN) == "bootstrap"
        with pytest.raises(NotAuthenticated):
            _ask(url, "")
        with pytest.raises(Retryable):
            _ask(f"http://127.0.0.1:{port}", TOKEN)
    service.close()


def _ask(url: str, token: str) -> str:
    client = ConsoleClient.at(url, token)
    try:
        return str(client.get("/v1/status")["person"])
    finally:
        client.close()
