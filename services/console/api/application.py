"""The ASGI application: routes, one shape of error, and a count of outcomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from console import metrics
from console.api.budgets import budget_routes
from console.api.desk import Desk
from console.api.letters import letter_routes
from console.api.loop import loop_routes
from console.api.office import office_routes
from winnow.domain.errors import WinnowError
from winnow.domain.mistakes import sentence
from winnow.runtime.failures import policy_of


def create_application(desk: Desk) -> FastAPI:
    """Give the application; it holds no state but its ports."""
    application = FastAPI(
        title="Winnow console", version="1", docs_url=None, redoc_url=None,
        openapi_url="/v1/openapi.json",
    )  # fmt: skip
    for routes in (budget_routes, loop_routes, letter_routes, office_routes):
        application.include_router(routes(desk))
    application.add_exception_handler(WinnowError, _refused)
    application.add_exception_handler(RequestValidationError, _malformed)
    application.middleware("http")(_counted)
    return application


async def _counted(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    metrics.REQUESTS.labels(outcome=_outcome(response.status_code)).inc()
    response.headers["Cache-Control"] = "no-store"
    return response


async def _refused(request: Request, error: Exception) -> Response:
    del request
    status = policy_of(error).http_status
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(_document(type(error).__name__, str(error)), status, headers)


async def _malformed(request: Request, error: Exception) -> Response:
    mistakes = error.errors() if isinstance(error, RequestValidationError) else ()
    lines = [f"  {sentence({**one, 'loc': one['loc'][1:]}, whole='body')}" for one in mistakes]
    text = f"{request.url.path}: {len(lines)} mistake(s) in the request\n" + "\n".join(lines)
    return JSONResponse(_document("BadInput", text), 422)


def _document(kind: str, message: str) -> dict[str, dict[str, str]]:
    return {"error": {"kind": kind, "message": message}}


def _outcome(status: int) -> str:
    if status < 400:
        return "answered"
    if status == 401:
        return "unauthenticated"
    return "refused" if status < 500 else "failed"
