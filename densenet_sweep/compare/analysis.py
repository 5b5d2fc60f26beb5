"""What the trials of a study say beyond their ranking: what mattered, what pruning saved, how early one could have known."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from densenet_sweep.compare import noise
from densenet_sweep.sweep.trial import NUM_STEPS, RUNGS, SECONDS, passed_step, promoted_numbers

if TYPE_CHECKING:
    import optuna

# Below so many complete trials an importance, or a correlation, means nothing.
_FEWEST_FOR_IMPORTANCE = 10
_FEWEST_FOR_A_CORRELATION = 5


@dataclass(frozen=True)
class Saving:
    """What pruned trials did not train: `seconds` at each one's own pace."""

    num_trained: int
    num_planned: int
    seconds: float


def importance(study: "optuna.Study") -> dict[str, float]:
    """Return each parameter's share in what makes a trial good, the largest first; nothing where trials are too few.

    By PED-ANOVA (Watanabe et al., IJCAI 2023), over the complete trials, for a single objective.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    complete = _complete(study)
    if len(study.directions) > 1 or len(complete) < _FEWEST_FOR_IMPORTANCE or len({trial.values[0] for trial in complete}) == 1:
        return {}
    try:
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError):  # no parameter that all trials have, or none that varied
        return {}


def saving(study: "optuna.Study") -> Saving | None:
    """Return what pruning saved, or None where nothing was pruned or the planned epochs are not known.

    A trial from which another went on was not given up.
    """
    trained = planned = 0
    seconds = 0.0
    trials = study.get_trials(deepcopy=False)
    promoted = promoted_numbers(trials)
    for trial in trials:
        num_steps, spent = trial.user_attrs.get(NUM_STEPS), trial.user_attrs.get(SECONDS)
        last = max(trial.intermediate_values, default=0)
        is_given_up = trial.state.name == "PRUNED" and trial.number not in promoted
        if not is_given_up or num_steps is None or spent is None or last == 0:
            continue
        rungs = [rung for rung in trial.user_attrs.get(RUNGS, []) if rung > passed_step(trial)]
        num_trained = sum(rung for rung in rungs if rung <= last) if rungs else last
        num_planned = sum(rungs) + int(num_steps)
        trained += num_trained
        planned += num_planned
        seconds += float(spent) / num_trained * (num_planned - num_trained)
    return Saving(trained, planned, seconds) if planned else None


def rank_correlations(study: "optuna.Study") -> dict[int, float]:
    """Return how the order of the complete trials at an early time agrees with that at the end (Spearman's rho), by epochs.

    After each of their rungs, trainings of so many epochs; without these after epochs 1, 3, 9, ... before the last one.
    Where it is low, pruning at that epoch is a lottery. Pruned trials have no end and are left out, so what was pruned on is
    flattered.
    """
    from scipy.stats import spearmanr

    complete = [trial for trial in _complete(study) if trial.intermediate_values]
    if len(study.directions) > 1 or len(complete) < _FEWEST_FOR_A_CORRELATION:
        return {}
    last = min(max(trial.intermediate_values) for trial in complete)
    found = {}
    for epoch in _rungs(complete) or itertools.takewhile(lambda epoch: epoch < last, (3**power for power in itertools.count())):
        pairs = [
            (trial.intermediate_values[epoch], trial.values[0]) for trial in complete if epoch in trial.intermediate_values
        ]
        early, final = zip(*pairs, strict=True) if pairs else ((), ())
        if len(pairs) >= _FEWEST_FOR_A_CORRELATION and len(set(early)) > 1 and len(set(final)) > 1:
            found[epoch] = float(spearmanr(early, final).statistic)
    return found


def sentences(study: "optuna.Study") -> list[str]:
    """Return all of it as lines to be read."""
    found = noise.of(study)
    lines = [] if found is None else [noise.sentence(found)]
    shares = importance(study)
    if shares:
        named = ", ".join(f"{name.rpartition('.')[2]} {share:.2f}" for name, share in shares.items())
        lines.append(f"Importance (PED-ANOVA, {len(_complete(study))} complete trials): {named}.")
    saved = saving(study)
    if saved is not None:
        lines.append(
            f"Pruned trials trained {saved.num_trained} of {saved.num_planned} epochs, "
            f"which saved about {_duration(saved.seconds)}."
        )
    correlations = rank_correlations(study)
    if correlations:
        time = "rung" if _rungs(_complete(study)) else "epoch"
        named = ", ".join(f"{rho:.2f} after {time} {epoch}" for epoch, rho in correlations.items())
        lines.append(f"Rank correlation of complete trials with their end (Spearman): {named}.")
    return lines


def _complete(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]


def _rungs(trials: "Sequence[optuna.trial.FrozenTrial]") -> list[int]:
    return sorted({rung for trial in trials for rung in trial.user_attrs.get(RUNGS, [])})


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
