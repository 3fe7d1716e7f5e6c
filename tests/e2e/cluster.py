"""A namespace with charts/platform and charts/winnow in it, reached by kubectl port-forward."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True)
class Cluster:
    """Addresses on this machine of what runs over there."""

    namespace: str
    console_url: str
    console_token: str
    console_certificate: Path
    ledger_url: str
    blobs_url: str


@contextmanager
def forwarded(namespace: str, folder: Path, release: str = "winnow") -> Iterator[Cluster]:
    """Open the ways in; they are closed at the end."""
    connections = _secret(namespace, "winnow-connections")
    certificate = folder / "console.crt"
    certificate.write_text(_secret(namespace, "winnow-console-tls")["tls.crt"])
    with ExitStack() as stack:
        console = stack.enter_context(_port(namespace, f"{release}-console", 8443))
        urls = {}
        for key in ("ledger-url", "blobs-url"):
            parts = urlsplit(connections[key])
            host = str(parts.hostname).partition(".")[0]
            port = stack.enter_context(_port(namespace, host, int(parts.port or 0)))
            login = parts.netloc.rpartition("@")[0]
            urls[key] = urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))
        yield Cluster(
            namespace=namespace,
            console_url=f"https://localhost:{console}",
            console_token=connections["console-token"],
            console_certificate=certificate,
            ledger_url=urls["ledger-url"],
            blobs_url=urls["blobs-url"],
        )


def kubectl(namespace: str, *arguments: str) -> str:
    """Run kubectl in the namespace and give what it says."""
    command = ["kubectl", "-n", namespace, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _secret(namespace: str, name: str) -> Mapping[str, str]:
    data = json.loads(kubectl(namespace, "get", "secret", name, "-o", "json"))["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


@contextmanager
def _port(namespace: str, service: str, port: int) -> Iterator[int]:
    command = ["kubectl", "-n", namespace, "port-forward", f"service/{service}", f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, f"kubectl port-forward {service}: {line!r}"
            yield int(found.group(1))
        finally:
            process.terminate()
