"""The parent run of a sweep in MLflow, maintained by a Hydra callback that receives the engine's events."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from hydra_async_sweeper.events import Outcome
from hydra_async_sweeper.readable import numbered, shown_path
from omegaconf import DictConfig

from densenet_sweep.callbacks import sweep_description
from densenet_sweep.config import composition
from densenet_sweep.tracking import dead_runs, left_behind, run_note
from densenet_sweep.tracking.configured import in_store
from densenet_sweep.tracking.parent_run import ParentRun
from densenet_sweep.tracking.run_note import NOTE
from densenet_sweep.tracking.store import redacted
from densenet_sweep.tracking.study_runs import StudyKey, StudyRuns

_LOSS = "the sweep continues, and what is missing there is sent when it is back"


class SweepRun(Callback):
    """Opens the parent run of a study, closes the runs of dead trials, and closes the parent, naming the best trial.

    Does nothing for `tracking=none`. A store that fails costs a warning; if it is required, the sweep is refused. A subclass
    may read the study, which this class does not, and add to what was written, in `written`.
    """

    _command = ""

    def written(self, runs: StudyRuns, sweep_dir: str) -> None:
        """Do nothing."""

    def complete(self, runs: StudyRuns, config: DictConfig, sweep_dir: str, parent: ParentRun) -> None:
        """Complete MLflow from the study; do nothing here."""

    def others_at_work(self, config: DictConfig, study_name: str, sweep_dir: str) -> dict[str, str] | None:
        """Return the tags of a process of another command that runs a trial; None if there is none, as here."""

    def about_end(self, config: DictConfig, study_name: str, sweep_dir: str) -> str | None:
        """Return further Markdown for the description of an ended study; nothing here."""

    def on_study_open(
        self, config: DictConfig, study_name: str, sweep_dir: str, command: str, study_id: str | None = None
    ) -> None:
        """Open or reopen the study's parent run, and send what trials of an earlier start could not."""

        def write(runs: StudyRuns) -> None:
            dead_runs.close_dead_runs(runs.client, runs.experiment)
            _open_parent(runs, config, sweep_dir, command)
            _send_trials(runs, config, sweep_dir, {})
            self.written(runs, sweep_dir)

        self._command = command
        in_store(config, StudyKey(study_name, study_id), write, loss=_LOSS, may_refuse=True)

    def on_trial_end(
        self,
        config: DictConfig,
        study_name: str,
        number: int,
        state: str,
        reason: str | None,
        sweep_dir: str | None = None,
        best: Sequence[int] = (),
        study_id: str | None = None,
        **_: Any,
    ) -> None:
        """Send what trials kept while the store was away, close the trial's runs whose processes died, log the best so far."""

        def write(runs: StudyRuns) -> None:
            if sweep_dir is not None:
                _send_trials(runs, config, sweep_dir, {} if state == "interrupted" else {number: (state, reason)})
            dead_runs.close_trial(runs, number, state, reason)
            if state == "complete" and best and sweep_description.has_best(config):
                parent = runs.find_parent()
                if parent is not None:
                    parent.log_best(sweep_description.objectives(config)[0], best)

        loss = f"what it misses of trial {number} is sent when it is back"
        in_store(config, StudyKey(study_name, study_id), write, loss=loss, can_wait=True)

    def on_study_end(
        self,
        config: DictConfig,
        study_name: str,
        sweep_dir: str,
        reason: str,
        outcome: Outcome,
        states: Mapping[int, tuple[str, str | None]],
        best: Sequence[int] = (),
        study_id: str | None = None,
        **_: Any,
    ) -> None:
        """Complete the trials in MLflow, and close the parent run with the sweep's outcome."""

        def write(runs: StudyRuns) -> None:
            _send_trials(runs, config, sweep_dir, states)
            # None: the store was away when the sweep began.
            parent = runs.only_parent() or _open_parent(runs, config, sweep_dir, self._command)
            self.complete(runs, config, sweep_dir, parent)
            dead_runs.close_left_open(runs, states)
            others = self.others_at_work(config, study_name, sweep_dir) if outcome == "interrupted" else None
            if others is not None:  # their command closes the parent run
                parent.tag(others)
                return
            about = self.about_end(config, study_name, sweep_dir) or ""
            _close_parent(parent, config, study_name, sweep_dir, reason, outcome, states, best, about)
            self.written(runs, sweep_dir)

        waiting = left_behind.waiting(Path(sweep_dir), composition.trial_subdir(config))
        kept = f"; what {numbered(waiting)} could not send waits in {sweep_dir}" if waiting else ""
        loss = f"MLflow is not complete{kept}; the same command completes it when it is back"
        in_store(config, StudyKey(study_name, study_id), write, loss=loss)


def _send_trials(runs: StudyRuns, config: DictConfig, sweep_dir: str, states: Mapping[int, tuple[str, str | None]]) -> None:
    uri, name = str(config.tracking.uri), str(config.tracking.experiment)
    subdir = composition.trial_subdir(config)
    left_behind.send_trials(runs.client, runs.experiment, uri, name, Path(sweep_dir), subdir, states)


def _open_parent(runs: StudyRuns, config: DictConfig, sweep_dir: str, command: str) -> ParentRun:
    """Open the study's run, creating it if needed."""
    return runs.open_parent(
        about={"sweep.dir": sweep_dir, **sweep_description.study_tags(config)},
        params=sweep_description.searched(config),
        tags={
            "overrides": redacted(" ".join(sweep_description.overrides(config))),
            "n_trials": str(config.hydra.sweeper.n_trials),
            "command": redacted(command),
            NOTE: sweep_description.note(config, runs.study.name, command),
        },
    )


def _close_parent(
    parent: ParentRun,
    config: DictConfig,
    study_name: str,
    sweep_dir: str,
    reason: str,
    outcome: Outcome,
    states: Mapping[int, tuple[str, str | None]],
    best: Sequence[int],
    about: str,
) -> None:
    """Store the config of the best trial, name the trial in tags and description, and close the run."""
    config_of_best = Path(sweep_dir) / "experiment" / "best.yaml"
    if config_of_best.is_file():
        parent.keep(config_of_best)
    tags = {"sweep.ended": redacted(reason)}
    run = parent.trial(best[0]) if best and sweep_description.has_best(config) else None
    objective = sweep_description.objectives(config)[0]
    if run is not None and objective in run.metrics:
        value = f"{run.metrics[objective]:.6g}"
        tags |= {"best.trial": str(best[0]), "best.value": value}
        link = f"[trial {best[0]}](#/experiments/{parent.experiment}/runs/{run.id})"
        about = f"The best is {link}: {objective} {value}."
    if config_of_best.is_file():
        words = ["densenet-sweep", "--config-dir", str(shown_path(Path(sweep_dir))), "experiment=best"]
        about += f" Train it again with\n\n{run_note.command(words)}"
    ending = run_note.ending(reason, states, about, parent.kept())
    tags[NOTE] = sweep_description.note(config, study_name, parent.command(), ending)
    parent.end(outcome, tags)
