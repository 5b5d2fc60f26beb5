"""The parent run of a sweep in MLflow, kept by a Hydra callback that the engine's events reach."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("densenet_sweep")


class SweepRun(Callback):
    """Opens the parent run of a study, closes the runs of dead trials, and closes the parent with the best value.

    Does nothing for `tracking=none`; a store that fails costs a warning, unless `tracking.required`.
    """

    def on_study_open(self, config: DictConfig, study_name: str, sweep_dir: str) -> None:
        """Open the study's parent run, again where it is continued."""
        opened = _store(config)
        if opened is None:
            return
        client, experiment = opened
        from densenet_sweep.tracking.mlflow_record import find_parent
        from densenet_sweep.tracking.provenance import git_tags

        parent = find_parent(client, experiment, study_name)
        if parent is None:
            tags = {"study": study_name, "role": "study", "sweep.dir": sweep_dir, **git_tags()}
            parent = client.create_run(experiment, run_name=study_name, tags=tags).info.run_id
            for key, text in (config.hydra.sweeper.params or {}).items():
                client.log_param(parent, key, str(text))
        client.set_tag(parent, "overrides", " ".join(config.hydra.overrides.task))
        client.set_tag(parent, "n_trials", str(config.hydra.sweeper.n_trials))
        client.update_run(parent, status="RUNNING")

    def on_trial_end(self, config: DictConfig, study_name: str, number: int, state: str, reason: str | None) -> None:
        """Close the trial's run where its own process could not."""
        if state != "failed":  # a trial that came to its end has closed its run itself
            return
        opened = _store(config)
        if opened is None:
            return
        client, experiment = opened
        from densenet_sweep.tracking.mlflow_record import close_run

        quoted = study_name.replace("'", "\\'")
        query = f"tags.`study` = '{quoted}' AND tags.`trial.number` = '{number}' AND attributes.status = 'RUNNING'"
        for run in client.search_runs([experiment], query):
            close_run(client, run.info.run_id, "failed", reason)

    def on_study_end(self, config: DictConfig, study_name: str, sweep_dir: str, reason: str) -> None:
        """Close the parent run: finished, or killed where the sweep was interrupted; and say which trial is best."""
        opened = _store(config)
        if opened is None:
            return
        client, experiment = opened
        from densenet_sweep.tracking.mlflow_record import find_parent

        parent = find_parent(client, experiment, study_name)
        if parent is None:
            return
        client.set_tag(parent, "sweep.ended", reason)
        best = Path(sweep_dir) / "experiment" / "best.yaml"
        if best.is_file():
            client.log_artifact(parent, str(best))
        client.set_terminated(parent, status="KILLED" if reason == "interrupted" else "FINISHED")


def _store(config: DictConfig) -> "tuple[MlflowClient, str] | None":
    """Return a client and the experiment's id for `tracking=mlflow`, or nothing."""
    tracking: Any = OmegaConf.to_container(config.tracking, resolve=True)
    if "uri" not in tracking:
        return None
    from densenet_sweep.tracking.store import connect, experiment_id

    client = connect(tracking["uri"])
    return client, experiment_id(client, tracking["uri"], tracking["experiment"], tracking["artifact_location"])
