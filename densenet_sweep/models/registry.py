"""Classifiers in MLflow: logged to the run that trained them, and registered.

MLflow has no global state here, so no calls are used that act on an active run or the current tracking URI.
"""

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from densenet_sweep.models.classifier import Classifier
from densenet_sweep.tracking.quiet import quietly
from densenet_sweep.tracking.run import TAG_LENGTH, quoted
from densenet_sweep.tracking.store import connect

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

REGISTERED_NAME = "densenet-sweep"
CHAMPION = "champion"

# The name of a model in its run.
_NAME = "classifier"
# Enough to look at, and small in the store.
_NUM_EXAMPLES = 3


def register(
    uri: str,
    run_id: str,
    classifier: Classifier,
    examples_BCHW: Tensor,
    *,
    tags: Mapping[str, str],
    description: str = "",
) -> str:
    """Register the run's model, name it the champion, and return its version's number.

    A run is registered once: later calls change tags and description, and move the alias.

    Args:
        uri: of the store, as `tracking.uri`.
        run_id: of the run that trained it.
        classifier: on the CPU.
        examples_BCHW: input images of uint8, at least 2; the first few are stored with the model.
        tags: of the version; `study` names the study whose champion it is.
        description: of the version, in Markdown.

    Raises:
        mlflow.exceptions.MlflowException, OSError: the store cannot be used; see `tracking.access.answering`.
    """
    client = connect(uri)
    version = _registered(client, run_id) or _newly_registered(client, run_id, classifier, examples_BCHW)
    for key, value in tags.items():
        client.set_model_version_tag(REGISTERED_NAME, version, key, str(value)[:TAG_LENGTH])
    client.update_model_version(REGISTERED_NAME, version, description=description)
    client.set_registered_model_alias(REGISTERED_NAME, CHAMPION, version)
    return version


def _registered(client: "MlflowClient", run_id: str) -> str | None:
    """Return the version that the run was registered as, or None."""
    found = client.search_model_versions(f"name = {quoted(REGISTERED_NAME)} AND run_id = {quoted(run_id)}")
    versions = sorted((int(version.version) for version in found if version.status == "READY"), reverse=True)
    return str(versions[0]) if versions else None


def _newly_registered(client: "MlflowClient", run_id: str, classifier: Classifier, examples_BCHW: Tensor) -> str:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

    model = _logged(client, run_id, classifier, examples_BCHW)
    with suppress(MlflowException):  # it exists
        client.create_registered_model(REGISTERED_NAME, description="Champions of densenet-sweep's studies.")
    # By location: given models:/<model_id>, a store (MLflow 3.17) looks it up in the global tracking URI.
    made = client.create_model_version(REGISTERED_NAME, model.artifact_location, run_id, model_id=model.model_id)
    # What MLflow's own register_model adds, so that the model's page shows its version.
    versions = json.dumps([{"name": REGISTERED_NAME, "version": made.version}])
    client.set_logged_model_tags(model.model_id, {MLFLOW_MODEL_VERSIONS: versions})
    return str(made.version)


def _logged(client: "MlflowClient", run_id: str, classifier: Classifier, examples_BCHW: Tensor) -> "LoggedModel":
    """Log `classifier` as a model of the run."""
    from mlflow.entities import LoggedModelOutput

    run = client.get_run(run_id)
    model = client.create_logged_model(run.info.experiment_id, _NAME, run_id, params=dict(run.data.params))
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            _save(path, classifier, examples_BCHW[:_NUM_EXAMPLES], model, run_id)
            client.log_model_artifacts(model.model_id, str(path))
    except BaseException:
        with suppress(Exception):
            client.finalize_logged_model(model.model_id, "FAILED")
        raise
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return model


def _save(path: Path, classifier: Classifier, examples_BCHW: Tensor, model: "LoggedModel", run_id: str) -> None:
    """Write `classifier` as MLflow's model folder: the traced graph, which loads without this package."""
    import mlflow.pytorch
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, classifier.signature.num_channels, -1, -1))]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, len(classifier.signature.class_names)))]),
    )
    with quietly():
        mlflow.pytorch.save_model(
            classifier,
            str(path),
            mlflow_model=Model(
                artifact_path=model.artifact_location, model_uuid=model.model_id, run_id=run_id, model_id=model.model_id
            ),
            signature=signature,
            input_example=examples_BCHW.cpu().numpy(),
            metadata=classifier.signature.as_texts(),
            pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}", f"numpy=={np.__version__}"],
            serialization_format="pt2",
        )
        # MLflow 3.13 and 3.14 fix height and width of their graph to the examples'; in ours they are free.
        torch.export.save(classifier.export(), path / "data" / "model.pt2")
