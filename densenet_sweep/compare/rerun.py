"""`densenet-sweep rerun RUN_ID [key=value ...]`: train again what a run in MLflow was trained with."""

import argparse
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from densenet_sweep.compare.asked import answering, mlflow_config
from densenet_sweep.config import ConfigError
from densenet_sweep.config_file import as_overrides
from densenet_sweep.tracking.store import connect, redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What is the machine's and not the run's.
_OF_THE_MACHINE = ("data.root", "data.download")


def main(arguments: list[str]) -> list[str]:
    """Return the overrides that train the run again, to be run as if they had been typed.

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
    overrides = [*_stored(tracking.uri, asked.run), *asked.overrides]
    print(f"training run {asked.run} again:\n  densenet-sweep {shlex.join(overrides)}", flush=True)
    return overrides


def _stored(uri: str, run_id: str) -> list[str]:
    """Return the overrides that give the config of the run, which it keeps as the artifact `config.yaml`."""
    from mlflow.exceptions import MlflowException

    with answering(uri), tempfile.TemporaryDirectory() as folder:
        client = connect(uri)
        try:
            client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            where = f"tracking.uri={redacted(uri)}"
            raise ValueError(f"{run_id}: no such run in {where}; densenet-sweep ui shows those that exist") from None
        try:
            return as_overrides(_downloaded(client, run_id, folder), ignored=_OF_THE_MACHINE)
        except ConfigError:
            raise ValueError(f"{run_id}: its config.yaml is not one of this project's") from None


def _downloaded(client: "MlflowClient", run_id: str, folder: str) -> Path:
    if not any(file.path == "config.yaml" for file in client.list_artifacts(run_id)):
        raise ValueError(f"{run_id}: keeps no config.yaml; only a run of this project that came to its end does")
    return Path(client.download_artifacts(run_id, "config.yaml", folder))
