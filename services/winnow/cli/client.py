"""The console's client: over HTTPS, or in this process on a state folder."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx

from winnow.cli.state_folder import made
from winnow.domain import errors

Document = dict[str, Any]
POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 60.0


class ConsoleClient:
    """Asks the console; its refusals come back as the domain's own errors."""

    def __init__(self, client: httpx.AsyncClient, close: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._close = close
        self._runner = asyncio.Runner()

    @classmethod
    def at(cls, url: str, token: str) -> ConsoleClient:
        """Call a console elsewhere."""
        client = httpx.AsyncClient(
            base_url=url.rstrip("/"), headers=_headers(token), timeout=TIMEOUT_SECONDS
        )
        return cls(client)

    @classmethod
    def embedded(cls, state_dir: Path, token: str = "") -> ConsoleClient:
        """Run the console in this process on a state folder; no port is opened.

        Raises
        ------
        BadInput
            The folder cannot be made, the console is not installed, or its settings are wrong.
        """
        from winnow.cli.world import embedded_settings

        folder = made(state_dir)
        app = _console_app()
        service = app.build(*embedded_settings([app], folder))
        transport = httpx.ASGITransport(app=service.http())
        client = httpx.AsyncClient(
            transport=transport, base_url="http://console", headers=_headers(token)
        )
        return cls(client, service.close)

    def get(self, path: str, **params: str | int | None) -> Any:  # noqa: ANN401 - JSON
        """Read something."""
        present = {name: value for name, value in params.items() if value is not None}
        return self._ask("GET", path, params=present)

    def post(self, path: str, body: Mapping[str, object], *, key: str = "") -> Document:
        """Do something, once for each key."""
        return self._act("POST", path, key, json=body)

    def delete(self, path: str, *, key: str = "") -> Document:
        """Remove something, once for each key."""
        return self._act("DELETE", path, key)

    def settled(self, document: Document, timeout_seconds: float) -> Document:
        """Wait until a command is no longer pending.

        Raises
        ------
        Retryable
            It still is at the deadline; it stays asked for and will be done later.
        """
        deadline = time.monotonic() + timeout_seconds
        while document["state"] == "pending":
            if time.monotonic() > deadline:
                msg = (
                    f"{document['name']} {document['id']}: expected an answer of "
                    f"{document['service']} within {timeout_seconds:g} s, found none yet; it "
                    "stays asked for. Are the services running (winnow up)?"
                )
                raise errors.Retryable(msg)
            time.sleep(POLL_SECONDS)
            document = self.get(f"/v1/commands/{document['id']}")
        if document["state"] == "refused":
            raise _error(document["answer"].get("error", ""), document["answer"].get("reason", ""))
        return document

    def close(self) -> None:
        """Let go of connections."""
        self._runner.run(self._client.aclose())
        self._runner.close()
        self._close()

    def _act(self, method: str, path: str, key: str, **content: Any) -> Document:  # noqa: ANN401
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        answer: Document = self._ask(method, path, headers=headers, **content)
        return answer

    def _ask(self, method: str, path: str, **content: Any) -> Any:  # noqa: ANN401 - JSON
        try:
            response = self._runner.run(self._client.request(method, path, **content))
        except httpx.TransportError as error:
            msg = f"console at {self._client.base_url}: expected an answer, found: {error}"
            raise errors.Retryable(msg) from error
        if response.is_success:
            return response.json()
        raise _refusal(response)


def _refusal(response: httpx.Response) -> errors.WinnowError:
    try:
        stated = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        msg = (
            f"{response.request.url}: expected a console's answer, found status "
            f"{response.status_code}"
        )
        return errors.Retryable(msg)
    return _error(stated["kind"], stated["message"])


def _error(kind: str, message: str) -> errors.WinnowError:
    known = getattr(errors, kind, errors.DomainError)
    made: errors.WinnowError = known(message)
    return made


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _console_app() -> Any:  # noqa: ANN401 - an App whose settings only the console knows
    for entry_point in entry_points(group="winnow.services", name="console"):
        return entry_point.load()
    msg = (
        "console: expected the service in this environment (extra `console`), found none; "
        "install it, or name a running one with --console URL"
    )
    raise errors.BadInput(msg)
