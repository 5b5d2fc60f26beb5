"""The complete trials of a study in order: which are the best."""

import bisect
from typing import TYPE_CHECKING

from hydra_async_sweeper.best_config import REPEATS
from hydra_async_sweeper.study.candidates import is_candidate
from hydra_async_sweeper.study.enqueue import is_own
from hydra_async_sweeper.study.state import state_of

if TYPE_CHECKING:
    import optuna


def best_first(study: "optuna.Study") -> list[int]:
    """Return the numbers of the complete trials, best first, without those copied from another study.

    A study whose trials are repetitions has no best.

    With several objectives the Pareto front comes first; within it, and after it, the first objective decides the order.
    """
    if study.user_attrs.get(REPEATS):
        return []
    directions = tuple(direction.name for direction in study.directions)
    return state_of(study).index(Ranks, directions).best_first()


def best_trial(study: "optuna.Study") -> "optuna.trial.FrozenTrial | None":
    """Return the best trial, with those copied from another study; the earlier one on a tie.

    None with several objectives, for repetitions, or while no trial is complete within its constraints.
    """
    if len(study.directions) > 1 or study.user_attrs.get(REPEATS):
        return None
    state = state_of(study)
    number = state.index(Ranks, (study.direction.name,)).best
    return None if number is None else state.trials[number]


class Ranks:
    """The complete trials in order: an index.

    Attributes:
        best: the number of the trial that is best in the first objective, of those within their constraints.
    """

    def __init__(self, directions: tuple[str, ...]) -> None:
        self.best: int | None = None
        self._signs = [-1 if direction == "MAXIMIZE" else 1 for direction in directions]
        self._best_loss = float("inf")
        # By the losses of trials that no other one dominates: their numbers. Those of another study count, too.
        self._front: dict[tuple[float, ...], list[int]] = {}
        # The study's own trials by the first loss and their number.
        self._on_front: list[tuple[float, int]] = []
        self._behind: list[tuple[float, int]] = []

    def best_first(self) -> list[int]:
        """Return the numbers of the study's own trials, best first."""
        return [number for _, number in (*self._on_front, *self._behind)]

    def update(self, trial: "optuna.trial.FrozenTrial") -> None:
        """Take in a trial; see `Index`."""
        if trial.state.name != "COMPLETE":
            return
        losses = tuple(sign * value for sign, value in zip(self._signs, trial.values, strict=True))
        is_allowed = is_candidate(trial)
        if is_allowed and (self.best is None or (losses[0], trial.number) < (self._best_loss, self.best)):
            self.best, self._best_loss = trial.number, losses[0]
        is_on_front = len(losses) > 1 and is_allowed and self._joins_front(losses, trial.number)
        if is_own(trial):
            bisect.insort(self._on_front if is_on_front else self._behind, (losses[0], trial.number))

    def _joins_front(self, losses: tuple[float, ...], number: int) -> bool:
        """Return whether no other trial dominates this one; those that it dominates leave the front."""
        if losses not in self._front:
            if any(_dominates(other, losses) for other in self._front):
                return False
            for other in [it for it in self._front if _dominates(losses, it)]:
                for left in self._front.pop(other):
                    self._move_behind((other[0], left))
        self._front.setdefault(losses, []).append(number)
        return True

    def _move_behind(self, entry: tuple[float, int]) -> None:
        place = bisect.bisect_left(self._on_front, entry)
        if self._on_front[place : place + 1] == [entry]:  # it is the study's own
            del self._on_front[place]
            bisect.insort(self._behind, entry)


def _dominates(losses: tuple[float, ...], others: tuple[float, ...]) -> bool:
    return losses != others and all(loss <= other for loss, other in zip(losses, others, strict=True))
