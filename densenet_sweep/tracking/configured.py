"""The store that a sweep's config names, for the callbacks that write to it."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.application import SweepError
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger("densenet_sweep")

# By URI: after a failure a store is not tried again for _REST times as long as the failure took.
_left_alone_until: dict[str, float] = {}
_REST = 9


def in_store(
    config: DictConfig,
    write: Callable[["MlflowClient", str], None],
    *,
    loss: str,
    may_refuse: bool = False,
    can_wait: bool = False,
) -> None:
    """Call `write` with a client and the experiment's id, for `tracking=mlflow`; a failing store costs a warning.

    Args:
        config: of the sweep.
        write: writes to the store.
        loss: what a failing store costs, for the warning.
        may_refuse: the sweep may still be refused.
        can_wait: the end of the sweep repeats it, so a store that has just failed is not tried for a while.

    Raises:
        SweepError: the store fails and is required, and the sweep may still be refused.
    """
    tracking: Any = OmegaConf.to_container(config.tracking, resolve=True)
    if "uri" not in tracking:
        return
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    from densenet_sweep.tracking.store import cause, connect, experiment_id, redacted

    uri = str(tracking["uri"])
    began = time.monotonic()
    if can_wait and began < _left_alone_until.get(uri, 0.0):
        return
    try:
        client = connect(uri)
        write(client, experiment_id(client, uri, tracking["experiment"], tracking["artifact_location"]))
    except (MlflowException, SQLAlchemyError, OSError) as error:
        now = time.monotonic()
        _left_alone_until[uri] = now + _REST * (now - began)
        message = f"tracking.uri={redacted(uri)}: cannot be used ({cause(error)})"
        if tracking["required"] and may_refuse:
            raise SweepError(f"{message}; tracking.required=false sweeps without it") from error
        log.warning("%s; %s", message, loss)
