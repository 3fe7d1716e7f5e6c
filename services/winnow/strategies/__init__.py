"""Query strategies: which frames, in which order, and why.

`Candidates` holds what is known of N frames; a strategy's `choose` gives the batch as picks in
order, each with a utility and a reason. The same inputs give the same picks in any order, with any
number of threads and on any machine; ties go to the smaller frame id. Constraints and floors
(`winnow.constraints`) are asked at every pick, so that a batch is full whenever it can be.

    Random, TopK                            a simple random sample; the highest scores
    Power, Softmax, Rank                    drawn by score, each draw with its probability
    KCenter, ShortlistKCenter               far from all labeled and chosen frames
    Badge, Bait, BatchBALD                  what a label changes in the model, for a whole batch
    Herding                                 doubt covered, from the first label to the last
    Hybrid, CostBenefit                     score and diversity in one sum; score for its money
    KMeans, ClusterMargin                   one of each cluster; clusters in turn by uncertainty
    TypiClust, ProbCover, FacilityLocation  typical frames, covered neighbours, what stands for all
    GreedyDPP                               the largest volume
    RoundRobin, Trajectory, Coverage        classes in turn, whole sessions, cells of a domain
    Mining                                  like known failures

`strategy_of` gives them by name, as a policy does, and `options_of` their typed options.

>>> import numpy as np
>>> from winnow.constraints import AtMost
>>> from winnow.strategies import Candidates, TopK
>>> pool = Candidates(np.array(["a", "b", "c"]), scores_N=np.array([0.9, 0.8, 0.1]))
>>> one_a_session = AtMost(np.array(["s1", "s1", "s2"]), 1, "session")
>>> [pick.pos for pick in TopK().choose(pool, 2, seed=0, constraints=[one_a_session])]
[0, 2]
"""

from winnow.strategies.badge import Badge
from winnow.strategies.bait import Bait
from winnow.strategies.batchbald import BatchBALD
from winnow.strategies.cluster_margin import ClusterMargin
from winnow.strategies.cluster_representatives import KMeans
from winnow.strategies.cost_benefit import CostBenefit
from winnow.strategies.coverage import Coverage
from winnow.strategies.dpp import GreedyDPP
from winnow.strategies.facility_location import FacilityLocation
from winnow.strategies.feasible import Feasible, open_in_order
from winnow.strategies.herding import Herding
from winnow.strategies.hybrid import Hybrid
from winnow.strategies.k_center import KCenter, ShortlistKCenter
from winnow.strategies.mining import Mining
from winnow.strategies.probcover import ProbCover
from winnow.strategies.protocol import Candidates, Constraint, Floor, Pick, Strategy
from winnow.strategies.registry import options_of, strategy_names, strategy_of
from winnow.strategies.round_robin import RoundRobin
from winnow.strategies.simple_random import Random
from winnow.strategies.stochastic import Power, Rank, Softmax
from winnow.strategies.top_k import TopK
from winnow.strategies.trajectory import Trajectory
from winnow.strategies.typiclust import TypiClust

__all__ = [
    "Badge",
    "Bait",
    "BatchBALD",
    "Candidates",
    "ClusterMargin",
    "Constraint",
    "CostBenefit",
    "Coverage",
    "FacilityLocation",
    "Feasible",
    "Floor",
    "GreedyDPP",
    "Herding",
    "Hybrid",
    "KCenter",
    "KMeans",
    "Mining",
    "Pick",
    "Power",
    "ProbCover",
    "Random",
    "Rank",
    "RoundRobin",
    "ShortlistKCenter",
    "Softmax",
    "Strategy",
    "TopK",
    "Trajectory",
    "TypiClust",
    "open_in_order",
    "options_of",
    "strategy_names",
    "strategy_of",
]
