"""`densenet-sweep rerun RUN_ID [key=value ...]`: train again what a run in MLflow was trained with."""

import argparse
import json
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from densenet_sweep import composition
from densenet_sweep.config import ConfigError, MlflowConfig
from densenet_sweep.tracking.store import cause, connect, redacted

if TYPE_CHECKING:
    from mlflow import MlflowClient

# The groups whose options decide which keys there are; the run kept which were chosen.
_GROUPS = ("architecture", "optimizer", "schedule", "data")

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
    of_tracking = [override for override in asked.overrides if override.startswith("tracking")]
    tracking = composition.typed(composition.compose(of_tracking)).tracking
    if not isinstance(tracking, MlflowConfig):
        raise ConfigError("tracking: rerun reads the run from MLflow, and needs tracking=mlflow")
    overrides = [*_stored(tracking.uri, asked.run), *asked.overrides]
    print(f"training run {asked.run} again:\n  densenet-sweep {shlex.join(overrides)}", flush=True)
    return overrides


def _stored(uri: str, run_id: str) -> list[str]:
    """Return the overrides that give the config of the run, which it keeps as the artifact `config.yaml`."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    where = f"tracking.uri={redacted(uri)}"
    try:
        client = connect(uri)
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise ValueError(f"{run_id}: no such run in {where}; densenet-sweep ui shows those that exist") from None
        config = _config(client, run_id)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise ConnectionError(f"{where}: cannot be used ({cause(error)})") from error
    options = [f"{group}={run.data.params[group]}" for group in _GROUPS if group in run.data.params]
    return [*options, *_overrides(config)]


def _config(client: "MlflowClient", run_id: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        if not any(file.path == "config.yaml" for file in client.list_artifacts(run_id)):
            raise ValueError(f"{run_id}: keeps no config.yaml; only a run of this project that came to its end does")
        path = Path(client.download_artifacts(run_id, "config.yaml", folder))
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict) or not all(group in config for group in _GROUPS):
        raise ValueError(f"{run_id}: its config.yaml is not one of this project's")
    return config


def _overrides(section: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return an override for each leaf; JSON is Hydra's grammar for numbers, texts and lists of them."""
    found = []
    for key, value in section.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found += _overrides(value, f"{name}.")
        elif key != "_target_" and name not in _OF_THE_MACHINE:
            found.append(f"{name}={json.dumps(value)}")
    return found
