"""What a sweep shows its user: views in MLflow's UI, and at its end the leaderboard and the next commands."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from hydra_async_sweeper.application import LEASE, is_of_dead_process, with_config_dir
from hydra_async_sweeper.readable import numbered, shown_path
from omegaconf import DictConfig

from densenet_sweep.callbacks import caption
from densenet_sweep.callbacks.sweep_description import objectives
from densenet_sweep.callbacks.sweep_run import SweepRun
from densenet_sweep.results import next_commands
from densenet_sweep.results.next_commands import command
from densenet_sweep.tracking import configured
from densenet_sweep.tracking.parent_run import ParentRun
from densenet_sweep.tracking.store import cause, failures
from densenet_sweep.tracking.study_runs import StudyRuns

log = logging.getLogger("densenet_sweep")


class ViewedSweepRun(SweepRun):
    """The parent run of a sweep, with the saved views of its study beside it from the start.

    A confirmation has none of its own: those of the study that it confirms show it.
    """

    def written(self, runs: StudyRuns, sweep_dir: str) -> None:
        """Install the views; a store that takes runs but no views costs a warning."""
        from densenet_sweep.confirm import finalists
        from densenet_sweep.mlflow_ui.saved_views import install

        confirmed = finalists.read(Path(sweep_dir))
        try:
            install(runs.client, runs.experiment, confirmed.study if confirmed else runs.study.name)
        except failures() as error:
            log.warning("the study's views were not saved in MLflow (%s)", cause(error))

    def complete(self, runs: StudyRuns, config: DictConfig, sweep_dir: str, parent: ParentRun) -> None:
        """Complete MLflow from the study, and log for which trials."""
        from densenet_sweep.callbacks.complete_runs import complete
        from densenet_sweep.confirm import finalists
        from densenet_sweep.results.from_optuna import read_study

        folder = Path(sweep_dir)
        try:
            study = read_study(_load(config, runs.study.name, folder))
        except Exception as error:  # each driver has its own exceptions; the sweep's run is closed in any case
            log.warning("MLflow was not compared with the study (%s)", cause(error))
            return
        # See TrainingRun: what it reports.
        reported = "train_accuracy" if finalists.read(folder) else study.objectives[0]
        completed = complete(runs, study, parent, folder, reported=reported)
        if completed:
            which = numbered(completed)
            log.warning(
                "MLflow did not have all of %s: what the study knows is there now, and the runs say what is missing", which
            )

    def about_end(self, config: DictConfig, study_name: str, sweep_dir: str) -> str | None:
        """Return the result of a confirmation: the table with means and deviations, and the champion."""
        from densenet_sweep.confirm import finalists, leave_out, text, verdict
        from densenet_sweep.results.from_optuna import read_study

        folder = Path(sweep_dir)
        confirmed = finalists.read(folder)
        if confirmed is None:
            return None
        with suppress(Exception):  # of the study's storage; `complete` has logged that it is away
            study = read_study(_load(config, study_name, folder))
            if confirmed.column:
                return leave_out.markdown(study, confirmed)
            return text.markdown(verdict.reach(study, folder, confirmed))
        return None

    def others_at_work(self, config: DictConfig, study_name: str, sweep_dir: str) -> dict[str, str] | None:
        """Return the tags of the process of another command that runs a trial, as its lease names it."""
        trials: Any = []
        with suppress(Exception):  # of the study's storage
            trials = _load(config, study_name, Path(sweep_dir)).get_trials(deepcopy=False)
        for trial in trials:
            lease = trial.user_attrs.get(LEASE)
            if trial.state.name == "RUNNING" and lease is not None and not is_of_dead_process(lease):
                tags = {"host": "host", "process": "pid", "process.start": "process_start", "process.machine": "machine"}
                return {tag: str(lease.get(key, "")) for tag, key in tags.items()}
        return None


def _load(config: DictConfig, study_name: str, folder: Path) -> Any:
    """Return Optuna's study."""
    from densenet_sweep.results.studies import FoundStudy

    return FoundStudy(study_name, folder, config.hydra.sweeper.get("storage")).load()


class PrintLeaderboard(Callback):
    """Prints the leaderboard of a study that has ended, where it is in MLflow, and the next commands."""

    def on_study_open(self, config: DictConfig, study_name: str, sweep_dir: str, **_: Any) -> None:
        """Say above the live table what "value" is."""
        from densenet_sweep.results.studies import note_opened

        note_opened(Path(sweep_dir))
        line = caption.of_sweep(objectives(config))
        caption.write(study_name, Path(sweep_dir), config.hydra.sweeper.get("storage"), line)

    def on_study_end(self, config: DictConfig, study_name: str, sweep_dir: str, **_: Any) -> None:
        """Print all of it; an interrupted study is shown as far as it got."""
        from densenet_sweep.mlflow_ui.saved_views import page_on_server
        from densenet_sweep.results.from_optuna import read_study
        from densenet_sweep.results.leaderboard import show, wide_console

        folder = Path(sweep_dir)
        study = read_study(_load(config, study_name, folder))
        if not study.trials:
            return
        console = wide_console()
        console.print()
        show(study, console=console)
        shown = shown_path(folder)
        tracking = configured.section(config)
        page = page_on_server(str(tracking["uri"]), str(tracking["experiment"]), study_name) if tracking else ""
        if page:
            console.print(f"\nIn MLflow: {page}", highlight=False, soft_wrap=True)
        lines = [(command("compare", study_name, config=config), "this table again")]
        if study.complete:
            lines.insert(0, (command("confirm", study_name, config=config), "train the best again, and test them once"))
            folders = with_config_dir(str(shown), config.hydra.searchpath)
            lines.append((command(*folders, "experiment=best"), "train the best one again"))
        if tracking and not page:
            lines.insert(0, (command("ui", study_name, config=config), "look at the trials in MLflow"))
        next_commands.show(console, lines)
