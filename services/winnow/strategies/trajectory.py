"""Whole sessions first, then the best frames of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from winnow.kernels.farthest_first import FarthestFirst
from winnow.kernels.groups import Codes, alone_if_unknown, groups_of
from winnow.kernels.protocol import DistanceKernel
from winnow.kernels.segment_sums import segment_sums
from winnow.strategies.columns import sessions_of
from winnow.strategies.descending import Descending
from winnow.strategies.feasible import Feasible
from winnow.strategies.protocol import (
    Candidates,
    Constraint,
    Flags,
    Floats,
    Floor,
    Inclusion,
    Input,
    Pick,
    Positions,
    Ranks,
    Rows,
    centers_of,
    check,
    embeddings_of,
    scores_of,
)
from winnow.strategies.turns import in_turn


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Takes the best frames of sessions that are worth much and lie far apart.

    A session is worth the mean score of its best `top_share` frames. The `shortlist_factor` times
    as many sessions as a batch needs are visited farthest first (greedy k-center on the means of
    their embeddings, with labeled frames as centers; ties, and the first visit of all, go to the
    session worth more). Each visit takes the `frames_per_session` best frames that may come. When
    the shortlist is used up, the next one follows; when all sessions are, they are visited again,
    one frame a visit.

    A frame of unknown session (empty text) is a session of its own. Costs N log N, D additions for
    each frame of a shortlisted session, and the traversal of S sessions (`FarthestFirst`); memory
    a few numbers a frame and S·D.
    """

    frames_per_session: Annotated[
        int, Field(ge=1, description="Frames that one visit of a session takes.")
    ] = 10
    top_share: Annotated[
        float, Field(gt=0.0, le=1.0, description="Part of a session's frames that its worth is of.")
    ] = 1.0
    shortlist_factor: Annotated[
        float, Field(ge=1.0, description="Sessions among which are chosen those of a batch.")
    ] = 5.0
    kernel: DistanceKernel | None = None
    name: ClassVar[str] = "trajectory"
    needs: ClassVar[frozenset[Input]] = frozenset({"scores", "embeddings", "sessions"})
    inclusion: ClassVar[Inclusion] = "certain"

    def choose(
        self,
        candidates: Candidates,
        n: int,
        *,
        seed: int,
        constraints: Sequence[Constraint] = (),
        floors: Sequence[Floor] = (),
    ) -> list[Pick]:
        """See `Strategy.choose`; the utility is the frame's score."""
        rank_N = check(candidates, n, self.needs)
        sessions = _Sessions.of(candidates, rank_N, self.top_share)
        feasible, picks = Feasible(len(candidates), constraints, n, floors), list[Pick]()
        if n == 0:
            return picks
        n_sessions = math.ceil(self.shortlist_factor * math.ceil(n / self.frames_per_session))
        visited: list[int] = []
        for session, told in self._visits(candidates, sessions, feasible, n_sessions):
            visited.append(session)
            room = min(self.frames_per_session, n - len(picks))
            for pos in islice(sessions.open_frames(session, feasible), room):
                picks.append(_pick(candidates, pos, told))
                feasible.take(pos)
            if len(picks) == n:
                return picks
        rest = np.setdiff1d(np.arange(len(sessions)), visited)
        rest = rest[np.lexsort((sessions.rank_S[rest], -sessions.worth_S[rest]))]
        again = in_turn([*visited, *rest.tolist()], sessions.frames, feasible)
        known = set(visited)
        for session, pos in islice(again, n - len(picks)):
            told = "visited again" if session in known else "held back before"
            picks.append(_pick(candidates, pos, f"{sessions.told(session)}, {told}"))
            feasible.take(pos)
        return picks

    def passed_over(self, candidates: Candidates, picks: Sequence[Pick], n: int) -> Sequence[str]:
        """See `Strategy.passed_over`."""
        sessions_N = sessions_of(candidates)
        chosen_N = np.isin(sessions_N, sessions_N[[pick.pos for pick in picks]])
        best, other = "not among the best of its session", "its session was not chosen"
        return [best if chosen else other for chosen in chosen_N.tolist()]

    def _visits(
        self, candidates: Candidates, sessions: _Sessions, feasible: Feasible, n_sessions: int
    ) -> Iterator[tuple[int, str]]:
        """Give each session once, shortlist after shortlist, and what to tell of it."""
        order_S = Descending(sessions.worth_S, sessions.rank_S)
        visited: list[Rows] = [centers_of(candidates)]
        for start in range(0, len(sessions), max(1, n_sessions)):
            shortlist = order_S.head(start + n_sessions)[start:]
            means_KD = sessions.means(shortlist, embeddings_of(candidates))
            traversal = FarthestFirst(
                means_KD, np.concatenate(visited), np.arange(len(shortlist)), kernel=self.kernel
            )
            waiting_K = np.ones(len(shortlist), dtype=np.bool_)
            while waiting_K.any():
                row, squared = traversal.farthest(waiting_K)
                session = int(shortlist[row])
                waiting_K[row] = False
                if not feasible.open_N[sessions.frames(session)].any():
                    waiting_K &= sessions.have_open(feasible.open_N)[shortlist]
                    continue
                traversal.add(row)
                visited.append(means_KD[row : row + 1])
                yield session, f"{sessions.told(session)}{_distance(squared)}"


@dataclass(frozen=True, slots=True)
class _Sessions:
    """S sessions of the pool."""

    candidates: Candidates
    frame_rank_N: Ranks
    order_N: Positions
    """Frames by session, in each by falling score."""
    start_S1: Positions
    worth_S: Floats
    rank_S: Ranks
    """Smallest rank of a session's frames: decides ties."""

    @classmethod
    def of(cls, candidates: Candidates, rank_N: Ranks, top_share: float) -> _Sessions:
        """Group the frames; N log N."""
        groups = alone_if_unknown(groups_of(sessions_of(candidates)))
        code_N, scores_N = groups.code_N, scores_of(candidates)
        order_N = np.lexsort((rank_N, -scores_N, code_N))
        size_S = groups.sizes()
        start_S1 = np.concatenate([[0], np.cumsum(size_S)]).astype(np.intp)
        rank_S = np.full(len(groups), len(code_N))
        np.minimum.at(rank_S, code_N, rank_N)
        # 30 · 0.1 is a little more than 3.
        top_S = np.maximum(np.ceil(size_S * top_share - 1e-9), 1).astype(np.intp)
        place_N = np.arange(len(order_N)) - np.repeat(start_S1[:-1], size_S)
        best = order_N[place_N < np.repeat(top_S, size_S)]
        sum_S = segment_sums(lambda pos: scores_N[pos, None], best, top_S, 1)[:, 0]
        return cls(candidates, rank_N, order_N, start_S1, sum_S / top_S, rank_S)

    def __len__(self) -> int:
        """Give S."""
        return len(self.worth_S)

    def frames(self, session: int) -> Positions:
        """Give a session's frames by falling score."""
        return self.order_N[self.start_S1[session] : self.start_S1[session + 1]]

    def open_frames(self, session: int, feasible: Feasible) -> Iterator[int]:
        """Give a session's frames that may come, the best first; one is taken before the next."""
        for pos in self.frames(session).tolist():
            if feasible.open_N[pos]:
                yield pos

    def have_open(self, open_N: Flags) -> Flags:
        """Give [S] which sessions have a frame that may come; costs N."""
        flags_S: Flags = np.logical_or.reduceat(open_N[self.order_N], self.start_S1[:-1])
        return flags_S

    def means(self, sessions: Codes, rows_ND: Rows) -> Rows:
        """Give the mean embedding of some sessions, the same whatever else is in the pool."""
        size_K = self.start_S1[sessions + 1] - self.start_S1[sessions]
        place = np.repeat(np.arange(len(sessions)), size_K)
        positions = np.concatenate([self.frames(session) for session in sessions.tolist()])
        order = positions[np.lexsort((self.frame_rank_N[positions], place))]
        sums_KD = segment_sums(rows_ND.__getitem__, order, size_K, rows_ND.shape[1])
        means_KD: Rows = (sums_KD / size_K[:, None]).astype(np.float32)
        return means_KD

    def told(self, session: int) -> str:
        """Say what a session is worth."""
        name = sessions_of(self.candidates)[self.order_N[self.start_S1[session]]]
        return f"session {name or 'unknown'}: mean {self.worth_S[session]:.3g}"


def _distance(squared: float) -> str:
    if math.isinf(squared):
        return ", first session, nothing is labeled yet"
    return f", {math.sqrt(squared):.2f} away from all labeled frames and chosen sessions"


def _pick(candidates: Candidates, pos: int, told: str) -> Pick:
    score = float(scores_of(candidates)[pos])
    return Pick(pos, score, f"{told}; {candidates.tell_score(score)}")
