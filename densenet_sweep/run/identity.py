"""What a run's numbers depend on beyond its config and its weights: how the images are read, and the number of threads."""

import json
import logging

import torch

from densenet_sweep.config.data_sections import DataConfig

log = logging.getLogger("densenet_sweep")


def set_num_threads(configured: int | None, device: torch.device, before: int | None) -> int | None:
    """Set torch's number of threads as configured, or to that of an earlier start, `before`; return the number used.

    A CPU splits its sums over the threads, so the last digits depend on their number. For a GPU nothing is set.
    """
    if device.type != "cpu":
        return configured
    if before is not None and configured not in (None, before):
        log.warning("num_threads=%s, but this run began with %d: its numbers will be others", configured, before)
    wanted = configured or before
    if wanted is not None:
        torch.set_num_threads(wanted)
    return torch.get_num_threads()


def read_as(data: DataConfig) -> str:
    """Return how the images are read and split, without their location; trials that search this have different images."""
    split_as = {"valid_fraction": data.valid_fraction, "num_train": data.num_train, "split_seed": data.split_seed}
    if data.folds is not None:
        split_as["folds"] = data.folds
    return json.dumps({"_target_": data._target_, **data.reads_as(), **split_as}, sort_keys=True)
