"""Analyses of a study beyond its ranking: parameter importance, what pruning saved, and how early the ranking was visible."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from hydra_async_sweeper.application import FEWEST_FOR_A_CORRELATION, RankCorrelation, rank_correlation

from densenet_sweep.counts import counted
from densenet_sweep.results import fidelity, noise, validated_on
from densenet_sweep.results.formatting import duration
from densenet_sweep.results.importance import param_importances
from densenet_sweep.results.study import Study, Trial

# With fewer complete trials, an importance means nothing.
_FEWEST_FOR_IMPORTANCE = 10


@dataclass(frozen=True)
class Saving:
    """Epochs that pruned trials trained of those planned, and the `seconds` saved, at each trial's own pace."""

    num_trained: int
    num_planned: int
    seconds: float


def importance(study: Study) -> dict[str, float]:
    """Return each parameter's share of the importance, largest first; empty if there are too few trials.

    PED-ANOVA (Watanabe et al., IJCAI 2023) over the complete trials of a single-objective study.
    """
    complete = study.complete
    if not study.has_one_objective or len(complete) < _FEWEST_FOR_IMPORTANCE or len({it.values[0] for it in complete}) == 1:
        return {}
    return param_importances(study)


def saving(study: Study) -> Saving | None:
    """Return what pruning saved, or None if nothing was pruned or the planned epochs are not known.

    A promoted trial, which another one continues, does not count as pruned.
    """
    trained = planned = 0
    seconds = 0.0
    promoted = study.successors()
    for trial in study.in_state("pruned"):
        last = trial.last_step
        if trial.number in promoted or trial.epochs is None or trial.own_seconds is None or not last:
            continue
        rungs = [rung for rung in trial.rungs if rung > trial.passed_step]
        num_trained = sum(rung for rung in rungs if rung <= last) if rungs else last
        num_planned = sum(rungs) + trial.epochs
        trained += num_trained
        planned += num_planned
        seconds += trial.own_seconds / num_trained * (num_planned - num_trained)
    return Saving(trained, planned, seconds) if planned else None


def rank_correlations(study: Study) -> dict[int, RankCorrelation]:
    """Return the rank correlation (Spearman's rho) of the complete trials' early and final values, by epoch.

    The epochs are the lengths of the trials' rungs or, without rungs, 1, 3, 9, ... before the last one. Where rho is low,
    pruning at that epoch is a lottery. Pruned trials have no final value and are left out, so rho looks too good where
    trials were pruned.
    """
    complete = [trial for trial in study.complete if trial.reports and not trial.fold_values]  # a fold is no early value
    if not study.has_one_objective or len(complete) < FEWEST_FOR_A_CORRELATION:
        return {}
    last = min(max(trial.reports) for trial in complete)
    found = {}
    for epoch in _rungs(complete) or itertools.takewhile(lambda epoch: epoch < last, (3**power for power in itertools.count())):
        pairs = [(trial.reports[epoch], trial.values[0]) for trial in complete if epoch in trial.reports]
        correlation = rank_correlation([early for early, _ in pairs], [final for _, final in pairs])
        if correlation is not None:
            found[epoch] = correlation
    return found


def sentences(study: Study) -> list[str]:
    """Return all analyses as sentences."""
    found = noise.estimate(study)
    lines = [] if found is None else [noise.sentence(found)]
    if other_images := validated_on.searched(study):
        names = " and ".join(other_images)
        lines.append(
            f"The trials were validated on different images, as {names} was searched: their accuracies do not compare."
        )
    early = fidelity.early(study)
    for when, judged in [("", study), *([] if early is None else [(f" {early.words}", early.study)])]:
        if shares := importance(judged):
            named = ", ".join(f"{name.rpartition('.')[2]} {share:.2f}" for name, share in shares.items())
            trials = counted(len(judged.complete), "trial" if when else "complete trial")
            lines.append(f"Importance{when} (PED-ANOVA, {trials}): {named}.")
    saved = saving(study)
    if saved is not None:
        lines.append(
            f"Pruned trials trained {saved.num_trained:,} of {counted(saved.num_planned, study.step)}, "
            f"which saved about {duration(saved.seconds, in_words=True)}."
        )
    correlations = rank_correlations(study)
    if correlations:
        time = "rung" if _rungs(study.complete) else "epoch"
        named = ", ".join(f"{found} after {time} {epoch}" for epoch, found in correlations.items())
        lines.append(f"Rank correlation of complete trials with their end (Spearman): {named}.")
    return lines


def _rungs(trials: Sequence[Trial]) -> list[int]:
    return sorted({rung for trial in trials for rung in trial.rungs})
