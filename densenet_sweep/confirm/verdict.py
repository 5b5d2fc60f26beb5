"""The result of a confirmation: the finalists on the test set, which of them stand out, and the champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from densenet_sweep.config.metrics import METRICS
from densenet_sweep.confirm.finalists import Finalist, Finalists
from densenet_sweep.confirm.statistics import Difference, Repetitions, indistinguishable
from densenet_sweep.results.study import Study, Trial

_FEWEST_RUNS = 2


@dataclass(frozen=True, eq=False)
class Result:
    """One finalist with its runs: `trials` maps each seed to the confirmation's trial number."""

    finalist: Finalist
    runs: Repetitions
    trials: Mapping[int, int]


@dataclass(frozen=True, eq=False)
class Verdict:
    """The finalists that were trained at least twice, the best mean first.

    `behind` says how far each but the first is behind it. `equals` are the indices that are not significantly worse, with the
    first. `champion` is the index of the smallest network of these, a better mean breaking ties; None until every run has
    ended. `num_missing` runs are still to come. `failures` are reasons by the confirmation's trial number. `metric` is what
    the runs are compared by.
    """

    finalists: Finalists
    results: tuple[Result, ...]
    behind: Mapping[int, Difference]
    equals: tuple[int, ...]
    champion: int | None
    num_missing: int
    failures: Mapping[int, str]
    metric: str = "test_accuracy"


def reach(study: Study, folder: Path, finalists: Finalists) -> Verdict:
    """Return the verdict of the confirmation `study` so far.

    Args:
        study: of the confirmation.
        folder: of its sweep, where each run stores which images it got right; without these, only the accuracy counts.
        finalists: that take part.
    """
    missing = study.in_state("waiting", "running")
    failures = {trial.number: trial.reason or "" for trial in study.in_state("failed")}
    metric = study.objectives[0] if study.objectives[0] in METRICS else "test_accuracy"
    by_option: dict[str, list[Trial]] = {}
    for trial in study.complete:
        by_option.setdefault(trial.params["experiment"], []).append(trial)
    known = finalists.by_option()
    if finalists.test_fraction is not None:
        by_option = _on_common_splits(by_option)
    results = [
        _result(known[option], runs, folder, metric, finalists.test_fraction)
        for option, runs in by_option.items()
        if len(runs) >= _FEWEST_RUNS
    ]
    results.sort(key=lambda result: (-result.runs.oriented_mean, result.finalist.trial))
    if not results:
        return Verdict(finalists, (), {}, (), None, len(missing), failures, metric)
    _, behind, equals = indistinguishable([result.runs for result in results])
    champion = None
    if not missing:
        champion = min(equals, key=lambda index: (results[index].finalist.num_parameters or 0, index))
    return Verdict(finalists, tuple(results), behind, tuple(equals), champion, len(missing), failures, metric)


def _on_common_splits(by_option: Mapping[str, Sequence[Trial]]) -> dict[str, list[Trial]]:
    """Return the runs of those seeds that all configurations have, in their order: each seed has its own split."""
    seeds = set.intersection(*({trial.params["seed"] for trial in runs} for runs in by_option.values())) if by_option else set()
    return {
        option: sorted((trial for trial in runs if trial.params["seed"] in seeds), key=lambda trial: trial.params["seed"])
        for option, runs in by_option.items()
    }


def _result(finalist: Finalist, trials: Sequence[Trial], folder: Path, metric: str, test_fraction: float | None) -> Result:
    if metric != "test_accuracy" or test_fraction is not None:
        return _result_of_another(finalist, trials, metric, test_fraction)
    rights = [_is_right(folder / str(trial.number) / "artifacts" / "test_right.npy") for trial in trials]
    known = [right for right in rights if right is not None]
    num_images = trials[0].num_test
    assert num_images is not None, "a final run says how many images it was tested on"
    runs = Repetitions(
        values_S=np.array([trial.values[0] for trial in trials]),
        num_images=num_images,
        is_right_SN=np.stack(known) if len(known) == len(trials) else None,
    )
    return Result(finalist, runs, {int(trial.params["seed"]): trial.number for trial in trials})


def _result_of_another(finalist: Finalist, trials: Sequence[Trial], metric: str, test_fraction: float | None) -> Result:
    """Return the result by a metric that is not a mean over images, whose noise is the bootstrap's; or on new splits."""
    num_images = trials[0].num_test
    assert num_images is not None, "a final run says how many images it was tested on"
    runs = Repetitions(
        np.array([trial.values[0] for trial in trials]),
        num_images,
        deviations_S=np.array([trial.deviation or 0.0 for trial in trials]),
        is_maximized=METRICS[metric].direction == "maximize",
        test_fraction=test_fraction,
    )
    return Result(finalist, runs, {int(trial.params["seed"]): trial.number for trial in trials})


def _is_right(path: Path) -> np.ndarray | None:
    try:
        is_right_N: np.ndarray = np.load(path)
    except (OSError, ValueError):
        return None
    return is_right_N
