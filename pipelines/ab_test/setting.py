"""What is compared and how: one small file, with defaults for the simulated towns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from winnow.domain.errors import BadInput
from winnow.domain.mistakes import sentence

Count = Annotated[int, Field(ge=1)]
Tags = dict[str, tuple[str, ...]]


class AbSetting(BaseModel):
    """An A/B comparison. Equal settings and data give equal results on one kind of machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interest: tuple[str, ...] = Field(
        default=("person", "bicycle"),
        min_length=1,
        description="Classes of interest: they take turns in the committee's choice, the curator "
        "looks for them, and the result is told of them.",
    )
    pool_tags: Tags = Field(
        default={"time_of_day": ("night",)},
        description="Tag → values: what frames the labels are for. The pool of all methods.",
    )
    curation_tags: Tags = Field(
        default={}, description="What the curator looks for beside, e.g. `site: [depot]`."
    )
    reference_frames: Count = Field(default=1000, description="Labels that there are already.")
    holdout_frames: Count = Field(default=300, description="Frames of the everyday test.")
    reference_gap_seconds: float = Field(
        default=1.0, ge=0, description="Between frames of reference and holdout in a session."
    )
    batch_frames: Count = Field(
        default=300, description="Frames that each method may have labeled."
    )
    segment_frames: Count = Field(default=30, description="Length of a stretch that is curated.")
    gap_seconds: float = Field(
        default=0.4, ge=0, description="Between two frames that the committee chooses in a session."
    )
    members: Annotated[int, Field(ge=2, le=16)] = Field(
        default=3, description="Members of the committee that chooses."
    )
    n_splits: Count = Field(default=3, description="Train and test parts of each labeled set.")
    test_share: float = Field(default=0.1, gt=0, le=0.5, description="Test part of each set.")
    calibration_share: float = Field(
        default=0.1, ge=0, lt=0.5, description="Reference labels that fit the temperatures."
    )
    network: str = Field(default="grid_detection", description="Family of detection networks.")
    input_width: Count = Field(default=160, description="Pixels of the network's input.")
    input_height: Count = Field(default=96, description="Pixels of the network's input.")
    width: Count = Field(default=12, description="Channels of the network's first block.")
    epochs: Count = Field(
        default=27,
        description="Passes over its labels of each model: who has more labels trains longer, so "
        "that new ones do not crowd out the old.",
    )
    batch_size: Count = Field(default=16, description="Frames of a training step.")
    learning_rate: float = Field(default=2e-3, gt=0, description="Highest learning rate.")
    mixed_precision: bool = Field(
        default=True, description="Multiply in 16 bits where the processor does that faster."
    )
    weight_decay: float = Field(default=1e-4, ge=0, description="AdamW's weight decay.")
    size_edges: tuple[float, ...] = Field(
        default=(12.0, 24.0, 48.0),
        description="Bounds of the size bins, pixels of the root of a box's area.",
    )
    seconds_per_frame: float = Field(
        default=3.0, ge=0, description="Labeling effort: looking at a frame."
    )
    seconds_per_box: float = Field(default=7.0, ge=0, description="Labeling effort: one box.")
    draws: Count = Field(default=100, description="Bootstrap draws of an interval.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Of sessions, splits and networks.")


def read_setting(path: Path | None) -> AbSetting:
    """Read a setting from YAML; none: the defaults.

    Raises
    ------
    BadInput
        No YAML mapping, or values that cannot be; all mistakes are told.
    """
    if path is None:
        return AbSetting()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return AbSetting.model_validate({} if document is None else document)
    except (OSError, yaml.YAMLError) as error:
        msg = f"{path}: expected a YAML file, found: {error}"
        raise BadInput(msg) from error
    except ValidationError as error:
        lines = [f"\n  {sentence(one, AbSetting.model_fields)}" for one in error.errors()]
        msg = f"{path}: {error.error_count()} mistake(s):{''.join(lines)}"
        raise BadInput(msg) from error
