"""Acquisition functions: predictions → worth of a label, frame by frame.

All of them are pure and need NumPy alone. What they give is float64, finite, larger = label
sooner, element *i* for frame *i*, and has the same bits on every machine. Permuting the frames
permutes the scores bit by bit; permuting members or classes changes no more than rounding.

From class probabilities of a committee, `probs_NMC` [frames, members, classes]. A member is a
model, or one pass of Monte-Carlo dropout: with dropout, M is the number of passes.

    entropy, least_confidence, margin       the mean prediction is undecided
    bald, kl_to_consensus                   members disagree (one quantity, two ways)
    variation_ratio, vote_entropy           members vote for different classes
    epig                                    what a label tells about target frames
    expected_gradient_length                how far a label moves the last layer
    information_density, density_of         scores weighted by how typical the frame is
    sim_versus_real                         a real frame and its simulated view differ

From other predictions:

    predictive_variance                     regression, members' predictions
    variance_parts, heteroscedastic_variance  … that tell their own variance
    dirichlet_parts, evidential_epistemic, vacuity  evidential classification
    aggregate_boxes, unsure_boxes           detected boxes → frames
    map_mutual_information, stream_map_mutual_information  a committee's probability maps
    cell_mutual_information                 the same cell by cell, to look at

Lists, tensors and numbers of any width are taken as arrays. What other libraries hold otherwise:

    one model's [frames, classes]           `probs[:, None]`
    scikit-activeml, members first          `np.moveaxis(probs, 0, 1)`
    baal, passes last                       `np.moveaxis(probs, -1, 1)`
    batchbald_redux, logarithms             `np.exp(log_probs)`
    votes [frames, members]                 `np.eye(n_classes)[votes]`, for scores that count votes
    margins and confidences, small first    `1 - margin(probs)`, `1 - least_confidence(probs)`
    entropy as a share of the largest       `entropy(probs) / np.log(n_classes)`

From scores to decisions:

    Trigger, modalities_asked               `lidar_entropy > 0.8 and rgb_entropy < 0.5`
    normalised, weighted_sum, largest_normalised  several tasks on one scale
    cascade, Stage                          detect, then classify, then pose

>>> import numpy as np
>>> from winnow.acquisition import bald, entropy
>>> committee = np.array([[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])
>>> bald(committee).round(4).tolist(), entropy(committee).round(4).tolist()
([0.1538], [0.9334])
"""

from winnow.acquisition.bald import bald
from winnow.acquisition.boxes import aggregate_boxes, unsure_boxes
from winnow.acquisition.cascade import CascadeScores, Stage, cascade
from winnow.acquisition.entropy import entropy
from winnow.acquisition.epig import epig
from winnow.acquisition.evidential import (
    DirichletParts,
    dirichlet_parts,
    evidential_epistemic,
    vacuity,
)
from winnow.acquisition.expected_gradient_length import expected_gradient_length
from winnow.acquisition.information_density import density_of, information_density
from winnow.acquisition.kl_to_consensus import kl_to_consensus
from winnow.acquisition.least_confidence import least_confidence
from winnow.acquisition.map_information import (
    cell_mutual_information,
    map_mutual_information,
    stream_map_mutual_information,
)
from winnow.acquisition.margin import margin
from winnow.acquisition.normalised import largest_normalised, normalised, weighted_sum
from winnow.acquisition.registry import (
    ACQUISITIONS,
    ACQUISITIONS_WITH_MORE,
    Acquisition,
    acquisition_names,
    acquisition_of,
    score_of,
)
from winnow.acquisition.regression import (
    VarianceParts,
    heteroscedastic_variance,
    predictive_variance,
    variance_parts,
)
from winnow.acquisition.sim_versus_real import sim_versus_real
from winnow.acquisition.triggers import ModalitiesAsked, Trigger, modalities_asked
from winnow.acquisition.variation_ratio import variation_ratio
from winnow.acquisition.vote_entropy import vote_entropy

__all__ = [
    "ACQUISITIONS",
    "ACQUISITIONS_WITH_MORE",
    "Acquisition",
    "CascadeScores",
    "DirichletParts",
    "ModalitiesAsked",
    "Stage",
    "Trigger",
    "VarianceParts",
    "acquisition_names",
    "acquisition_of",
    "aggregate_boxes",
    "bald",
    "cascade",
    "cell_mutual_information",
    "density_of",
    "dirichlet_parts",
    "entropy",
    "epig",
    "evidential_epistemic",
    "expected_gradient_length",
    "heteroscedastic_variance",
    "information_density",
    "kl_to_consensus",
    "largest_normalised",
    "least_confidence",
    "map_mutual_information",
    "margin",
    "modalities_asked",
    "normalised",
    "predictive_variance",
    "score_of",
    "sim_versus_real",
    "stream_map_mutual_information",
    "unsure_boxes",
    "vacuity",
    "variance_parts",
    "variation_ratio",
    "vote_entropy",
    "weighted_sum",
]
