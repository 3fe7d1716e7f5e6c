"""The published JSON Schema of policies is that of the code; `make golden` writes it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import winnow.policy
from winnow.policy.model import Policy
from winnow.policy.schema import FILE, SCHEMA_ID, policy_schema, schema_text

PUBLISHED = Path(winnow.policy.__file__).parent / FILE


def test_the_published_schema_is_that_of_the_code() -> None:
    if os.environ.get("WINNOW_GOLDEN") == "rewrite":
        PUBLISHED.write_text(schema_text(), encoding="utf-8")
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text()


def test_it_has_an_identity_and_a_property_for_every_section_with_words_about_each_field() -> None:
    schema = policy_schema()
    assert schema["$id"] == SCHEMA_ID
    assert set(schema["properties"]) == set(Policy.model_fields)
    for name, part in schema["$defs"].items():
        assert part.get("description"), name
        for field, known in part.get("properties", {}).items():
            assert field == "name" or known.get("description") or "$ref" in known, (name, field)


def test_the_shorthand_of_a_strategy_is_in_it() -> None:
    strategy = policy_schema()["$defs"]["SelectionSection"]["properties"]["strategy"]
    names, variants = strategy["anyOf"]
    assert "top_k" in names["enum"]
    assert "coverage" in json.dumps(variants)
