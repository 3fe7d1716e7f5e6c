"""One record of KServe's payload logger: a request or a response, in any form it is stored in.

Sent to a URL it is a CloudEvent; the receiver stores it as JSON, whose attribute names keep or lose
case, dashes and a `ce_` before them on the way. Stored by KServe itself in a bucket it is JSON of
KServe's own record (`ReqType`, `Id`, `Bytes` …). Fields mean the same, only names differ.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from winnow.adapters.frame_sources.times import time_of
from winnow.adapters.inference_json import Body
from winnow.domain.errors import BadInput

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
PREFIX = re.compile(r"^ce[-_]")

Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class PayloadRecord:
    """What one side of an inference was."""

    is_request: bool
    key: Key
    """Namespace, service, component and id: the same on both sides."""
    body: Body
    headers: Mapping[str, str]
    """Those that KServe was told to keep, names in lower case, the first value of each."""
    logged_at: datetime | None
    """Only CloudEvents say so."""

    @property
    def id(self) -> str:
        """Identity of the request within its service."""
        return self.key[-1]


def record_of(entry: object) -> PayloadRecord | None:
    """Read a record; None: an event of another type.

    Raises
    ------
    BadInput
        It is no event, has no id or no body, or one that cannot be decoded.
    """
    if not isinstance(entry, Mapping):
        msg = f"expected a JSON object, found {type(entry).__name__}"
        raise BadInput(msg)
    fields = {_plain(str(name)): value for name, value in entry.items()}
    kind = fields.get("type", fields.get("reqtype"))
    if not isinstance(kind, str):
        msg = f"expected an event with a type, found {', '.join(map(str, entry)) or 'nothing'}"
        raise BadInput(msg)
    if kind not in (REQUEST, RESPONSE):
        return None
    service = fields.get("inferenceservicename", fields.get("inferenceservice"))
    names = (fields.get("namespace"), service, fields.get("component"), fields.get("id"))
    namespace, service_name, component, number = (str(name or "") for name in names)
    if not number:
        msg = "expected an event with an id, found none"
        raise BadInput(msg)
    return PayloadRecord(
        is_request=kind == REQUEST,
        key=(namespace, service_name, component, number),
        body=_body(fields),
        headers=_headers(fields.get("metadata")),
        logged_at=time_of(fields["time"]) if fields.get("time") else None,
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_]", "", PREFIX.sub("", name.lower()))


def _body(fields: Mapping[str, object]) -> Body:
    encoded = fields.get("database64", fields.get("bytes"))
    if isinstance(encoded, str):
        try:
            return base64.b64decode(encoded, validate=True)
        except ValueError as error:
            msg = f"expected a body in base64, found: {error}"
            raise BadInput(msg) from error
    data = fields.get("data")
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | Mapping):
        return data
    msg = f"expected a body (data, data_base64 or Bytes), found {type(data).__name__}"
    raise BadInput(msg)


def _headers(metadata: object) -> Mapping[str, str]:
    """Give headers by name: a JSON object of lists, in a CloudEvent as text."""
    try:
        found = json.loads(metadata or "null") if isinstance(metadata, str) else metadata
    except ValueError as error:
        msg = f"expected metadata as a JSON object, found {metadata!r}"
        raise BadInput(msg) from error
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        msg = f"expected metadata as a JSON object, found {metadata!r}"
        raise BadInput(msg)
    values = ((name, v[0] if isinstance(v, list) and v else v) for name, v in found.items())
    return {name.lower(): value for name, value in values if isinstance(value, str)}
