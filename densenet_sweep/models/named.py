"""Finds trained models by name: a registered one, a run's, or the best of a study."""

import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from densenet_sweep.checksum import check_archive
from densenet_sweep.config.data_sections import expanded
from densenet_sweep.config.errors import did_you_mean
from densenet_sweep.config.tracking_uri import sqlite_file
from densenet_sweep.models import trained
from densenet_sweep.models.classifier import Classifier, Signature
from densenet_sweep.models.registry import CHAMPION, REGISTERED_NAME
from densenet_sweep.results import ranking, studies
from densenet_sweep.tracking.access import answering, exists, the_run
from densenet_sweep.tracking.quiet import quietly
from densenet_sweep.tracking.run import quoted
from densenet_sweep.tracking.store import cause, connect, redacted
from densenet_sweep.tracking.study_runs import STUDY_ID_TAG, STUDY_TAG
from densenet_sweep.training import checkpoint
from densenet_sweep.training.checkpoint import CheckpointError

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("densenet_sweep")

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_TRIAL = re.compile(r".+/\d+")


class NotKeptError(ValueError):
    """A run keeps no network."""


@dataclass(frozen=True, eq=False)
class Model:
    """A model: its origin in words, and `module`, which maps images_BCHW of uint8 to probabilities_BK.

    `contents` returns the hashes of the files that it was trained and validated on; None where that is not known. `root`
    returns `data.root` of its training; empty where that is not known.
    """

    origin: str
    signature: Signature
    module: nn.Module
    export: Callable[[], torch.export.ExportedProgram]
    contents: Callable[[], np.ndarray | None]
    root: Callable[[], str]

    def __call__(self, images_BCHW: Tensor) -> Tensor:
        """Return probabilities_BK for images_BCHW."""
        with torch.inference_mode():
            probabilities_BK: Tensor = self.module(images_BCHW)
        return probabilities_BK


def find(name: str, uri: str, overrides: Sequence[str] = (), *, config_dir: str | None = None) -> Model:
    """Return the model that `name` names.

    Args:
        name: `models:/...` as MLflow writes it, `champion`, a run's id, `STUDY/TRIAL`, or a study's name: its champion, if one
            is confirmed, or the best complete trial whose weights are kept.
        uri: of the MLflow store, as `tracking.uri`.
        overrides: the user's, for finding a study; `trusted_targets` admits a network of the user's own.
        config_dir: a further folder of config files, with the option of such a network.

    Raises:
        ValueError: there is none of that name, or it has no weights; the message says what to do.
        ConnectionError: the store cannot be used.
    """
    if _TRIAL.fullmatch(name) and not name.startswith("models:/"):
        named = studies.named_trial(name, overrides)
        model = _of_trial(named, uri, overrides, config_dir)
        if model is None:
            raise ValueError(f"{name}: its weights are kept neither in {named.artifacts} nor in MLflow")
        return model
    if name == CHAMPION:
        name = f"models:/{REGISTERED_NAME}@{CHAMPION}"
    database = sqlite_file(uri)
    nothing_recorded = database is not None and not database.is_file()  # connecting would create the file
    if name.startswith("models:/") or _RUN_ID.fullmatch(name):
        if nothing_recorded:
            raise ValueError(f"{name}: nothing is recorded in tracking.uri={uri}")
        with _store(uri) as client:
            return (
                _registered(client, uri, name)
                if name.startswith("models:/")
                else _of_run(client, uri, name, f"run {name}", overrides, config_dir)
            )
    if not nothing_recorded:
        with _store(uri) as client:
            version = _champion_of(client, name, overrides)
            if version is not None:
                return _registered(client, uri, f"models:/{REGISTERED_NAME}/{version}", f", champion of study {name}")
    return _best_of_study(name, uri, overrides, config_dir)


def tensors(name: str, uri: str, overrides: Sequence[str] = ()) -> dict[str, Tensor]:
    """Return all tensors of the model that `name` names, by their names in `Classifier`; raises as `find`."""
    state: dict[str, Tensor] = find(name, uri, overrides).module.state_dict()
    return state


@contextmanager
def _store(uri: str) -> Iterator["MlflowClient"]:
    with answering(uri):
        yield connect(uri)


def _champion_of(client: "MlflowClient", study: str, overrides: Sequence[str]) -> str | None:
    """Return the newest version that was registered as the champion of `study`, or None.

    Of several studies of that name it is the one that is found; if none can be read, any of them.
    """
    versions = client.search_model_versions(f"name = {quoted(REGISTERED_NAME)}")
    confirmed = [version for version in versions if version.tags.get(STUDY_TAG) == study]
    if any(STUDY_ID_TAG in version.tags for version in confirmed):
        with suppress(Exception):  # of the study's storage, each driver has its own; or there is no such study here
            known = studies.values_of(studies.find(study, overrides)).id
            confirmed = [version for version in confirmed if version.tags.get(STUDY_ID_TAG) == known]
    return str(max(int(version.version) for version in confirmed)) if confirmed else None


def _registered(client: "MlflowClient", uri: str, name: str, whose: str = "") -> Model:
    """Return the model at the address `name`, whoever logged it with our metadata."""
    import mlflow.artifacts
    import mlflow.pytorch
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model as Described

    try:
        origin, location, run_id = _located(client, name.removeprefix("models:/"))
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        where = f"tracking.uri={redacted(uri)}"
        raise ValueError(f"{name}: no such model in {where}; densenet-sweep confirm STUDY registers one") from None
    with tempfile.TemporaryDirectory() as folder, quietly():
        try:
            path = mlflow.artifacts.download_artifacts(location, dst_path=folder, tracking_uri=client.tracking_uri)
            described = Described.load(path)
        except (MlflowException, OSError) as error:
            raise ValueError(f"{name}: its files are not at {location}") from error
        try:
            signature = Signature.from_texts(described.metadata or {})
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        weights = Path(path) / "data" / "model.pt2"
        try:
            with weights.open("rb") as file:
                check_archive(file)
        except ValueError as error:
            raise ValueError(f"{name}: what is kept at {location} is damaged ({error})") from None
        program = torch.export.load(weights)
    return Model(
        f"{origin}{whose}", signature, program.module(), lambda: program,
        contents=lambda: _contents(client, run_id), root=lambda: _root(client, run_id),
    )  # fmt: skip


def _root(client: "MlflowClient", run_id: str | None) -> str:
    """Return `data.root` of the run; empty where it is not known."""
    from mlflow.exceptions import MlflowException

    try:
        return "" if run_id is None else expanded(client.get_run(run_id).data.params.get("data.root", ""))
    except MlflowException:  # deleted since
        return ""


def _contents(client: "MlflowClient", run_id: str | None) -> np.ndarray | None:
    """Return the hashes of the files that the run trained on; None where it keeps none."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        kept = {file.path for file in client.list_artifacts(run_id)}
        weights = [name for name in trained.WEIGHTS if name in kept]
        if not weights:
            return None
        with tempfile.TemporaryDirectory() as folder:
            return trained.contents(checkpoint.load(Path(client.download_artifacts(run_id, weights[0], folder))))
    except (MlflowException, OSError, CheckpointError) as error:
        log.warning("run %s: its weights cannot be read (%s)", run_id, cause(error))
        return None


def _located(client: "MlflowClient", address: str) -> tuple[str, str, str | None]:
    """Return name, files' location and run of the model at `address`: NAME@ALIAS, NAME/VERSION or a logged model's id."""
    name, at, alias = address.partition("@")
    if at:
        version = client.get_model_version_by_alias(name, alias).version
    elif "/" in name:
        name, _, version = name.partition("/")
    else:
        model = client.get_logged_model(address)
        return f"model {address}", str(model.artifact_location), model.source_run_id
    run_id = client.get_model_version(name, version).run_id
    return f"{name} version {version}", client.get_model_version_download_uri(name, version), run_id


def _of_run(
    client: "MlflowClient", uri: str, run_id: str, origin: str, overrides: Sequence[str], config_dir: str | None
) -> Model:
    """Return the model that the run trained, from its artifacts in MLflow."""
    the_run(client, uri, run_id)
    kept = {file.path for file in client.list_artifacts(run_id)}
    if "config.yaml" not in kept:
        raise NotKeptError(f"{run_id}: keeps no config.yaml; only a run of this project that came to its end does")
    weights = [name for name in trained.WEIGHTS if name in kept]
    if not weights:
        raise NotKeptError(f"{run_id}: its weights are not kept; densenet-sweep rerun {run_id} trains it again")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("config.yaml", weights[0]):
            client.download_artifacts(run_id, name, folder)
        return _of_classifier(trained.classifier(Path(folder), overrides, config_dir=config_dir), origin)


def _of_classifier(classifier: Classifier, origin: str) -> Model:
    return Model(
        origin, classifier.signature, classifier, classifier.export, lambda: classifier.contents, lambda: classifier.root
    )


def _best_of_study(name: str, uri: str, overrides: Sequence[str], config_dir: str | None) -> Model:
    """Return the model of the best complete trial whose weights are kept, in the study's folder or in MLflow."""
    try:
        found = studies.find(name, overrides)
    except ValueError as error:
        raise ValueError(f"{error}{did_you_mean(name, [CHAMPION])}") from None
    study = studies.values_of(found)
    numbers = [row.number for row in ranking.rows(study) if row.is_complete]
    if not numbers:
        raise ValueError(f"{name}: this study has no complete trial yet; densenet-sweep status {name} shows how far it is")
    for number in numbers:
        try:
            model = _of_trial(studies.NamedTrial(name, study.trials[number], found.folder), uri, overrides, config_dir)
        except NotKeptError:
            continue
        if model is not None:
            return model
    raise ValueError(
        f"{name}: no complete trial of this study keeps its weights; densenet-sweep confirm {name} trains the best"
    )


def _of_trial(named: studies.NamedTrial, uri: str, overrides: Sequence[str], config_dir: str | None) -> Model | None:
    """Return the model of a trial, from its folder or else from MLflow; None if it has neither.

    Raises:
        NotKeptError: its run in MLflow keeps no network.
    """
    origin = f"trial {named.trial.number} of study {named.study}"
    if any((named.artifacts / weights).is_file() for weights in trained.WEIGHTS):
        try:
            return _of_classifier(trained.classifier(named.artifacts, overrides, config_dir=config_dir), origin)
        except CheckpointError as error:
            log.warning("%s; a copy in MLflow is taken, if there is one", error)
    run_id = named.run_id(uri) if exists(uri) else None  # connecting would create the file
    if run_id is None:
        return None
    with _store(uri) as client:
        return _of_run(client, uri, run_id, origin, overrides, config_dir)
