"""The order in which the trials of a study ended, without comparing clocks of several hosts."""

from typing import TYPE_CHECKING

from hydra_async_sweeper.trial import FINISHED_BEFORE

if TYPE_CHECKING:
    import optuna

# Sorts finished trials by their ends.
End = tuple[int, float, int]


def by_end(trial: "optuna.trial.FrozenTrial") -> End:
    """Return the key that sorts finished trials by their ends.

    A trial that ended after another had ended counted it, so it has a higher `FINISHED_BEFORE`. Those without one are of an
    older version and come first, by their hosts' clocks.
    """
    before = trial.user_attrs.get(FINISHED_BEFORE)
    if before is not None:
        return 1, before, trial.number
    end = trial.datetime_complete or trial.datetime_start
    return 0, 0.0 if end is None else end.timestamp(), trial.number
