"""Graphs as YAML for a Kubeflow Pipelines server."""

from __future__ import annotations

import importlib
from pathlib import Path


def compile_pipeline(name: str, out: Path, *, image: str = "") -> None:
    """Write the graph of `NAME.pipeline`, the function called NAME there; makes the folder.

    Parameters
    ----------
    image
        What the steps run in; empty: the `IMAGE` of that module.
    """
    from kfp.compiler import Compiler

    pipeline = importlib.import_module(f"{name}.pipeline")
    out.parent.mkdir(parents=True, exist_ok=True)
    Compiler().compile(getattr(pipeline, name), str(out))
    out.write_text(out.read_text().replace(pipeline.IMAGE, image or pipeline.IMAGE))
