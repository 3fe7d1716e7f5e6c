"""A classifier that says how much evidence it has: a Dirichlet distribution for each frame.

Outputs are ln alpha, so that softmax gives the expected class probabilities alpha / sum alpha and
all that holds for logits (temperature, committee) holds for them; `evidence_parts` splits the
uncertainty of one such network into what labels can teach and what they cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from winnow.acquisition.evidential import DirichletParts, dirichlet_parts
from winnow.tasks.classification import Classification
from winnow.tasks.task import NetworkConfig, Outputs

if TYPE_CHECKING:
    import torch

ANNEALING_STEPS: Final = 100
"""The penalty on wrong evidence grows over so many steps: from the first on it would leave none."""


class EvidentialClassification(Classification):
    """The small network of `classification` with an evidential head.

    References
    ----------
    Sensoy, Kaplan & Kandemir: Evidential Deep Learning to Quantify Classification Uncertainty,
    NeurIPS 2018, arXiv 1806.01768.
    """

    name = "evidential_classification"

    def network(self, config: NetworkConfig, *, rng: np.random.Generator) -> torch.nn.Module:
        """Make the network; how far it has come in training is kept beside its weights."""
        import torch

        network = super().network(config, rng=rng)
        network.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        return network

    def losses(
        self, network: torch.nn.Module, inputs: torch.Tensor, wanted: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Give each frame's expected squared error plus the penalty on evidence for wrong classes.

        Equations 5 and 6 of the paper with evidence = softplus; its epoch count is steps here.
        """
        import torch

        steps = network.get_buffer("steps")
        alpha = _alpha(network(inputs).float())
        hot = torch.nn.functional.one_hot(wanted[0], alpha.shape[1]).float()
        strength = alpha.sum(dim=1, keepdim=True)
        probs = alpha / strength
        risk = ((hot - probs) ** 2 + probs * (1 - probs) / (strength + 1)).sum(dim=1)
        share = (steps.float() / ANNEALING_STEPS).clamp(max=1.0)
        with torch.no_grad():
            steps += 1
        return risk + share * _divergence_from_ignorance(hot + (1 - hot) * alpha)

    def outputs(self, network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        """Give ln alpha [B, C]."""
        return _alpha(network(inputs).float()).log()


TASK = EvidentialClassification()


def evidence_parts(outputs: Outputs) -> DirichletParts:
    """Give the uncertainty of each frame, split by where it comes from.

    Parameters
    ----------
    outputs
        [N, C] of one evidential network, not calibrated: a temperature of the expected
        probabilities is none of the evidence.
    """
    return dirichlet_parts(np.exp(outputs.astype(np.float64)))


def _alpha(values: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.softplus(values) + 1.0


def _divergence_from_ignorance(alpha: torch.Tensor) -> torch.Tensor:
    """Give KL(Dir(alpha) ‖ Dir(1)) in nats, [B]."""
    import torch

    strength = alpha.sum(dim=1, keepdim=True)
    n_classes = torch.tensor(float(alpha.shape[1]), device=alpha.device)
    norms = torch.lgamma(strength[:, 0]) - torch.lgamma(n_classes) - torch.lgamma(alpha).sum(dim=1)
    spread = torch.digamma(alpha) - torch.digamma(strength)
    return norms + ((alpha - 1) * spread).sum(dim=1)
