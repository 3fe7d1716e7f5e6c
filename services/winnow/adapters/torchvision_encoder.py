"""A torchvision network without its classifier, with weights from a file; nothing is downloaded."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HEADS = ("fc", "classifier", "heads", "head")
"""Where torchvision's classification models keep their last layer."""


class TorchvisionEncoder:
    """Penultimate features of a torchvision classification model.

    Parameters
    ----------
    model
        Name in `torchvision.models`, e.g. `resnet18`.
    weights
        Bytes of a state dict as `torch.save` writes it; loaded with `weights_only`.
    side_pixels
        Frames are resized to this square.
    device
        `cpu`, `cuda` or `cuda:N`.

    Raises
    ------
    BadInput
        Unknown model, or weights of another one; the text says which.
    """

    def __init__(
        self, model: str, weights: bytes, *, side_pixels: int = 224, device: str = "cpu"
    ) -> None:
        self._side, self._device = side_pixels, device
        digest = hashlib.sha256(weights).hexdigest()[:12]
        self._version = f"torchvision/{model}/{side_pixels}/{digest}"
        self._network = _network(model, weights).to(device)
        self._dimension = self.encode([np.zeros((8, 8, 3), dtype=np.uint8)]).shape[1]

    @property
    def version(self) -> str:
        """Model, input size and digest of the weights."""
        return self._version

    @property
    def dimension(self) -> int:
        """Length of each vector."""
        return self._dimension

    def encode(self, frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Give `embeddings_ND` of RGB frames; see `winnow.ports.encoder.Encoder`."""
        import torch

        if not frames:
            return np.empty((0, self._dimension), dtype=np.float32)
        batch = torch.stack([_resized(frame, self._side) for frame in frames]).to(self._device)
        with torch.inference_mode():
            features: npt.NDArray[np.float32] = self._network(batch).float().cpu().numpy()
        return features


def _network(model: str, weights: bytes) -> torch.nn.Module:
    import pickle

    import torch
    from torchvision.models import get_model, list_models

    if model not in list_models():
        msg = f"encoder: expected the name of a torchvision model, found {model!r}"
        raise BadInput(msg)
    network: torch.nn.Module = get_model(model, weights=None)
    try:
        state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (RuntimeError, pickle.UnpicklingError, TypeError, EOFError) as error:
        msg = f"encoder: expected the weights of {model}, found: {error}"
        raise BadInput(msg) from error
    return _headless(network).eval()


def _headless(network: torch.nn.Module) -> torch.nn.Module:
    import torch

    for head in HEADS:
        if hasattr(network, head):
            setattr(network, head, torch.nn.Identity())
    return network


def _resized(frame: npt.NDArray[np.uint8], side: int) -> torch.Tensor:
    import torch
    from torch.nn.functional import interpolate

    pixels = torch.from_numpy(frame.copy()).permute(2, 0, 1).float().div(255)
    small = interpolate(pixels[None], (side, side), mode="bilinear", antialias=True)[0]
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    scaled: torch.Tensor = (small - mean) / std
    return scaled
