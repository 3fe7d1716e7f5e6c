"""What embedding must be told."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from winnow.constraints.gates import GateThresholds
from winnow.runtime.settings import ServiceSettings
from winnow.tasks.decode import PIXELS_MAX

DEFAULT_THRESHOLDS = GateThresholds()


class EmbeddingSettings(ServiceSettings):
    """Read from `WINNOW_EMBEDDING_*`; every mistake is reported at once."""

    model_config = SettingsConfigDict(
        env_prefix="WINNOW_EMBEDDING_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    encoder: str = Field(
        default="pixel",
        pattern="^(pixel|torchvision:[a-z0-9_]+)$",
        description="`pixel` needs no download; `torchvision:resnet18` needs weights.",
    )
    encoder_weights: str = Field(
        default="", description="Path of a state dict, or its reference in the object store (JSON)."
    )
    encoder_side_pixels: int = Field(
        default=224, ge=16, le=1024, description="Frames are resized to this square (torchvision)."
    )
    encoder_device: str = Field(default="cpu", description="`cpu`, `cuda` or `cuda:N`.")
    frames_per_call: int = Field(
        default=16, ge=1, description="Decoded frames in memory and in one call of the encoder."
    )
    pixels_max: int = Field(
        default=PIXELS_MAX, ge=1, description="Largest width x height that is decoded."
    )
    side_pixels_min: int = Field(
        default=DEFAULT_THRESHOLDS.side_pixels_min, ge=1, description="Gate `tiny`."
    )
    luma_p99_min: float = Field(
        default=DEFAULT_THRESHOLDS.luma_p99_min,
        ge=0,
        le=255,
        description="Gate `dark`: the brightest hundredth of the pixels lies below this.",
    )
    sharpness_min: float = Field(
        default=DEFAULT_THRESHOLDS.sharpness_min,
        ge=0,
        description="Gate `blurred`: variance of the Laplacian at up to 256 pixels a side.",
    )
    calibration_required: bool = Field(
        default=True, description="Gate `calibration_missing` blocks frames without calibration."
    )

    @model_validator(mode="after")
    def _weights_are_named(self) -> EmbeddingSettings:
        if self.encoder != "pixel" and not self.encoder_weights:
            msg = f"encoder {self.encoder}: encoder_weights must name a file or a reference"
            raise ValueError(msg)
        return self

    @property
    def thresholds(self) -> GateThresholds:
        """Thresholds of the gates."""
        return GateThresholds(
            side_pixels_min=self.side_pixels_min,
            luma_p99_min=self.luma_p99_min,
            sharpness_min=self.sharpness_min,
            calibration_required=self.calibration_required,
        )
