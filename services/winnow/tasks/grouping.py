"""Networks of one shape as one: convolutions with a group for each, or torch's `vmap`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from winnow.tasks.task import Task

if TYPE_CHECKING:
    import torch
    from torch import nn


def grouped_network(
    task: Task, networks: Sequence[torch.nn.Module]
) -> Callable[[torch.Tensor], Sequence[torch.Tensor]] | None:
    """Give a call that computes networks as one with M times the channels.

    Only for plain sequences of layers that keep channels apart; others are not even tried.

    Returns
    -------
    callable or None
        Inputs [B, ...] -> outputs [M][B, ...], as `task.outputs` gives them.
    """
    from torch import nn

    layers = [list(net) for net in networks if type(net) is nn.Sequential]
    if len(layers) != len(networks) or not isinstance(layers[0][0], nn.Conv2d):
        return None
    joined = [_joined(same, first=pos == 0) for pos, same in enumerate(zip(*layers, strict=True))]
    if any(layer is None for layer in joined):
        return None
    n_members = len(networks)

    def given(values: torch.Tensor) -> nn.Module:
        """Give a network that has answered already: the task turns it into outputs."""
        return cast(nn.Module, lambda _: values)

    def call(inputs: torch.Tensor) -> Sequence[torch.Tensor]:
        values = inputs
        for layer in joined:
            values = layer(values)  # type: ignore[misc]
        return [task.outputs(given(values[m]), inputs) for m in range(n_members)]

    return call if isinstance(layers[0][-1], nn.Linear) else None


def stacked_call(
    task: Task, networks: Sequence[torch.nn.Module]
) -> Callable[[torch.Tensor], Sequence[torch.Tensor]] | None:
    """Give a call that computes networks through `torch.func.vmap` over their weights."""
    import torch
    from torch.func import functional_call, vmap

    states = [dict(net.state_dict()) for net in networks]
    stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}

    def one(state: dict[str, torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
        return task.outputs(
            lambda values: functional_call(networks[0], state, (values,)),  # type: ignore[arg-type]
            inputs,
        )

    together = vmap(one, in_dims=(0, None))
    return lambda inputs: list(together(stacked, inputs))


def _joined(
    layers: tuple[nn.Module, ...], *, first: bool
) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """Give one layer that does what these do, each on its own channels."""
    import torch
    from torch import nn

    kind = layers[0]
    if isinstance(kind, nn.Conv2d):
        return _convolution(layers, first=first)
    if isinstance(kind, nn.BatchNorm2d):
        weight, bias, mean, var = (
            torch.cat([getattr(layer, name).detach() for layer in layers])
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        return lambda values: nn.functional.batch_norm(
            values, mean, var, weight, bias, eps=kind.eps
        )
    if isinstance(kind, nn.Linear):
        return _linear(layers)
    if isinstance(kind, nn.Flatten):
        n_members = len(layers)
        return lambda values: values.reshape(len(values), n_members, -1).transpose(0, 1)
    if isinstance(kind, nn.ReLU | nn.MaxPool2d | nn.AdaptiveAvgPool2d | nn.Dropout | nn.Identity):
        return kind
    return None


def _convolution(
    layers: tuple[nn.Module, ...], *, first: bool
) -> Callable[[torch.Tensor], torch.Tensor] | None:
    import torch
    from torch import nn

    kind = layers[0]
    assert isinstance(kind, nn.Conv2d)
    if kind.groups != 1 or kind.padding_mode != "zeros":
        return None
    weight = torch.cat([layer.weight.detach() for layer in layers])  # type: ignore[operator]
    weight = weight.contiguous(memory_format=torch.channels_last)
    bias = None if kind.bias is None else torch.cat([layer.bias.detach() for layer in layers])  # type: ignore[operator]
    # All members see the same frames: their first convolutions are one with more outputs.
    groups = 1 if first else len(layers)
    return lambda values: nn.functional.conv2d(
        values, weight, bias, kind.stride, kind.padding, kind.dilation, groups
    )


def _linear(layers: tuple[nn.Module, ...]) -> Callable[[torch.Tensor], torch.Tensor] | None:
    from torch import nn

    def call(values: torch.Tensor) -> torch.Tensor:
        import torch

        each = zip(values, layers, strict=True)
        return torch.stack([layer(rows) for rows, layer in each])

    return call if isinstance(layers[0], nn.Linear) else None
