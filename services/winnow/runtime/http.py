"""`/healthz`, `/readyz` and `/metrics`, from the standard library; and a service's own API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from winnow.domain.errors import BadInput, Retryable
from winnow.runtime.health import Health
from winnow.runtime.service import Service
from winnow.telemetry.metrics import exposition

Answer = tuple[int, str, bytes]
"""(status, content type, body)"""
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, routes: Mapping[str, Callable[[], Answer]]) -> None:
        super().__init__(("", port), _Handler)
        self.routes = routes


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_GET(self) -> None:
        """Answer."""
        route = self.server.routes.get(self.path.partition("?")[0])
        status, kind, body = route() if route else (404, TEXT, b"not found\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: probes come every few seconds."""


@contextmanager
def health_server(port: int, health: Health) -> Iterator[int]:
    """Serve in a thread; give the port (a free one was taken for 0)."""
    server = _Server(
        port,
        {
            "/healthz": lambda: _report(health.alive()),
            "/readyz": lambda: _report(health.ready()),
            "/metrics": lambda: (200, TEXT, exposition()),
        },
    )
    thread = threading.Thread(target=server.serve_forever, name="winnow-health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def api_server(service: Service) -> Iterator[None]:
    """Serve `service.http` with uvicorn on the setting `api_port`, if there are both."""
    port = int(getattr(service.settings, "api_port", 0))
    if service.http is None or port == 0:
        yield
        return
    import uvicorn

    config = uvicorn.Config(
        service.http(),  # type: ignore[arg-type]
        host=_setting(service, "api_host") or "127.0.0.1",
        port=port,
        log_config=None,
        ssl_certfile=_setting(service, "tls_cert_file"),
        ssl_keyfile=_setting(service, "tls_key_file"),
    )
    # Here and not in the thread, whose end nobody would notice: the service would go on deaf.
    try:
        config.load()
    except OSError as error:
        msg = f"{service.name}: expected a certificate and its key, found: {error}"
        raise BadInput(msg) from error
    try:
        listener = config.bind_socket()
    except SystemExit as end:  # uvicorn takes a port that is taken for the end of the process
        msg = f"{service.name}: expected to listen on port {port}, found: {end.__context__}"
        raise Retryable(msg) from end
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, args=([listener],), name=f"{service.name}-api", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def _setting(service: Service, name: str) -> str | None:
    found = getattr(service.settings, name, None)
    return str(found) if found else None


def _report(failures: Mapping[str, str]) -> Answer:
    body = json.dumps({"ok": not failures, "failures": dict(failures)}).encode() + b"\n"
    return (503 if failures else 200), "application/json", body
