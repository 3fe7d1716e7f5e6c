"""The JSON Schema document that Helm checks values against."""

from __future__ import annotations

import json

from charts.winnow.schema.values import Chart


def text() -> str:
    """Give values.schema.json.

    It says draft 7, because Helm before 3.18 knows nothing newer; what is used is in both.
    """
    schema = Chart.model_json_schema(by_alias=True)
    document = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
