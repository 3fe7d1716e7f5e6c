"""A classifier that predicts how noisy its own logits are, frame by frame.

What is ambiguous in the frame itself becomes noise instead of disagreement between members, so
that BALD of such a committee asks less for frames that no label would settle.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from winnow.tasks.classification import Classification
from winnow.tasks.task import NetworkConfig

if TYPE_CHECKING:
    import torch

DRAWS: Final = 16
"""Noise vectors that a frame's probabilities are averaged over."""
NOISE_START: Final = -3.0
"""Before softplus: training starts with little noise (0.05) and learns where to have more."""
_KEY: Final = 0x6E6F697365  # any fixed number: the noise of predictions never changes


class HeteroscedasticClassification(Classification):
    """The small network of `classification` with a head for logits and one for their deviation.

    References
    ----------
    Kendall & Gal: What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?,
    NeurIPS 2017, arXiv 1703.04977, section 3.3 (equation 12).
    """

    name = "heteroscedastic_classification"

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make the network; its last layer gives C logits, then C deviations before softplus."""
        import torch

        twice = replace(config, class_names=(*config.class_names, *config.class_names))
        network = super().network(twice, rng=rng)
        last = list(network.modules())[-1]
        assert isinstance(last, torch.nn.Linear)
        with torch.no_grad():
            last.weight[config.n_classes :] *= 0.1
            last.bias[config.n_classes :] = NOISE_START
        return network

    def losses(
        self, network: torch.nn.Module, inputs: torch.Tensor, wanted: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Give each frame's -ln of the mean probability of its class under noise, in nats."""
        import torch

        values = network(inputs).float()
        shape = (DRAWS, len(values), values.shape[1] // 2)
        log_probs = _log_mean_probs(values, torch.randn(shape, device=values.device))
        return torch.nn.functional.nll_loss(log_probs, wanted[0], reduction="none")

    def outputs(self, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Give ln of the mean probabilities [B, C]; the noise is the same for every frame."""
        import torch

        values = network(inputs).float()
        rng = np.random.Generator(np.random.Philox(_KEY))
        noise = rng.standard_normal((DRAWS // 2, 1, values.shape[1] // 2), dtype=np.float32)
        both_ways = torch.from_numpy(np.concatenate([noise, -noise])).to(values.device)
        return _log_mean_probs(values, both_ways)


TASK = HeteroscedasticClassification()


def _log_mean_probs(values: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Give ln mean_s softmax(logits + deviation · noise_s), [B, C]."""
    import torch

    logits, raw = values.chunk(2, dim=1)
    noisy = logits + torch.nn.functional.softplus(raw) * noise
    return torch.logsumexp(torch.log_softmax(noisy, dim=2), dim=0) - math.log(len(noise))
