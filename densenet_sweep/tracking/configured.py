"""The store that a sweep's config names, for the callbacks that write to it."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from hydra_async_sweeper.application import SweepError
from omegaconf import DictConfig, OmegaConf

from densenet_sweep.tracking.parent_run import ParentRun
from densenet_sweep.tracking.store import DeletedExperimentError, cause, connect, experiment_id, failures, redacted
from densenet_sweep.tracking.study_runs import StudyKey, StudyRuns

log = logging.getLogger("densenet_sweep")

# By URI: after a failure a store is not tried again for _REST times as long as the failure took.
_left_alone_until: dict[str, float] = {}
_REST = 9


def section(config: DictConfig) -> dict[str, Any]:
    """Return the section `tracking`, resolved, of a run or sweep that is recorded in MLflow; empty for one that is not."""
    tracking: Any = OmegaConf.to_container(config.get("tracking") or OmegaConf.create({}), resolve=True)
    return tracking if "uri" in tracking else {}


def find_parent(tracking: Mapping[str, Any], study: StudyKey) -> ParentRun | None:
    """Return the run of a sweep in the store and the experiment that its section `tracking` names; None if there is none.

    Raises:
        ValueError, OSError, or one of `store.failures`: the store cannot be used.
    """
    client = connect(str(tracking["uri"]))
    experiment = client.get_experiment_by_name(tracking["experiment"])
    return None if experiment is None else StudyRuns(client, experiment.experiment_id, study).find_parent()


def in_store(
    config: DictConfig,
    study: StudyKey,
    write: Callable[[StudyRuns], None],
    *,
    loss: str,
    may_refuse: bool = False,
    can_wait: bool = False,
) -> None:
    """Call `write` with the study's runs, for `tracking=mlflow`; a failing store costs a warning.

    Args:
        config: of the sweep.
        study: whose runs are written.
        write: writes to the store.
        loss: what a failing store costs, for the warning.
        may_refuse: the sweep may still be refused.
        can_wait: the end of the sweep repeats it, so a store that has just failed is not tried for a while.

    Raises:
        SweepError: the sweep may still be refused, and the store fails and is required, or has deleted the experiment.
    """
    tracking = section(config)
    if not tracking:
        return
    uri, failed = str(tracking["uri"]), failures()
    began = time.monotonic()
    if can_wait and began < _left_alone_until.get(uri, 0.0):
        return
    try:
        client = connect(uri)
        number = experiment_id(client, uri, tracking["experiment"], tracking["artifact_location"])
        write(StudyRuns(client, number, study))
    except DeletedExperimentError as error:
        if may_refuse:
            raise SweepError(str(error)) from None
        log.warning("%s; %s", error, loss)
    except failed as error:
        now = time.monotonic()
        _left_alone_until[uri] = now + _REST * (now - began)
        message = f"tracking.uri={redacted(uri)}: cannot be used ({cause(error)})"
        if tracking["required"] and may_refuse:
            raise SweepError(f"{message}; tracking.required=false sweeps without it") from error
        log.warning("%s; %s", message, loss)
