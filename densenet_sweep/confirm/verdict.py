"""The result of a confirmation: the finalists on the test set, which of them stand out, and the champion."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from densenet_sweep.config.metrics import METRICS
from densenet_sweep.confirm import pairs
from densenet_sweep.confirm.finalists import Finalist, Finalists
from densenet_sweep.confirm.pairs import Comparison, Pair
from densenet_sweep.confirm.statistics import Repetitions
from densenet_sweep.results.study import Study, Trial
from densenet_sweep.run.artifacts import TEST_RESAMPLED, TEST_RIGHT

_FEWEST_RUNS = 2


@dataclass(frozen=True, eq=False)
class Result:
    """One finalist with its runs: `trials` maps each seed to the confirmation's trial number.

    `nums_tested` are the numbers of images that its runs were tested on: one, unless these have changed.
    """

    finalist: Finalist
    runs: Repetitions
    trials: Mapping[int, int]
    nums_tested: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Verdict:
    """The finalists that were trained at least twice, the best mean first, those that are significantly worse last.

    `pairs` compares each with each other, by the numbers of their trials. `equals` are the indices that are not significantly
    worse than another, with the first. `champion` is the index of the smallest network of these, a better mean breaking ties;
    None until every run has ended. `num_missing` runs are still to come. `failures` are reasons by the confirmation's trial
    number. `metric` is what the runs are compared by. `remark` says what the comparison lacks.
    """

    finalists: Finalists
    results: tuple[Result, ...]
    pairs: tuple[Pair, ...]
    equals: tuple[int, ...]
    champion: int | None
    num_missing: int
    failures: Mapping[int, str]
    metric: str = "test_accuracy"
    remark: str = ""

    @property
    def behind(self) -> dict[int, Pair]:
        """How the first is compared with each index that is behind it."""
        indices = {result.finalist.trial: index for index, result in enumerate(self.results)}
        return {indices[pair.other]: pair for pair in self.pairs if indices[pair.better] == 0}


def reach(study: Study, folder: Path, finalists: Finalists) -> Verdict:
    """Return the verdict of the confirmation `study` so far.

    Args:
        study: of the confirmation.
        folder: of its sweep, where each run stores which images it got right, and its values on resamples of them; without
            these, only the accuracy counts.
        finalists: that take part.
    """
    results, compared = _compared(study, folder, finalists)
    results.sort(key=lambda it: (it.finalist.trial in compared.worse, -it.runs.oriented_mean, it.finalist.trial))
    equals = tuple(index for index, result in enumerate(results) if result.finalist.trial not in compared.worse)
    num_missing = len(study.in_state("waiting", "running")) or len(_not_begun(study, finalists, compared))
    champion = None
    if equals and not num_missing:
        champion = min(equals, key=lambda index: (results[index].finalist.num_parameters or 0, index))
    failures = {trial.number: trial.reason or "" for trial in study.in_state("failed")}
    return Verdict(
        finalists, tuple(results), compared.pairs, equals, champion, num_missing, failures, _metric(study),
        remark=_remark(results) if finalists.test_fraction is None else "",
    )  # fmt: skip


def wanted(study: Study, folder: Path, finalists: Finalists) -> list[tuple[str, int]]:
    """Return the runs (option and seed) to be added to a confirmation that has ended all it began; none if it is decided.

    There are none, either, where all runs were planned from the start.
    """
    return _not_begun(study, finalists, _compared(study, folder, finalists)[1])


def _remark(results: Sequence[Result]) -> str:
    """Return a sentence on runs of other test images, which a confirmation of an earlier version may have; else nothing."""
    numbers = sorted({number for result in results for number in result.nums_tested})
    if len(numbers) < 2:
        return ""
    return (
        f"The runs were tested on different images, between {numbers[0]:,} and {numbers[-1]:,} of them, so not all are "
        "compared image by image; another hydra.sweeper.study_name confirms on one test set."
    )


def _metric(study: Study) -> str:
    return study.objectives[0] if study.objectives[0] in METRICS else "test_accuracy"


def _compared(study: Study, folder: Path, finalists: Finalists) -> tuple[list[Result], Comparison]:
    """Return the finalists with at least two runs, and how they compare."""
    by_option: dict[str, list[Trial]] = {}
    for trial in sorted(study.complete, key=lambda trial: int(trial.params["seed"])):
        by_option.setdefault(trial.params["experiment"], []).append(trial)
    known = finalists.by_option()
    if finalists.test_fraction is not None and not finalists.planned:
        by_option = _on_common_splits(by_option)
    results = [
        _result(known[option], trials, folder, _metric(study), finalists.test_fraction)
        for option, trials in by_option.items()
        if len(trials) >= _FEWEST_RUNS
    ]
    runs = {result.finalist.trial: result.runs for result in results}
    if not finalists.planned:
        return results, pairs.compare(runs)
    ended: dict[int, set[int]] = {known[trial.params["experiment"]].trial: set() for trial in study.begun}
    for trial in study.in_state("complete", "failed"):
        ended[known[trial.params["experiment"]].trial].add(int(trial.params["seed"]))
    return results, pairs.compare(runs, pairs.looks(finalists.planned), ended)


def _not_begun(study: Study, finalists: Finalists, compared: Comparison) -> list[tuple[str, int]]:
    options = {finalist.trial: finalist.option for finalist in finalists.trials}
    known = {(trial.params["experiment"], int(trial.params["seed"])) for trial in study.begun}
    return [(options[trial], seed) for trial, seed in compared.wanted if (options[trial], seed) not in known]


def _on_common_splits(by_option: Mapping[str, Sequence[Trial]]) -> dict[str, list[Trial]]:
    """Return the runs of those seeds that all configurations have: each seed has its own split."""
    seeds = set.intersection(*({trial.params["seed"] for trial in runs} for runs in by_option.values())) if by_option else set()
    return {option: [trial for trial in runs if trial.params["seed"] in seeds] for option, runs in by_option.items()}


def _result(finalist: Finalist, trials: Sequence[Trial], folder: Path, metric: str, test_fraction: float | None) -> Result:
    num_images = trials[0].num_test
    assert num_images is not None, "a final run says how many images it was tested on"
    artifacts = [trial.folder_in(folder) / "artifacts" for trial in trials]
    # An accuracy has a deviation of its own only of images in groups, as the binomial one then does not hold.
    has_deviation = metric != "test_accuracy" or any(trial.deviation is not None for trial in trials)
    resampled = _stacked(artifacts, _resampled) if has_deviation else None
    is_compared_by_images = not has_deviation and test_fraction is None
    runs = Repetitions(
        values_S=np.array([trial.values[0] for trial in trials]),
        num_images=num_images,
        is_right_SN=_stacked(artifacts, lambda path: np.load(path / TEST_RIGHT)) if is_compared_by_images else None,
        deviations_S=np.array([trial.deviation or 0.0 for trial in trials]) if has_deviation else None,
        is_maximized=METRICS[metric].direction == "maximize",
        test_fraction=test_fraction,
        values_SR=None if resampled is None else resampled[:, 1:],
        num_drawn=0 if resampled is None else int(resampled[0, 0]),
        seeds=tuple(int(trial.params["seed"]) for trial in trials),
    )
    nums_tested = frozenset(trial.num_test for trial in trials if trial.num_test is not None)
    return Result(finalist, runs, {int(trial.params["seed"]): trial.number for trial in trials}, nums_tested)


def _resampled(artifacts: Path) -> np.ndarray:
    """Return the number of drawn images or groups, and the values on the resamples."""
    with np.load(artifacts / TEST_RESAMPLED) as kept:
        return np.append(kept["num_drawn"], kept["values_R"])


def _stacked(artifacts: Sequence[Path], load: Callable[[Path], np.ndarray]) -> np.ndarray | None:
    """Return what each run has left, or None if one has left nothing, or another size."""
    try:
        return np.stack([load(path) for path in artifacts])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
