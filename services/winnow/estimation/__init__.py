"""What labels of which some were chosen and some were drawn say about the whole pool.

`inclusion_of_choices` gives the probability with which a frame comes into a batch; where a
strategy draws with unequal probabilities nobody knows it, and it is left open. `horvitz_thompson`
and `hajek` rest on the random arm, with the certain picks standing for themselves;
`lure_weights` and `lure_mean` rest on the draws of a stochastic strategy, where each has a known
probability and every frame a chance; `horvitz_thompson_rate` rests on inspections that were drawn
one by one. `inclusion_weights` and `united_weights` make a training loss that of the pool.
"""

from winnow.estimation.horvitz_thompson import Estimate, Sample, hajek, horvitz_thompson
from winnow.estimation.inclusion import inclusion_of_choices
from winnow.estimation.inclusion_weighting import inclusion_weights
from winnow.estimation.lure import (
    effective_sample_size,
    lure_mean,
    lure_weights,
    training_weights,
    united_weights,
)
from winnow.estimation.poisson_sampling import horvitz_thompson_rate

__all__ = [
    "Estimate",
    "Sample",
    "effective_sample_size",
    "hajek",
    "horvitz_thompson",
    "horvitz_thompson_rate",
    "inclusion_of_choices",
    "inclusion_weights",
    "lure_mean",
    "lure_weights",
    "training_weights",
    "united_weights",
]
