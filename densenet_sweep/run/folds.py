"""A run over the folds of its images: what each fold's training is given, and where its result is reported.

To the trial, a fold is a step; epochs are only logged. A fold's weights are those of no model: they are deleted with its folder
when it ends.
"""

import logging
import math
import shutil
import statistics
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

from hydra_async_sweeper import NUM_STEPS, SECONDS, Trial, TrialLost, TrialPruned
from hydra_async_sweeper.application import NullTrial

from densenet_sweep.config.metrics import DEVIATION
from densenet_sweep.run import of_classes
from densenet_sweep.run.artifacts import CHECKPOINT, PREVIOUS_CHECKPOINT
from densenet_sweep.run.folder import written
from densenet_sweep.run.of_classes import Row
from densenet_sweep.run.recording import RUN_ID, Job
from densenet_sweep.tracking.record import Record, State

log = logging.getLogger("densenet_sweep")

# A trial's annotation: the first objective's values of its folds so far, in order.
FOLD_VALUES = "fold_values"

# What follows an objective's name in the name of its standard error over the folds.
STANDARD_ERROR = "_se"

# What the training of a fold may say of the whole trial.
_OF_THE_TRIAL = (SECONDS, RUN_ID, "num_parameters")


class OpenRecord(Protocol):
    """Opens the record of a run."""

    def __call__(self, job: Job, num_parameters: int) -> AbstractContextManager[Record]:
        """Return a context of the record of `job`, whose network has so many parameters."""
        ...


@dataclass(frozen=True)
class Fold:
    """Where the training of one network is kept and reported; `number` counts from 1, `label` begins its log lines."""

    number: int
    job: Job
    trial: Trial
    open_record: OpenRecord
    label: str = ""


class FoldedRun:
    """A run over folds in progress.

    Attributes:
        results: the metrics of the folds that have ended, those of earlier starts included.
    """

    def __init__(
        self,
        trial: Trial,
        job: Job,
        open_record: OpenRecord,
        *,
        num_folds: int,
        num_images: int,
        objectives: Sequence[str],
        last: Mapping[str, Any],
        same: Mapping[str, Any],
        config: str,
    ) -> None:
        """Take the parts of the run.

        Args:
            trial: of a sweep, or of a single run.
            job: of the run.
            open_record: of the run.
            num_folds: of the images.
            num_images: in all folds together.
            objectives: the metrics that the run is judged by; the trial reports the first.
            last: the checkpoint of an earlier start, or nothing.
            same: what a continued run must keep; see `resume.must_stay`.
            config: the text of `config.yaml`.
        """
        self.results: list[dict[str, float]] = list(last.get("folds", []))
        # The table of the classes of each fold; None where an earlier start has not kept it.
        self._tables: list[Sequence[Row] | None] = list(last.get("classes_of_folds", [None] * len(self.results)))
        self._trial = trial
        self._job = job
        self._open_record = open_record
        self._num_folds = num_folds
        self._num_images = num_images
        self._objectives = objectives
        self._same = same
        self._config = config
        self._record: Record | None = None
        self._stack = ExitStack()

    def train(self, train_fold: Callable[[Fold], Mapping[str, float]]) -> dict[str, float]:
        """Call `train_fold`, which returns metrics, for each fold that has not ended yet; return the mean of each metric.

        The training time adds up. At the end the record is closed with the outcome.

        Raises:
            OSError: the folder cannot be written.
            TrialPruned: the sweep prunes the trial.
            TrialLost, KeyboardInterrupt: it ends here for another reason.
        """
        artifacts = self._job.output_dir / "artifacts"
        artifacts.mkdir(parents=True, exist_ok=True)
        (artifacts / "config.yaml").write_text(self._config, encoding="utf-8")
        with self._stack:
            self._begin()
            for number in range(len(self.results) + 1, self._num_folds + 1):
                self._report(self._trained(number, train_fold))
        return means(self.results)

    def _trained(self, number: int, train_fold: Callable[[Fold], Mapping[str, float]]) -> Mapping[str, float]:
        """Train a fold; if it fails in a sweep, which does not continue the trial, delete its folder."""
        self._trial.check_lease()
        seconds = self.results[-1]["total_seconds"] if self.results else 0.0
        job = replace(self._job, output_dir=self._folder(number))
        trial = _FoldTrial(self._trial, seconds)
        try:
            metrics = train_fold(Fold(number, job, trial, partial(self._opened, number), f"fold {number}/{self._num_folds} "))
        except TrialLost:
            raise
        except Exception:
            if self._trial.number is not None:
                self._remove(number)
            raise
        self._tables.append(trial.classes)
        return metrics

    def _report(self, metrics: Mapping[str, float]) -> None:
        """Keep, record and report the metrics of the fold that has ended, and delete its folder.

        Raises:
            TrialPruned: the sweep prunes the trial.
            TrialLost, KeyboardInterrupt: it ends here for another reason.
        """
        assert self._record is not None, "a fold's training opens it"
        self._trial.check_lease()
        self.results.append({name: value for name, value in metrics.items() if name != "epoch"})
        number, reported = len(self.results), self._objectives[0]
        if self._keep():  # otherwise its own checkpoint has the result
            self._remove(number)
        self._record_means(number)
        prefix = "" if self._trial.number is None else f"trial {self._trial.number} "
        value, mean = metrics[reported], means(self.results)[reported]
        log.info("%sfold %d/%d  %s %.4f, mean so far %.4f", prefix, number, self._num_folds, reported, value, mean)
        self._report_fold(number)
        if number < self._num_folds and self._trial.should_prune():
            raise TrialPruned(f"after fold {number} of {self._num_folds}")

    def _begin(self) -> None:
        """Report again what an earlier start may not have reported, and open its record if nothing is left to train."""
        if self.results:
            log.info("continuing after fold %d of %d", len(self.results), self._num_folds)
        self._trial.restart(len(self.results))
        for number in range(1, len(self.results) + 1):
            self._report_fold(number)
        self._trial.annotate(NUM_STEPS, self._num_folds)
        self._trial.annotate("num_valid", self._num_images)
        if len(self.results) == self._num_folds:
            self._open(int(self.results[0]["num_parameters"]))

    def _report_fold(self, number: int) -> None:
        """Report one fold to the trial, and the values of all up to it."""
        values = [result[self._objectives[0]] for result in self.results[:number]]
        self._trial.annotate(FOLD_VALUES, values)
        self._trial.annotate(SECONDS, self.results[number - 1]["total_seconds"])
        self._trial.report(values[-1], step=number)

    def _open(self, num_parameters: int) -> Record:
        if self._record is None:
            self._record = self._stack.enter_context(self._open_record(self._job, num_parameters))
            self._keep()  # the next start finds the MLflow run
            for number in range(1, len(self.results) + 1):  # the record skips those it has
                self._record_means(number)
        return self._record

    def _record_means(self, number: int) -> None:
        """Record the means over the folds up to this one, and the objective's standard error."""
        assert self._record is not None, "the first fold's training opens it"
        results, reported = self.results[:number], self._objectives[0]
        errors = {f"{reported}{STANDARD_ERROR}": _standard_error(results, reported)} if number > 1 else {}
        table = self._mean_table(number)
        self._record.epoch({**means(results), **errors, **of_classes.metrics("valid", table)}, step=number)
        if table:
            self._trial.annotate(of_classes.CLASSES, table)

    def _mean_table(self, number: int) -> list[Row]:
        """Return the means of the tables of the folds up to this one; empty if one is missing, as with very many classes."""
        tables = [table for table in self._tables[:number] if table]
        return of_classes.means(tables) if len(tables) == number else []

    @contextmanager
    def _opened(self, number: int, job: Job, num_parameters: int) -> Iterator[Record]:
        """Yield the record of a fold: its part of the run's, which stays open; the fold's tags are those of the run."""
        if self._record is None:
            self._job = replace(job, output_dir=self._job.output_dir)
        yield _FoldRecord(self._open(num_parameters), number)

    def _keep(self) -> bool:
        """Write the checkpoint of the whole run, and return whether that succeeded."""
        path = self._job.output_dir / CHECKPOINT
        run_id = None if self._record is None else self._record.run_id
        tables = [None if table is None else [dict(row) for row in table] for table in self._tables]
        state = {**self._same, "run_id": run_id, "folds": self.results, "classes_of_folds": tables}
        return written(path, state, previous=path.with_name(PREVIOUS_CHECKPOINT))

    def _folder(self, number: int) -> Path:
        return self._job.output_dir / f"fold-{number}"

    def _remove(self, number: int) -> None:
        shutil.rmtree(self._folder(number), ignore_errors=True)


class _FoldTrial(NullTrial):
    """The trial as the training of a fold sees it: it can be lost or interrupted, and is neither judged nor reported to."""

    def __init__(self, trial: Trial, seconds: float) -> None:
        """`seconds` is the time that the folds before took."""
        self.number = trial.number
        self.study_name, self.study_id = trial.study_name, trial.study_id
        self.log_scaled = trial.log_scaled
        self.searched = trial.searched
        self.annotations = trial.annotations
        self.passed_seconds = seconds
        self.classes: Sequence[Row] | None = None
        self._trial = trial

    def check_lease(self) -> None:
        """See `Trial`."""
        self._trial.check_lease()

    def check_interruption(self) -> None:
        """See `Trial`."""
        self._trial.check_interruption()

    def report(self, value: float, step: int) -> None:  # noqa: ARG002 - the trial's steps are folds
        """Report no epoch; end here if the user asked to stop."""
        self._trial.check_interruption()

    def annotate(self, key: str, value: object, *, is_copied: bool = True) -> None:
        """Store what holds for the whole trial."""
        if key == of_classes.CLASSES:
            self.classes = cast("Sequence[Row]", value)
        if key in _OF_THE_TRIAL:
            self._trial.annotate(key, value, is_copied=is_copied)


class _FoldRecord:
    """The epochs of a fold in the record of its run, under names such as `fold_1_valid_accuracy`."""

    last_step = 0

    def __init__(self, record: Record, number: int) -> None:
        self._record = record
        self._number = number

    @property
    def run_id(self) -> str | None:
        """The run's id."""
        return self._record.run_id

    def epoch(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record the losses, the accuracies and the like of an epoch; costs are those of the whole run, classes its means."""
        wanted = {
            f"fold_{self._number}_{name}": value
            for name, value in metrics.items()
            if name.startswith(("valid_", "train_")) and not name.endswith(DEVIATION) and "/" not in name
        }
        self._record.epoch(wanted, step=step)

    def artifacts(self, folder: Path, *, without: Collection[str] = ()) -> None:
        """Store nothing: the run does."""

    def finish(self, state: State, reason: str | None) -> None:
        """Do nothing: the run stays open."""


def means(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each metric over the folds; of their seconds, which add up, the last."""
    names = [name for name in results[0] if all(name in result for result in results)]
    found = {name: math.fsum(result[name] for result in results) / len(results) for name in names}
    return {**found, "total_seconds": results[-1]["total_seconds"]}


def _standard_error(results: Sequence[Mapping[str, float]], name: str) -> float:
    return statistics.stdev(result[name] for result in results) / math.sqrt(len(results))
