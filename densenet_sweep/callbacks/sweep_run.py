"""The parent run of a sweep in MLflow, maintained by a Hydra callback that receives the engine's events."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra_async_sweeper.application import is_search
from hydra_async_sweeper.events import Outcome
from hydra_async_sweeper.readable import numbered, shown_path
from omegaconf import DictConfig, ListConfig, OmegaConf

from densenet_sweep.config import composition
from densenet_sweep.config.metrics import full_name, on_test
from densenet_sweep.tracking import left_behind, run_note
from densenet_sweep.tracking.configured import in_store
from densenet_sweep.tracking.run_note import NOTE
from densenet_sweep.tracking.store import redacted
from densenet_sweep.tracking.study_runs import StudyKey

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger("densenet_sweep")

_LOSS = "the sweep continues, and what is missing there is sent when it is back"

_SAME_NAME = (
    "study %s: the MLflow experiment has another study of this name, whose folder is %s; their runs are kept apart, and "
    "hydra.sweeper.study_name=NAME gives this one a name of its own"
)

# The status of a sweep's run by its outcome; see `hydra_async_sweeper.events`.
_STATUS: Mapping[str, str] = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class SweepRun(Callback):
    """Opens the parent run of a study, closes the runs of dead trials, and closes the parent, naming the best trial.

    Does nothing for `tracking=none`. A store that fails costs a warning; if it is required, the sweep is refused. A subclass
    may read the study, which this class does not, and add to what was written, in `written`.
    """

    _command = ""

    def written(self, client: "MlflowClient", experiment: str, study_name: str, sweep_dir: str) -> None:
        """Do nothing."""

    def complete(
        self, client: "MlflowClient", experiment: str, config: DictConfig, study_name: str, sweep_dir: str, parent: str
    ) -> None:
        """Complete MLflow from the study; do nothing here."""

    def others_at_work(self, config: DictConfig, study_name: str, sweep_dir: str) -> dict[str, str] | None:
        """Return the tags of a process of another command that runs a trial; None if there is none, as here."""

    def about_end(self, config: DictConfig, study_name: str, sweep_dir: str) -> str | None:
        """Return further Markdown for the description of an ended study; nothing here."""

    def on_study_open(
        self, config: DictConfig, study_name: str, sweep_dir: str, command: str, study_id: str | None = None
    ) -> None:
        """Open or reopen the study's parent run, and send what trials of an earlier start could not."""

        def write(client: "MlflowClient", experiment: str) -> None:
            from densenet_sweep.tracking.dead_runs import close_dead_runs

            close_dead_runs(client, experiment)
            _open_parent(client, experiment, config, StudyKey(study_name, study_id), sweep_dir, command)
            _send_trials(client, experiment, config, sweep_dir, {})
            self.written(client, experiment, study_name, sweep_dir)

        self._command = command
        in_store(config, write, loss=_LOSS, may_refuse=True)

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

        def write(client: "MlflowClient", experiment: str) -> None:
            if sweep_dir is not None:
                _send_trials(client, experiment, config, sweep_dir, {} if state == "interrupted" else {number: (state, reason)})
            study = StudyKey(study_name, study_id)
            _close_trial(client, experiment, study, number, state, reason)
            if state == "complete" and isinstance(config.objective, str):
                _log_best(client, experiment, objectives(config)[0], study, best)

        in_store(config, write, loss=f"what it misses of trial {number} is sent when it is back", can_wait=True)

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

        def write(client: "MlflowClient", experiment: str) -> None:
            from mlflow.entities import RunTag

            from densenet_sweep.tracking.study_runs import only_parent

            _send_trials(client, experiment, config, sweep_dir, states)
            study = StudyKey(study_name, study_id)
            parent = only_parent(client, experiment, study)
            if parent is None:  # the store was away when the sweep began
                parent = _open_parent(client, experiment, config, study, sweep_dir, self._command)
            self.complete(client, experiment, config, study_name, sweep_dir, parent)
            _close_left_open(client, experiment, study, states)
            others = self.others_at_work(config, study_name, sweep_dir) if outcome == "interrupted" else None
            if others is not None:  # their command closes the parent run
                client.log_batch(parent, tags=[RunTag(key, text) for key, text in others.items()])
                return
            about = self.about_end(config, study_name, sweep_dir) or ""
            _close_parent(client, experiment, config, study_name, sweep_dir, reason, outcome, states, best, parent, about)
            self.written(client, experiment, study_name, sweep_dir)

        waiting = left_behind.waiting(Path(sweep_dir), composition.trial_subdir(config))
        kept = f"; what {numbered(waiting)} could not send waits in {sweep_dir}" if waiting else ""
        in_store(config, write, loss=f"MLflow is not complete{kept}; the same command completes it when it is back")


def _send_trials(
    client: "MlflowClient",
    experiment: str,
    config: DictConfig,
    sweep_dir: str,
    states: Mapping[int, tuple[str, str | None]],
) -> None:
    uri, name = str(config.tracking.uri), str(config.tracking.experiment)
    left_behind.send_trials(client, experiment, uri, name, Path(sweep_dir), composition.trial_subdir(config), states)


def _open_parent(
    client: "MlflowClient", experiment: str, config: DictConfig, study: StudyKey, sweep_dir: str, command: str
) -> str:
    """Open the study's run, creating it if needed, and return its id."""
    from mlflow.entities import Param, RunTag

    from densenet_sweep.tracking.provenance import git_tags
    from densenet_sweep.tracking.run import TAG_LENGTH, process_tags
    from densenet_sweep.tracking.study_runs import only_parent, parents_called

    # Unresolved: ${oc.env:PASSWORD} stays as typed.
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    parent = only_parent(client, experiment, study)
    params: dict[str, str] = {}
    if parent is None:
        for other in parents_called(client, experiment, study.name)[:1]:
            log.warning(_SAME_NAME, study.name, other.data.tags.get("sweep.dir", "an unknown folder"))
        tags = {**study.tags, "role": "study", "sweep.dir": sweep_dir, **_of_study(config), **git_tags()}
        made = str(client.create_run(experiment, run_name=study.name, tags=tags).info.run_id)
        parent = only_parent(client, experiment, study) or made
        params = _searched(config.hydra.sweeper.params or {}, typed) if parent == made else {}
    now = {
        "overrides": redacted(" ".join(typed)),
        "n_trials": str(config.hydra.sweeper.n_trials),
        "command": redacted(command),
        NOTE: _note(config, study.name, command),
        **process_tags(),
    }
    client.log_batch(
        parent,
        params=[Param(key, text) for key, text in params.items()],
        tags=[RunTag(key, text if key == NOTE else text[:TAG_LENGTH]) for key, text in now.items()],
    )
    client.update_run(parent, status="RUNNING")
    return parent


def _note(config: DictConfig, study_name: str, command: str, ended: str = "") -> str:
    """Return the description of the sweep, as its page shows it."""
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    together = (objectives(config), _as_list(config.hydra.sweeper.direction))
    searched = _searched(config.hydra.sweeper.params or {}, typed)
    return run_note.of_sweep(
        study_name=study_name,
        objectives=dict(zip(*together, strict=False)),
        n_trials=config.hydra.sweeper.n_trials,
        searched={key: text for key, text in searched.items() if is_search(text)},
        typed=command,
        ending=ended,
        is_repeated=_is_repeated(config),
        may_end_earlier=_is_repeated(config) and len(config.hydra.sweeper.get("enqueue") or []) < config.hydra.sweeper.n_trials,
    )


def _of_study(config: DictConfig) -> dict[str, str]:
    """Return the tags that lead from the MLflow server to the study and explain its runs."""
    return {
        "study.storage": redacted(config.hydra.sweeper.get("storage") or "journal"),
        "study.directions": " ".join(_as_list(config.hydra.sweeper.direction)),
        "study.objectives": " ".join(objectives(config)),
    }


def _is_repeated(config: DictConfig) -> bool:
    """Return whether the trials are runs of a confirmation, which are tested."""
    return bool(config.hydra.sweeper.get("repeats"))


def objectives(config: DictConfig) -> list[str]:
    """Return the names of the values that trials return."""
    names = _as_list(config.objective)
    return [on_test(names[0])] if _is_repeated(config) else [full_name(name) for name in names]


def _as_list(one_or_more: Any) -> list[str]:
    return [str(it) for it in one_or_more] if isinstance(one_or_more, ListConfig) else [str(one_or_more)]


def _searched(params: Mapping[str, Any], typed: Sequence[str]) -> dict[str, str]:
    """Return each searched key with its range: as the command line gives it, else as the config does."""
    searched = {key.lstrip("+"): str(text) for key, text in params.items()}
    for override in OverridesParser.create().parse_overrides(list(typed)):
        key = override.key_or_group
        if override.is_sweep_override() or key in searched:
            searched[key] = str(override.input_line).partition("=")[2]
    return searched


def _close_trial(client: "MlflowClient", experiment: str, study: StudyKey, number: int, state: str, reason: str | None) -> None:
    from densenet_sweep.tracking.run import close_run
    from densenet_sweep.tracking.study_runs import matching

    for index, run in enumerate(matching(client, experiment, study, f"tags.`trial.number` = '{number}'")):
        if run.info.status == "RUNNING" and index == 0:
            close_run(client, run.info.run_id, state, reason)
        elif run.info.status == "RUNNING":
            close_run(client, run.info.run_id, "failed", "its process died; a later run is the trial's")


def _log_best(client: "MlflowClient", experiment: str, objective: str, study: StudyKey, best: Sequence[int]) -> None:
    """Log the best value so far with the study's run; a step is a complete trial. Repetitions have no best."""
    from densenet_sweep.tracking.study_runs import find_parent

    parent = find_parent(client, experiment, study) if best else None
    run = None if parent is None else _run_of(client, experiment, parent, best[0])
    if parent is not None and run is not None and objective in run.data.metrics:
        client.log_metric(parent, f"best_{objective}", run.data.metrics[objective], step=len(best))


def _close_left_open(
    client: "MlflowClient", experiment: str, study: StudyKey, states: Mapping[int, tuple[str, str | None]]
) -> None:
    """Close the runs of ended trials that could not be closed while the store was away."""
    from densenet_sweep.tracking.run import close_run
    from densenet_sweep.tracking.study_runs import matching

    for run in matching(client, experiment, study, "attributes.status = 'RUNNING'"):
        number = run.data.tags.get("trial.number", "")
        if number.isdigit() and int(number) in states:
            close_run(client, run.info.run_id, *states[int(number)])


def _close_parent(
    client: "MlflowClient",
    experiment: str,
    config: DictConfig,
    study_name: str,
    sweep_dir: str,
    reason: str,
    outcome: Outcome,
    states: Mapping[int, tuple[str, str | None]],
    best: Sequence[int],
    parent: str,
    about_end: str,
) -> None:
    from mlflow.entities import RunTag

    from densenet_sweep.tracking.run import TAG_LENGTH

    config_of_best = Path(sweep_dir) / "experiment" / "best.yaml"
    if config_of_best.is_file():
        client.log_artifact(parent, str(config_of_best))
    tags = {"sweep.ended": redacted(reason)}
    about_best = about_end
    has_best = best and isinstance(config.objective, str) and not _is_repeated(config)
    run = _run_of(client, experiment, parent, best[0]) if has_best else None
    objective = objectives(config)[0]
    if run is not None and objective in run.data.metrics:
        number, value = run.data.tags["trial.number"], f"{run.data.metrics[objective]:.6g}"
        tags |= {"best.trial": number, "best.value": value}
        link = f"[trial {number}](#/experiments/{experiment}/runs/{run.info.run_id})"
        about_best = f"The best is {link}: {objective} {value}."
    if config_of_best.is_file():
        words = ["densenet-sweep", "--config-dir", str(shown_path(Path(sweep_dir))), "experiment=best"]
        about_best += f" Train it again with\n\n{run_note.command(words)}"
    artifacts = sorted(file.path for file in client.list_artifacts(parent))
    command = client.get_run(parent).data.tags.get("command", "")
    note = _note(config, study_name, command, run_note.ending(reason, states, about_best, artifacts))
    tags = {key: text[:TAG_LENGTH] for key, text in tags.items()} | {NOTE: note}
    client.log_batch(parent, tags=[RunTag(key, text) for key, text in tags.items()])
    client.set_terminated(parent, status=_STATUS[outcome])


def _run_of(client: "MlflowClient", experiment: str, parent: str, number: int) -> "Run | None":
    """Return the run of a trial, that of the last attempt."""
    query = f"tags.`mlflow.parentRunId` = '{parent}' AND tags.`trial.number` = '{number}'"
    found = client.search_runs([experiment], query, order_by=["start_time DESC"], max_results=1)
    return found[0] if found else None
