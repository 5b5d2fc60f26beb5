"""The complete trials of a study in order: which are the best."""

from typing import TYPE_CHECKING

from hydra_async_sweeper.best_config import REPEATS
from hydra_async_sweeper.study.enqueue import WARM_START

if TYPE_CHECKING:
    import optuna


def best_first(study: "optuna.Study") -> list[int]:
    """Return the numbers of the complete trials, best first, without those copied from another study.

    A study whose trials are repetitions has no best.

    With several objectives the Pareto front comes first; within it, and after it, the first objective decides the order.
    """
    if study.user_attrs.get(REPEATS):
        return []
    from optuna.trial import TrialState

    sign = -1 if study.directions[0].name == "MAXIMIZE" else 1
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    front = {trial.number for trial in study.best_trials} if len(study.directions) > 1 and trials else set()
    own = [trial for trial in trials if WARM_START not in trial.user_attrs]
    return [
        trial.number
        for trial in sorted(own, key=lambda trial: (trial.number not in front, sign * trial.values[0], trial.number))
    ]
