"""The pruner `auto`, what the sampler beside it gets, and its remark to the user."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.study.milestones import Length, milestones
from hydra_async_sweeper.study.promotion import PromotionPruner
from hydra_async_sweeper.study.pruners import check_whole
from hydra_async_sweeper.study.state import state_of
from hydra_async_sweeper.trial import RUNGS

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class AutoPruner(PromotionPruner):
    """Promotion at the milestones of one training, for a task that asks `should_prune`; for which sweeps: `section_of`.

    Nothing is stopped before a trial is complete, nor where the first one returned a value that it had not reported, as its
    reports may be of another kind.

    Most of TPE's ten random trials are short here, so it would model its first choices on little. Evidence for 20
    (benchmarks/LOG.md): on LCBench's development tasks, with four workers, the regret after ten trainings is 0.69 (0.59 to
    0.78) of TPE's without a pruner, with ten 0.75; the worst decile is below random search's, with ten only within the noise.

    Attributes:
        num_random: the sampler's `n_startup_trials` counts complete trials alone until so many are finished.
    """

    def __init__(self, at_least: int = 5, milestone_factor: int = 3, num_random: int = 20) -> None:
        """Set how many trials continue at least, and of how many one continues after a milestone.

        Args:
            at_least: how many trials continue at least.
            milestone_factor: of so many trials that reach a milestone one continues.
            num_random: the sampler's `n_startup_trials` counts complete trials alone until so many are finished.

        Raises:
            SweepError: they are not whole numbers, see `PromotionPruner`, or `num_random` not one of at least 0.
        """
        super().__init__(at_least=at_least, milestone_factor=milestone_factor)
        check_whole("num_random", num_random, 0)
        self.num_random = num_random

    def prune(self, study: "Study", trial: "FrozenTrial") -> bool:
        """Return whether the trial stops at a milestone; it may be promoted later."""
        if trial.user_attrs.get(RUNGS) or not state_of(study).index(Length).returns_a_report:
            return False
        return self.stops_at_a_milestone(study, trial)

    def promotable(self, study: "Study") -> "FrozenTrial | None":
        """Return the stopped trial to promote now, if there is one."""
        return self.promotable_after_a_milestone(study)


def sampler_section(study: "Study", section: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section of the next trial's sampler beside the study's pruner; see `AutoPruner.num_random`."""
    named = section.get("n_startup_trials")
    if named is None or not isinstance(study.pruner, AutoPruner):
        return dict(section)
    num_stopped = state_of(study).index(Length).num_stopped
    return {**section, "n_startup_trials": max(named, min(named + num_stopped, study.pruner.num_random))}


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
