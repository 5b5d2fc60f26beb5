"""`densenet-sweep rerun RUN_ID [key=value ...]`: train again what a run in MLflow was trained with."""

import argparse
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from densenet_sweep.config.composition import Command
from densenet_sweep.config.run_config import OF_THE_MACHINE, as_overrides
from densenet_sweep.config.schema import ConfigError
from densenet_sweep.tracking.access import answering, check_exists, mlflow_config, the_run
from densenet_sweep.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient


def main(arguments: list[str]) -> Command:
    """Return the command that trains the run again, to be run as if it had been typed.

    Raises:
        ValueError, ConnectionError: no such run, one that is not ours, or no store.
    """
    parser = argparse.ArgumentParser(prog="densenet-sweep rerun", description=__doc__)
    parser.add_argument("run", metavar="RUN_ID", help="as MLflow shows it on the run's page")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="tracking.uri=..., or what is to be different this time"
    )
    asked = parser.parse_args(arguments)
    tracking = mlflow_config(asked.overrides, "rerun reads the run from MLflow, and")
    stored, is_final = _stored(tracking.uri, asked.run)
    overrides = [*stored, *asked.overrides]
    print(f"training run {asked.run} again:\n  densenet-sweep {shlex.join(overrides)}", flush=True)
    return Command(overrides, final=is_final)


def _stored(uri: str, run_id: str) -> tuple[list[str], bool]:
    """Return the overrides that give the config of the run, which it keeps as `config.yaml`, and whether it was a final one."""
    check_exists(uri)
    with answering(uri), tempfile.TemporaryDirectory() as folder:
        client = connect(uri)
        is_final = the_run(client, uri, run_id).data.tags.get("final") == "true"
        try:
            return as_overrides(downloaded_config(client, run_id, folder), ignored=OF_THE_MACHINE), is_final
        except ConfigError:
            raise ValueError(f"{run_id}: its config.yaml is not one of this project's") from None


def downloaded_config(client: "MlflowClient", run_id: str, folder: str) -> Path:
    """Download the file `config.yaml` of the run into `folder` and return where it is.

    Raises:
        ValueError: the run keeps none.
    """
    if not any(file.path == "config.yaml" for file in client.list_artifacts(run_id)):
        raise ValueError(f"{run_id}: keeps no config.yaml; only a run of this project that came to its end does")
    return Path(client.download_artifacts(run_id, "config.yaml", folder))
