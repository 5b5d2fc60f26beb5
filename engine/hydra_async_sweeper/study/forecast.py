"""What a sweep would cost, before it begins: its trials and steps, from a simulation of its pruner in memory.

Values are random, so the numbers are those of a typical sweep. A trial keeps its value over its steps: a pruner that compares
trials at a step then stops those that it would stop for good.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.optuna_private import id_of, storage_of
from hydra_async_sweeper.study import build
from hydra_async_sweeper.trial import NUM_STEPS, PROMOTED, RUNGS

if TYPE_CHECKING:
    import optuna

    from hydra_async_sweeper.space.search_space import Space

_NUM_EXAMPLES = 5
_NUM_SIMULATIONS = 3


@dataclass(frozen=True)
class Forecast:
    """Finished trials of a sweep by how they end, and the steps that all of them train, those of rungs included."""

    num_complete: float
    num_stopped: float
    num_steps: float


def examples(space: "Space", enqueued: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return random configurations of the space, or the enqueued ones if nothing is searched."""
    import optuna

    if not space.parameters:
        return list(enqueued[:_NUM_EXAMPLES])
    with _quiet():
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        return [space.suggest_conditional(study.ask(space.distributions())) for _ in range(_NUM_EXAMPLES)]


def foresee(
    pruner: Mapping[str, Any], *, n_trials: int, num_enqueued: int, num_objectives: int, num_steps: int, rungs: Sequence[int]
) -> Forecast:
    """Return the forecast of a sweep of `n_trials` finished trials.

    Args:
        pruner: the section `hydra.sweeper.pruner`.
        n_trials: that are to be finished.
        num_enqueued: of them are named by the user.
        num_objectives: with several, no trial is judged.
        num_steps: of a whole training.
        rungs: steps of each short training before it.
    """
    from optuna.pruners import NopPruner

    if num_objectives > 1 or isinstance(build.pruner(pruner, num_objectives), NopPruner):
        return Forecast(n_trials, 0, n_trials * num_steps)
    found = [_simulated(pruner, seed, n_trials, num_enqueued, num_steps, rungs) for seed in range(_NUM_SIMULATIONS)]
    complete, stopped, steps = (sum(values) / len(found) for values in zip(*found, strict=True))
    return Forecast(complete, stopped, steps)


def _simulated(
    section: Mapping[str, Any], seed: int, n_trials: int, num_enqueued: int, num_steps: int, rungs: Sequence[int]
) -> tuple[int, int, int]:
    """Return the complete trials, the stopped ones and all steps of a simulated sweep."""
    import optuna

    from hydra_async_sweeper.study.promotion import PromotionPruner, promote

    pruner = build.pruner(section, 1)
    steps = 0
    states: list[bool] = []
    with _quiet():
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed), pruner=pruner)
        for number in range(min(num_enqueued, n_trials)):
            study.enqueue_trial({"value": 1 / (number + 2)})
        while len(states) < n_trials:
            if isinstance(pruner, PromotionPruner):
                pruner.num_left = n_trials - len(states)
                promote(study, pruner)
            trial = study.ask({"value": optuna.distributions.FloatDistribution(0, 1)})
            is_stopped, trained = _trained(study, trial, num_steps, [rung for rung in rungs if rung < num_steps])
            steps += trained
            states.append(is_stopped)
            state = optuna.trial.TrialState.PRUNED if is_stopped else optuna.trial.TrialState.COMPLETE
            study.tell(trial, None if is_stopped else trial.params["value"], state=state)
    return states.count(False), states.count(True), steps


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing studies and trials."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _trained(study: "optuna.Study", trial: "optuna.Trial", num_steps: int, rungs: Sequence[int]) -> tuple[bool, int]:
    """Train one trial as a task does, and return whether it was stopped, and how many steps it trained."""
    known = storage_of(study).get_trial(id_of(trial))
    trial.set_user_attr(NUM_STEPS, num_steps)
    if rungs:
        trial.set_user_attr(RUNGS, list(rungs))
    passed = known.user_attrs.get(PROMOTED, {}).get("step", 0) if rungs else 0
    trained, value = 0, trial.params["value"]
    for rung in (rung for rung in rungs if rung > passed):
        trained += rung
        trial.report(value, rung)
        if trial.should_prune():
            return True, trained
    for step in range(1, num_steps + 1):
        trained += 1
        if step not in rungs and step not in known.intermediate_values:
            trial.report(value, step)
        if not rungs and step < num_steps and trial.should_prune():
            return True, trained
    return False, trained
