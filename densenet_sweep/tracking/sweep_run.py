"""The parent run of a sweep in MLflow, kept by a Hydra callback that the engine's events reach."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.sweep.errors import SweepError

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("densenet_sweep")

# How the engine's reason begins where an exception ended the sweep, or what it contains where its trials did.
_FAILED = re.compile(r"^\w+: |trials failed")


class SweepRun(Callback):
    """Opens the parent run of a study, closes the runs of dead trials, and closes the parent, naming the best trial.

    Does nothing for `tracking=none`. A store that fails costs a warning; where it is required, the sweep is refused.
    """

    def on_study_open(self, config: DictConfig, study_name: str, sweep_dir: str) -> None:
        """Open the study's parent run, again where it is continued."""
        _in_store(
            config,
            lambda client, experiment: _open_parent(client, experiment, config, study_name, sweep_dir),
            may_refuse=True,
        )

    def on_trial_end(self, config: DictConfig, study_name: str, number: int, state: str, reason: str | None) -> None:
        """Close the trial's runs where their own processes could not: they died, or the store was away."""
        _in_store(config, lambda client, experiment: _close_trial(client, experiment, study_name, number, state, reason))

    def on_study_end(
        self,
        config: DictConfig,
        study_name: str,
        sweep_dir: str,
        reason: str,
        states: Mapping[int, tuple[str, str | None]],
    ) -> None:
        """Close the parent run with what became of the sweep, say which trial is best, and close what was left open."""

        def write(client: "MlflowClient", experiment: str) -> None:
            _close_left_open(client, experiment, study_name, states)
            _close_parent(client, experiment, config, study_name, sweep_dir, reason)

        _in_store(config, write)


def _in_store(config: DictConfig, write: Callable[["MlflowClient", str], None], *, may_refuse: bool = False) -> None:
    """Let `write` have a client and the experiment's id, for `tracking=mlflow`; a failing store costs a warning.

    Raises:
        SweepError: it fails, is required, and the sweep may still be refused.
    """
    tracking: Any = OmegaConf.to_container(config.tracking, resolve=True)
    if "uri" not in tracking:
        return
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    from densenet_sweep.tracking.store import cause, connect, experiment_id, redacted

    uri = str(tracking["uri"])
    try:
        client = connect(uri)
        write(client, experiment_id(client, uri, tracking["experiment"], tracking["artifact_location"]))
    except (MlflowException, SQLAlchemyError, OSError) as error:
        message = f"tracking.uri={redacted(uri)}: cannot be used ({cause(error)})"
        if tracking["required"] and may_refuse:
            raise SweepError(f"{message}; tracking.required=false sweeps without it") from error
        log.warning("%s; the sweep's own run is not recorded", message)


def _open_parent(client: "MlflowClient", experiment: str, config: DictConfig, study_name: str, sweep_dir: str) -> None:
    from densenet_sweep.tracking.dead_runs import close_dead_runs, process_tags
    from densenet_sweep.tracking.mlflow_record import TAG_LENGTH, find_parent
    from densenet_sweep.tracking.provenance import git_tags

    # Unresolved: ${oc.env:PASSWORD} stays what was typed.
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    close_dead_runs(client, experiment)
    parent = find_parent(client, experiment, study_name)
    if parent is None:
        tags = {"study": study_name, "role": "study", "sweep.dir": sweep_dir, **git_tags()}
        parent = str(client.create_run(experiment, run_name=study_name, tags=tags).info.run_id)
        for key, text in _searched(config.hydra.sweeper.params or {}, typed).items():
            client.log_param(parent, key, text)
    now = {"overrides": " ".join(typed)[:TAG_LENGTH], "n_trials": str(config.hydra.sweeper.n_trials), **process_tags()}
    for key, text in now.items():
        client.set_tag(parent, key, text)
    client.update_run(parent, status="RUNNING")


def _searched(params: Mapping[str, Any], typed: Sequence[str]) -> dict[str, str]:
    """Return each searched key with its range: as the command line gives it, else as the config does."""
    searched = {key.lstrip("+"): str(text) for key, text in params.items()}
    for override in OverridesParser.create().parse_overrides(list(typed)):
        key = override.key_or_group
        if override.is_sweep_override() or key in searched:
            searched[key] = str(override.input_line).partition("=")[2]
    return searched


def _close_trial(client: "MlflowClient", experiment: str, study_name: str, number: int, state: str, reason: str | None) -> None:
    from densenet_sweep.tracking.mlflow_record import close_run, quoted

    query = f"tags.`study` = {quoted(study_name)} AND tags.`trial.number` = '{number}'"
    for index, run in enumerate(client.search_runs([experiment], query, order_by=["start_time DESC"])):
        if run.info.status == "RUNNING" and index == 0:
            close_run(client, run.info.run_id, state, reason)
        elif run.info.status == "RUNNING":
            close_run(client, run.info.run_id, "failed", "its process died; a later run is the trial's")


def _close_left_open(
    client: "MlflowClient", experiment: str, study_name: str, states: Mapping[int, tuple[str, str | None]]
) -> None:
    """Close the runs of ended trials that nobody could close at the time, because the store was away."""
    from densenet_sweep.tracking.mlflow_record import close_run, quoted

    query = f"attributes.status = 'RUNNING' AND tags.`study` = {quoted(study_name)}"
    for run in client.search_runs([experiment], query):
        number = run.data.tags.get("trial.number", "")
        if number.isdigit() and int(number) in states:
            close_run(client, run.info.run_id, *states[int(number)])


def _close_parent(
    client: "MlflowClient", experiment: str, config: DictConfig, study_name: str, sweep_dir: str, reason: str
) -> None:
    from densenet_sweep.tracking.mlflow_record import TAG_LENGTH, find_parent

    parent = find_parent(client, experiment, study_name)
    if parent is None:
        return
    client.set_tag(parent, "sweep.ended", reason[:TAG_LENGTH])
    for key, value in _best_trial(client, experiment, parent, config).items():
        client.set_tag(parent, key, value)
    best = Path(sweep_dir) / "experiment" / "best.yaml"
    if best.is_file():
        client.log_artifact(parent, str(best))
    status = "KILLED" if reason == "interrupted" else "FAILED" if _FAILED.search(reason) else "FINISHED"
    client.set_terminated(parent, status=status)


def _best_trial(client: "MlflowClient", experiment: str, parent: str, config: DictConfig) -> dict[str, str]:
    """Return the number and the value of the best complete trial as tags; nothing for several objectives."""
    direction, objective = str(config.hydra.sweeper.direction), str(config.objective)
    if direction not in ("minimize", "maximize"):
        return {}
    query = f"tags.`mlflow.parentRunId` = '{parent}' AND tags.`trial.state` = 'complete'"
    order = "DESC" if direction == "maximize" else "ASC"
    for run in client.search_runs([experiment], query, order_by=[f"metrics.`{objective}` {order}"], max_results=1):
        if objective in run.data.metrics:
            return {"best.trial": run.data.tags["trial.number"], "best.value": f"{run.data.metrics[objective]:.6g}"}
    return {}
