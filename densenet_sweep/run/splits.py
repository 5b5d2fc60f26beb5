"""The training and validation images of a data set that has been read: split, checked, and put where the device reads them."""

import functools
import json
import logging
import math
from collections.abc import Sequence

import torch

from densenet_sweep.config.data_sections import DataConfig
from densenet_sweep.data import found
from densenet_sweep.data.images import Images, Source
from densenet_sweep.data.split import check_classes, few_images, split, subset
from densenet_sweep.data.streaming import stays_behind
from densenet_sweep.run import build, progress

log = logging.getLogger("densenet_sweep")

_READING = "reading the data set; what must be decoded is decoded once, by one process, and all others on this machine wait"


def read(data: DataConfig, device: torch.device, trusted: Sequence[str]) -> tuple[Source, Images, Images]:
    """Return a data set, its training and its validation images; read once for all trials of a long-lived worker.

    Raises:
        ValueError, OSError: it cannot be read or split.
    """
    source = json.dumps({"_target_": data._target_, **data.source_arguments()}, sort_keys=True)
    return _read(source, data.valid_fraction, data.num_train, data.split_seed, device, data.on_device, tuple(trusted))


def example_images(data: DataConfig, count: int, *, trusted: Sequence[str] = ()) -> Images:
    """Return the first `count` validation images of a data set, on the CPU.

    Raises:
        ValueError, OSError: it cannot be read.
    """
    _, _, valid = read(data, torch.device("cpu"), trusted)
    return valid.select(torch.arange(min(count, len(valid))))


@functools.lru_cache(maxsize=2)
def _read(
    call: str, fraction: float, num_train: int | None, seed: int, device: torch.device, on_device: str | bool,
    trusted: tuple[str, ...],
) -> tuple[Source, Images, Images]:  # fmt: skip
    with progress.log_if_slow(log.info, _READING):
        source = build.source(json.loads(call), trusted)
    return source, *placed(source, fraction, num_train, seed, device, on_device)


def placed(
    source: Source, fraction: float, num_train: int | None, seed: int, device: torch.device, on_device: str | bool
) -> tuple[Images, Images]:
    """Return the images for training and for validation, on `device` unless they are to be streamed there.

    Raises:
        ValueError: they cannot be split, or lack a class.
    """
    if source.valid is None:
        train, valid = split(source.train, valid_fraction=fraction, num_train=num_train, seed=seed, groups_N=source.groups_N)
    else:
        train, valid = subset(source.train, num_train=num_train, seed=seed), source.valid
    check_classes(train, valid, source.class_names)
    for remark in (source.remark, few_images(train, valid, source.class_names)):
        if remark:
            log.warning("%s", remark)
    num_bytes = (len(train) + len(valid)) * math.prod(train.shape[1:])
    if stays_behind(num_bytes, device, on_device):
        log.info("the images (%.1f GiB) are streamed to the device; data.on_device=true keeps them there", num_bytes / 2**30)
        return train, valid
    return train.to(device), valid.to(device)


def log_what_was_found(source: Source, train: Images, valid: Images, *, is_tested: bool) -> None:
    """Log one line on a user's own pictures.

    Raises:
        FileNotFoundError: a run that `is_tested` has no test images.
    """
    if is_tested and source.untested:
        raise FileNotFoundError(source.untested)
    if line := found.line(source, train, valid):
        log.info("%s", line)
