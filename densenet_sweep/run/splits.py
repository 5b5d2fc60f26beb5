"""The training and validation images of a data set that has been read: split, checked, and put where the device reads them."""

import logging
import math

import torch

from densenet_sweep.data import found
from densenet_sweep.data.images import Images, Source
from densenet_sweep.data.split import check_classes, few_images, split, subset
from densenet_sweep.data.streaming import stays_behind

log = logging.getLogger("densenet_sweep")


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
