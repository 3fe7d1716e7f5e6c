"""The JSON Schema of policies: what editors complete, and what other tools check against."""

from __future__ import annotations

import json
from typing import Any, Final

from winnow.policy.model import Policy

SCHEMA_ID: Final = "urn:winnow:policy:2"
FILE: Final = "policy.schema.json"
"""Where it lies in this package; `make golden` writes it."""


def policy_schema() -> dict[str, Any]:
    """Give the schema; older keys that are still read are not in it."""
    schema = Policy.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **schema,
        "title": "Winnow round policy",
    }


def schema_text() -> str:
    """Give the text of the published file."""
    return json.dumps(policy_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
