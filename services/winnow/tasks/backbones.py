"""Networks of torchvision and timm without their last layer; weights come from a file alone.

A network is named in a policy as `resnet18` (torchvision) or `timm/vit_small_patch14_dinov2`
(timm, DINOv2 among them), and where its weights lie as `resnet18@/models/resnet18.pth`, or
`resnet18@blob:KEY` of the object store. Nothing is ever downloaded.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from winnow.domain.errors import BadInput
from winnow.tasks.classification import normalised
from winnow.tasks.examples import Pixels
from winnow.tasks.task import NetworkConfig, OpenWeights

if TYPE_CHECKING:
    import torch

    Wanted = tuple[torch.Tensor, ...]

IMAGENET_MEAN: Final = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STD: Final = (0.229 * 255, 0.224 * 255, 0.225 * 255)
"""What the published weights of both libraries expect of pixels 0-255."""
HEADS: Final = ("fc", "classifier", "heads", "head")
"""Where both libraries keep the last layers of their classification models."""


def make_backbone(
    config: NetworkConfig, *, rng: np.random.Generator
) -> tuple[torch.nn.Module, int]:
    """Give the network that `config.argument` names, with drawn weights, and its feature width.

    Raises
    ------
    BadInput
        No such network, one that does not take frames of this size, or timm is not installed.
    """
    import torch

    name, _ = parts_of(config.argument)
    # Their constructors draw from torch's global state; it is put back as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**63)))
        network = _timm(name) if name.startswith("timm/") else _torchvision(name)
    network.eval()
    try:
        with torch.inference_mode():
            features = network(torch.zeros(1, 3, config.input_height, config.input_width))
    except (RuntimeError, ValueError, AssertionError) as error:
        size = f"{config.input_width} x {config.input_height}"
        msg = f"network {name}: expected one that takes frames of {size} pixels: {error}"
        raise BadInput(msg) from error
    return network, int(features.shape[1])


def open_path(where: str) -> BinaryIO:
    """Open weights in a file."""
    return Path(where).open("rb")


def load_backbone(
    network: torch.nn.Module, argument: str, open_weights: OpenWeights = open_path
) -> None:
    """Load the weights that follow `@`, if any do; those of the original last layer are let go.

    Raises
    ------
    BadInput
        The weights cannot be read, or are none of this network.
    """
    import torch

    name, path = parts_of(argument)
    if not path:
        return
    try:
        with open_weights(path) as file:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        msg = f"network {name}: expected its weights in {path}, found: {error.strerror or error}"
        raise BadInput(msg) from error
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        msg = f"network {name}: expected a state dict in {path}, as torch.save writes it: {error}"
        raise BadInput(msg) from error
    wanted = network.state_dict()
    kept = {key: value for key, value in state.items() if key.partition(".")[0] not in HEADS}
    wrong = [key for key in wanted.keys() ^ kept.keys() if key != "mask_token"]
    wrong += [key for key in wanted.keys() & kept.keys() if wanted[key].shape != kept[key].shape]
    if wrong:
        msg = f"network {name}: expected its weights in {path}, found others: "
        raise BadInput(msg + f"{len(wrong)} tensors differ, e.g. {min(wrong)}")
    network.load_state_dict({key: kept[key] for key in wanted})


def parts_of(argument: str) -> tuple[str, str]:
    """Give a network's name and where its weights lie, which may be empty.

    Examples
    --------
    >>> parts_of("resnet18@/models/resnet18.pth")
    ('resnet18', '/models/resnet18.pth')
    """
    name, _, path = argument.partition("@")
    return name, path


def freeze(network: torch.nn.Module) -> None:
    """Turn weights into buffers: stored with the member, moved with it, never trained."""
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach().clone())


def _torchvision(name: str) -> torch.nn.Module:
    import torch
    from torchvision.models import get_model, list_models

    known = list_models()
    if name not in known or "." in name:
        msg = "network: expected NAME or NAME@PATH, NAME a classification network of torchvision "
        raise BadInput(msg + f"(resnet18, …) or timm/NAME of timm, found {name!r}")
    network: Any = get_model(name, weights=None)
    for head in HEADS:
        if hasattr(network, head):
            setattr(network, head, torch.nn.Identity())
    return network  # type: ignore[no-any-return]


def _timm(name: str) -> torch.nn.Module:
    try:
        import timm
    except ImportError as error:
        msg = f"network {name}: expected the package timm (Apache-2.0; pip install timm), not found"
        raise BadInput(msg) from error
    make = partial(timm.create_model, name.removeprefix("timm/"), pretrained=False, num_classes=0)
    try:
        try:
            # Vision transformers: positions as published, interpolated to the frames' size.
            network: torch.nn.Module = make(dynamic_img_size=True, dynamic_img_pad=True)
        except TypeError:
            network = make()
    except (RuntimeError, AssertionError) as error:
        msg = f"network {name}: expected one that this timm has: {error}"
        raise BadInput(msg) from error
    return network


def imagenet_inputs(pixels: Pixels, config: NetworkConfig) -> torch.Tensor:
    """Centre and scale as for ImageNet, whatever the frames are: published weights expect it."""
    return normalised(pixels, replace(config, mean=IMAGENET_MEAN, std=IMAGENET_STD))


def losses_of_any(
    losses: Callable[[torch.nn.Module, torch.Tensor, Wanted], torch.Tensor],
    network: torch.nn.Module,
    inputs: torch.Tensor,
    wanted: Wanted,
) -> torch.Tensor:
    """Give each frame's loss, of a lone frame too.

    Batch normalisation has no deviation of one frame whose map is one cell; of two it has.
    """
    if len(inputs) > 1:
        return losses(network, inputs, wanted)
    twice, *wanted_twice = (one.repeat(2, *([1] * (one.dim() - 1))) for one in (inputs, *wanted))
    return losses(network, twice, tuple(wanted_twice))[:1]
