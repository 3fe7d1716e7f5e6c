"""When to stop labeling, how large the next batch is, and what labels were worth.

A rule is a small frozen object: `rule.decide(progress)` gives a `Verdict` with the numbers that it
decided on. `Progress` holds what the closed rounds measured; what a rule lacks makes it say "not
measurable: …", never stop.

=====================  ========================================================================
rule                   stops
=====================  ========================================================================
`RoundsMax`            after a number of rounds
`LabelsMax`            after a number of labels
`AccuracyTarget`       at a holdout accuracy
`Plateau`              when the best of the last k rounds is no gain on the best before
`GainBelow`            when a round brings less than a floor
`GainForecast`         when the next round is not expected to bring enough
`Knee`                 when the learning curve's knee lies some rounds back
`PredictionStability`  when successive committees predict the same for a stop set
`WeightStability`      when the committee's weights hardly move
`MeanUncertainty`      when the committee is certain
`BudgetLeft`           when the money left buys no useful batch
`ReturnOnLabels`       below a gain for each 100 labels, if one is set; reports it anyway
`BreakEvenRule`        when choosing no longer pays against labeling everything
`ClassPlateau`         never; advises to collect classes whose recall is stuck
=====================  ========================================================================

The maths behind them are plain functions: `cohen_kappa`, `l2_change`, `mean_normalised_entropy`,
`knee_of`, `next_gain_forecast`, `gain_per_100_labels`, `break_even`, `class_trends`,
`worst_slices`. `AdaptiveBatchSize` and `rescore_needed` decide the size of the next batch and
whether scores are too old to choose by.

Examples
--------
>>> so_far = Progress(4, (0.6, 0.8, 0.801, 0.8), n_labels=(100, 200, 300, 400))
>>> verdict = Plateau(n_rounds=2, gain_min=0.01).decide(so_far)
>>> verdict.stop, verdict.reason
(True, 'gain +0.0010 over 2 rounds, expected 0.0100')
"""

from winnow.stopping.batch_size import AdaptiveBatchSize, BatchSize, gain_share, size_at
from winnow.stopping.classes import (
    ClassPlateau,
    ClassTrend,
    class_trends,
    recall_upper,
    worst_slices,
)
from winnow.stopping.forecast import Forecast, GainForecast, next_gain_forecast
from winnow.stopping.gains import Gain, SeedNoise, gains_of
from winnow.stopping.knee import Knee, KneePoint, knee_of
from winnow.stopping.limits import AccuracyTarget, LabelsMax, MeanUncertainty, RoundsMax
from winnow.stopping.money import BreakEven, BreakEvenRule, BudgetLeft, Costs, break_even
from winnow.stopping.plateau import GainBelow, Plateau
from winnow.stopping.progress import ClassRecall, Progress, SliceRecall
from winnow.stopping.rescoring import Rescore, rescore_needed, score_age
from winnow.stopping.returns import Return, ReturnOnLabels, gain_per_100_labels
from winnow.stopping.stability import (
    PredictionStability,
    WeightStability,
    cohen_kappa,
    l2_change,
    mean_normalised_entropy,
)
from winnow.stopping.verdict import Advice, StoppingRule, Verdict, advice_of, first_to_stop

__all__ = [
    "AccuracyTarget",
    "AdaptiveBatchSize",
    "Advice",
    "BatchSize",
    "BreakEven",
    "BreakEvenRule",
    "BudgetLeft",
    "ClassPlateau",
    "ClassRecall",
    "ClassTrend",
    "Costs",
    "Forecast",
    "Gain",
    "GainBelow",
    "GainForecast",
    "Knee",
    "KneePoint",
    "LabelsMax",
    "MeanUncertainty",
    "Plateau",
    "PredictionStability",
    "Progress",
    "Rescore",
    "Return",
    "ReturnOnLabels",
    "RoundsMax",
    "SeedNoise",
    "SliceRecall",
    "StoppingRule",
    "Verdict",
    "WeightStability",
    "advice_of",
    "break_even",
    "class_trends",
    "cohen_kappa",
    "first_to_stop",
    "gain_per_100_labels",
    "gain_share",
    "gains_of",
    "knee_of",
    "l2_change",
    "mean_normalised_entropy",
    "next_gain_forecast",
    "recall_upper",
    "rescore_needed",
    "score_age",
    "size_at",
    "worst_slices",
]
