"""Small files that runs have left in MLflow, for use where the runs' folders have gone."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from densenet_sweep.tracking.access import answering, exists
from densenet_sweep.tracking.run import existing
from densenet_sweep.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient


def read(uri: str, run_id: str, name: str) -> bytes | None:
    """Return the content of the file `name` among a run's artifacts; None where there is no store, run or file.

    Raises:
        ConnectionError: the store at `uri` cannot be used.
    """
    if not exists(uri):
        return None
    with answering(uri), tempfile.TemporaryDirectory() as folder:
        client = connect(uri)
        if existing(client, run_id) is None or not any(file.path == name for file in client.list_artifacts(run_id)):
            return None
        return Path(client.download_artifacts(run_id, name, folder)).read_bytes()


def downloaded_config(client: "MlflowClient", run_id: str, folder: str) -> Path:
    """Download the file `config.yaml` of the run into `folder` and return its path.

    Raises:
        ValueError: the run keeps none.
    """
    if not any(file.path == "config.yaml" for file in client.list_artifacts(run_id)):
        raise ValueError(f"{run_id}: keeps no config.yaml; only a run of this project that came to its end does")
    return Path(client.download_artifacts(run_id, "config.yaml", folder))
