"""What a sweep leaves for its user: views of it in MLflow's UI, and at its end the leaderboard and what to type next."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from hydra_async_sweeper.readable import shown_path
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.callbacks.sweep_run import SweepRun
from densenet_sweep.results import next_commands
from densenet_sweep.results.next_commands import command

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("densenet_sweep")


class ViewedSweepRun(SweepRun):
    """The parent run of a sweep, with the saved views of its study beside it from the start.

    A confirmation has none of its own: it is seen in those of the study that it confirms.
    """

    def written(self, client: "MlflowClient", experiment: str, study_name: str, sweep_dir: str) -> None:
        """Install the views; a store that takes runs and not these costs a warning."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        from densenet_sweep.confirm import finalists
        from densenet_sweep.mlflow_ui.saved_views import install
        from densenet_sweep.tracking.store import cause

        confirmed = finalists.read(Path(sweep_dir))
        try:
            install(client, experiment, confirmed.study if confirmed else study_name)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            log.warning("the study's views were not saved in MLflow (%s)", cause(error))


class PrintLeaderboard(Callback):
    """Prints the leaderboard of a study that has ended, where it is in MLflow, and the next commands."""

    def on_study_end(self, config: DictConfig, study_name: str, sweep_dir: str, **_: Any) -> None:
        """Print all of it; an interrupted study is shown as far as it came."""
        from densenet_sweep.results.from_optuna import read_study
        from densenet_sweep.results.leaderboard import show, wide_console
        from densenet_sweep.results.studies import FoundStudy

        folder = Path(sweep_dir)
        study = read_study(FoundStudy(study_name, folder, config.hydra.sweeper.storage).load())
        if not study.trials:
            return
        console = wide_console()
        console.print()
        show(study, console=console)
        shown = shown_path(folder)
        tracking = _tracking(config)
        page = _page_on_server(tracking, study_name)
        if page:
            console.print(f"\nIn MLflow: {page}", highlight=False, soft_wrap=True)
        lines = [(command("compare", study_name, config=config), "this table again")]
        if study.complete:
            lines.insert(0, (command("confirm", study_name, config=config), "train the best again, and test them once"))
            lines.append((command("--config-dir", str(shown), "experiment=best"), "train the best one again"))
        if tracking and not page:
            lines.insert(0, (command("ui", study_name, config=config), "look at the trials in MLflow"))
        next_commands.show(console, lines)


def _page_on_server(tracking: Mapping[str, Any], study: str) -> str:
    """Return the whole address of the study's first view, where its runs are on a server that answers; otherwise nothing."""
    from densenet_sweep.tracking.store import is_server

    uri = str(tracking.get("uri", ""))
    if not is_server(uri):
        return ""
    from mlflow.exceptions import MlflowException

    from densenet_sweep.mlflow_ui.saved_views import address, install, site
    from densenet_sweep.tracking.store import connect

    try:
        client = connect(uri)
        experiment = client.get_experiment_by_name(tracking["experiment"])
        if experiment is None:
            return ""
        return site(uri) + address(install(client, experiment.experiment_id, study), experiment.experiment_id)
    except (MlflowException, OSError):  # which was said when the study's run was closed
        return ""


def _tracking(config: DictConfig) -> dict[str, Any]:
    """Return the section `tracking` of a sweep that is recorded in MLflow, or nothing."""
    section: Any = OmegaConf.to_container(config.get("tracking") or OmegaConf.create({}), resolve=True)
    return section if "uri" in section else {}
