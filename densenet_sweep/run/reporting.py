"""A training run in progress: reports each rung and epoch to its record, its folder and its trial."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from hydra_async_sweeper import AT_RUNGS, NUM_STEPS, RUNG_SECONDS, RUNGS, SECONDS, Trial, TrialPruned

from densenet_sweep.config.metrics import DEVIATION, OF_OUTPUTS, best_epoch
from densenet_sweep.counts import counted
from densenet_sweep.run import bootstrap, of_classes, thresholds
from densenet_sweep.run.epoch_metrics import line_of, metrics_of, of_split
from densenet_sweep.run.folder import RunFolder
from densenet_sweep.run.recording import RUN_ID
from densenet_sweep.tracking.record import Record
from densenet_sweep.training.evaluation import Evaluation
from densenet_sweep.training.fit import Epoch

# A trial's annotation: the uncertainty of its first objective from the number of images, where the outputs give it.
UNCERTAINTY = "uncertainty"

log = logging.getLogger("densenet_sweep")


class TrainingRun:
    """What has been trained so far, and where it is reported: the record, the folder to continue from and the trial.

    Attributes:
        rungs: epochs of each short training before this one, by which a sweep judges the trial; without those that the trial
            that this one was promoted from has passed.
        history: the metrics of all epochs so far, earlier starts included, with their number as "epoch".
    """

    def __init__(
        self,
        trial: Trial,
        record: Record,
        folder: RunFolder,
        *,
        epochs: int,
        rungs: Sequence[int],
        reported: str,
        max_seconds: float | None,
        costs: Mapping[str, int],
        last: Mapping[str, Any],
        part: str = "",
        valid_groups_N: np.ndarray | None = None,
    ) -> None:
        """Take the parts of the run.

        Args:
            trial: of a sweep, or of a single run.
            record: of the run.
            folder: of the run.
            epochs: of the training.
            rungs: epochs of each short training before it.
            reported: the metric that the trial is judged by and that selects the best epoch.
            max_seconds: after which the training ends early.
            costs: of the network; see `cost_limits.costs`.
            last: the checkpoint of an earlier start, or nothing.
            part: the part of the run, as log lines name it.
            valid_groups_N: the group of each validation image; see `Images`.
        """
        self.history: list[dict[str, float]] = list(last.get("history", []))
        self._judged: list[dict[str, float]] = list(last.get("rungs", []))
        self._all_rungs = [rung for rung in rungs if rung < epochs] if trial.is_judged else []
        self.rungs = [] if self.history else [rung for rung in self._all_rungs if rung not in trial.passed]
        self._epochs = epochs
        self._max_seconds = max_seconds
        self._trial = trial
        self._record = record
        self._folder = folder
        self._reported = reported
        self._valid_groups_N = valid_groups_N
        self._costs = costs
        self._prefix = ("" if trial.number is None else f"trial {trial.number} ") + part
        self._annotated_run: str | None = None
        # An earlier process recorded that the trial stops after this rung, and died. An epoch is recorded only once it is kept.
        self._last_rung = record.last_step if self._judged and not self.history else 0

    def begin(self) -> None:
        """Annotate the trial, and report again what an earlier start may not have reported.

        Raises:
            TrialLost, KeyboardInterrupt: the run ends here.
        """
        if self.history:
            log.info("%scontinuing after epoch %d of %d", self._prefix, len(self.history), self._epochs)
        else:  # the next start finds the MLflow run even if this one dies in its first epoch
            self._folder.keep(self._judged, self.history, self._record.run_id)
        # Reports of an earlier training that this one does not continue must not stay beside its metrics.
        self._trial.restart(max(len(self.history), self._record.last_step))
        for past in (*self._judged, *self.history):
            self._trial.report(past[self._reported], step=int(past["epoch"]))
        for past in self.history:  # the record skips those it has
            of_rungs = self._of_rungs() if past is self.history[0] else {}
            self._record.epoch({**_without_number(past), **of_rungs}, step=int(past["epoch"]))
        self._trial.annotate("num_parameters", self._costs["num_parameters"])
        if self._max_seconds is None:  # otherwise unknown
            self._trial.annotate(NUM_STEPS, self._epochs)
        if self._all_rungs:
            self._trial.annotate(RUNGS, self._all_rungs)
        self._annotate_run()

    def _annotate_run(self) -> None:
        """Store the run's id in the study; a store that was away assigns it late."""
        run_id = self._record.run_id
        if run_id is not None and run_id != self._annotated_run:
            self._trial.annotate(RUN_ID, run_id, is_copied=False)
            self._annotated_run = run_id

    def run_rung(self, rung: int, epochs: Iterable[Epoch]) -> None:
        """Train `rung` epochs and let the sweep judge the trial by the result; a rung with a known result is not repeated.

        Raises:
            TrialPruned: the trial stops here.
            TrialLost, KeyboardInterrupt: between two epochs.
        """
        judged = next((past for past in self._judged if past["epoch"] == rung), None)
        if judged is None:
            judged = self._trained(rung, epochs)
            self._judged.append(judged)
            self._folder.keep(self._judged, self.history, self._record.run_id)
        self._trial.annotate(SECONDS, judged["total_seconds"])
        self._trial.annotate(RUNG_SECONDS, judged["total_seconds"])
        self._trial.report(judged[self._reported], step=rung)
        if rung == self._last_rung or self._trial.should_prune():
            self._record.epoch({**_without_number(judged), **self._costs}, step=rung)
            raise TrialPruned(f"after the rung of {counted(rung, 'epoch')}")

    def report_epoch(self, epoch: Epoch) -> None:
        """Record an epoch of the training, keep what it can be continued from, and report it.

        Raises:
            TrialPruned: the sweep prunes the trial; checked only if there are no rungs.
            TrialLost, KeyboardInterrupt: it ends here for another reason.
        """
        self._trial.check_lease()
        number, epochs = epoch.index + 1, self._epochs
        before = (self.history or self._judged or [{"total_seconds": self._trial.passed_seconds}])[-1]
        seconds = before["total_seconds"] + epoch.seconds
        metrics = {**metrics_of(epoch, self._reported), "total_seconds": seconds, **self._costs}
        log.info("%s%s%s", self._prefix, line_of(epoch, epochs, metrics, self._reported), self._lr(epoch))
        of_images: dict[str, float] = {}
        if epoch.is_last and epoch.validation is not None:
            of_images, _ = self._uncertainty(epoch.validation, self._reported, self._valid_groups_N)
            of_images |= self._of_classes("valid", epoch.validation)
        is_best = best_epoch([*self.history, metrics], self._reported) == len(self.history)
        best = epoch.validation if is_best else None
        # Rung results follow the first epoch's metrics: MLflow compares runs by the metric recorded first.
        of_rungs = {} if self.history else self._of_rungs()
        self.history.append({"epoch": number, **metrics})
        self._folder.keep(self._judged, self.history, self._record.run_id, best=best)
        self._record.epoch({**metrics, **of_rungs, **of_images}, step=number)
        self._annotate_run()
        self._trial.annotate(SECONDS, seconds)
        self._trial.report(metrics[self._reported], step=number)
        if number in self._all_rungs:
            at_rungs = {int(past["epoch"]): past[self._reported] for past in self.history if past["epoch"] in self._all_rungs}
            self._trial.annotate(AT_RUNGS, at_rungs)
        is_pruned = not self._all_rungs and not epoch.is_last and self._trial.should_prune()
        if is_pruned or epoch.is_last:
            self._folder.keep_pictures(self.history)
        if is_pruned:
            raise TrialPruned(f"after epoch {number} of {epochs}")

    def report_test(self, test: Evaluation, judged: str, groups_N: np.ndarray | None = None) -> dict[str, float]:
        """Record the test result of a final run, which is judged by one metric, and return its metrics; called once."""
        num_images = len(test.labels_N)
        self._trial.annotate("num_test", num_images)
        metrics = of_split("test", test)
        of_images, known = self._uncertainty(test, judged, groups_N)
        self._record.epoch({**metrics, **of_images, **self._of_classes("test", test)}, step=len(self.history))
        self._folder.keep_test(test, known)
        name = judged.removeprefix("test_")
        shown = f" {name} {metrics[judged]:.4f}" if name in OF_OUTPUTS else ""
        images = counted(num_images, "image")
        log.info("%stest loss %.4f accuracy %.4f%s on %s", self._prefix, test.loss, test.accuracy, shown, images)
        return metrics

    def _lr(self, epoch: Epoch) -> str:
        """Return the learning rate as the end of a log line; a trial's has no room for it."""
        return "" if self._prefix else f"  lr {epoch.lr:.3g}"

    def _uncertainty(
        self, evaluation: Evaluation, metric: str, groups_N: np.ndarray | None
    ) -> tuple[dict[str, float], bootstrap.Uncertainty | None]:
        """Annotate the trial with the uncertainty of its value of `metric`; return the deviation as a metric, and all of it."""
        found = bootstrap.uncertainty(evaluation, metric.partition("_")[2], groups_N)
        if found is None:
            return {}, None
        self._trial.annotate(UNCERTAINTY, {"deviation": found.deviation, "low": found.low, "high": found.high})
        return {f"{metric}{DEVIATION}": found.deviation}, found

    def _of_classes(self, split: str, evaluation: Evaluation) -> dict[str, float]:
        """Annotate the trial with thresholds and, if there are not too many classes, their results; return these as metrics."""
        names = self._folder.class_names
        chosen = self._folder.thresholds
        if split == "valid":
            chosen = thresholds.choose(evaluation, self._folder.specificity)
            if chosen is not None:
                self._trial.annotate(thresholds.THRESHOLDS, chosen)
        if len(names) > of_classes.MOST:
            return {}
        table = of_classes.rows(evaluation, names, chosen or [0.5] * len(names))
        table = of_classes.with_operating_point(table, evaluation, chosen)
        self._trial.annotate(of_classes.CLASSES, table)
        return of_classes.metrics(split, table)

    def _trained(self, rung: int, epochs: Iterable[Epoch]) -> dict[str, float]:
        """Train a rung to its end and return its last epoch's metrics, with the seconds of all its epochs."""
        before = self._judged[-1]["total_seconds"] if self._judged else self._trial.passed_seconds
        seconds = 0.0
        for epoch in epochs:
            self._trial.check_lease()
            metrics = metrics_of(epoch, self._reported)
            log.info("%srung %s", self._prefix, line_of(epoch, rung, metrics, self._reported).removeprefix("epoch "))
            self._trial.check_interruption()
            seconds += epoch.seconds
        return {"epoch": rung, **metrics, "rung_seconds": seconds, "total_seconds": before + seconds}

    def _of_rungs(self) -> dict[str, float]:
        """Return the rung results of this trial and of the one it was promoted from, as separate metrics."""
        passed = {f"rung_{rung}_{self._reported}": value for rung, value in self._trial.passed.items()}
        if passed:
            passed["passed_seconds"] = self._trial.passed_seconds
        judged = {f"rung_{past['epoch']}_{self._reported}": past[self._reported] for past in self._judged}
        seconds = {f"rung_{past['epoch']}_seconds": past["rung_seconds"] for past in self._judged}
        return {**passed, **judged, **seconds}


def _without_number(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name != "epoch"}
