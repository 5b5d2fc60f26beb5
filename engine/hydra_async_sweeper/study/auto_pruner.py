"""The pruner `auto`, and what it tells the user."""

from typing import TYPE_CHECKING

from hydra_async_sweeper.study.milestones import Length, milestones
from hydra_async_sweeper.study.promotion import PromotionPruner
from hydra_async_sweeper.study.state import state_of
from hydra_async_sweeper.trial import RUNGS

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class AutoPruner(PromotionPruner):
    """Promotion at the milestones of one training, for a task that asks `should_prune`; for which sweeps: `section_of`.

    Nothing is stopped before a trial is complete, nor where the first one returned a value that it had not reported, as its
    reports may be of another kind.
    """

    def __init__(self, at_least: int = 5, milestone_factor: int = 3) -> None:
        """Set how many trials continue at least, and of how many one continues after a milestone.

        Raises:
            SweepError: they are not whole numbers, see `PromotionPruner`.
        """
        super().__init__(at_least=at_least, milestone_factor=milestone_factor)

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Return whether the trial stops at a milestone; it may be promoted later."""
        if trial.user_attrs.get(RUNGS) or not state_of(study).index(Length).returns_a_report:
            return False
        return self.stops_at_a_milestone(study, trial)

    def promotable(self, study: "Study") -> "FrozenTrial | None":
        """Return the stopped trial to promote now, if there is one."""
        return self.promotable_after_a_milestone(study)


def remark(study: "Study", number: int) -> str | None:
    """Return what to tell the user once, after a trial whose task asks `should_prune`: that trials stop, or why none does."""
    state = state_of(study)
    trial = state.trials[number]
    if trial.state.name == "PRUNED" and sum(it.state.name == "PRUNED" for it in state.trials) == 1:
        return (
            f"trial {number} stopped at step {max(trial.intermediate_values)}, and is promoted later if it is among the best; "
            "hydra/sweeper/pruner=none trains each to its end"
        )
    length = state.index(Length)
    if length.num_complete == 1 and milestones(length.reported) and not length.returns_a_report:
        return (
            f"trial {number} returned a value that it had not reported, so none is stopped early; "
            "hydra/sweeper/pruner=promotion compares the reports nevertheless"
        )
    return None
