"""The training and validation images of a data set that has been read: split, checked, and put where the device reads them."""

import functools
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from densenet_sweep.config.data_sections import DataConfig
from densenet_sweep.config.metrics import on_test
from densenet_sweep.data import found, weights
from densenet_sweep.data.folds import fold_rows
from densenet_sweep.data.images import Images, Source
from densenet_sweep.data.split import check_classes, few_images, split, subset
from densenet_sweep.data.streaming import stays_behind
from densenet_sweep.run import build, class_metrics, progress
from densenet_sweep.run.per_command import per_command

log = logging.getLogger("densenet_sweep")

_READING = "reading the data set; one process decodes it, once, and the others wait"


Pair = tuple[Images, Images]


@dataclass(frozen=True, eq=False)
class OfRun:
    """The images of a run.

    Attributes:
        source: of the images.
        pairs: for each network that is trained, the images for training and for validation.
        are_folds: the pairs are the folds of a cross-validation.
        num_valid: images that some network is validated on.
        recorded_as: what the record of the run says is used for what.
        digest: of the images, which a continued run must keep.
    """

    source: Source
    pairs: Sequence[Pair]
    are_folds: bool
    num_valid: int
    recorded_as: Mapping[str, Images]
    digest: str


def of_run(data: DataConfig, device: torch.device, trusted: Sequence[str], objective: str, *, is_final: bool) -> OfRun:
    """Return the images of a run, and log what was found; a final run trains on all of them, whatever its folds.

    Raises:
        ValueError, OSError: they cannot be read or split, or the test images of a final run do not give the objective.
    """
    if data.folds is not None and not is_final:
        source, everything, pairs = _read_folds(
            _call(data), data.folds, data.num_train, data.split_seed, device, data.on_device, tuple(trusted)
        )
        _log_what_was_found(source, everything, None, folds=[valid for _, valid in pairs])
        return OfRun(source, pairs, True, len(everything), {"cross-validation": everything}, source.train.digest)
    source, train, valid = read(data, device, trusted)
    if is_final and source.untested:
        raise FileNotFoundError(source.untested)
    _log_what_was_found(source, train, valid)
    if is_final:
        check_tested(source, objective)
    digest = f"{train.digest}-{valid.digest}" if data.folds is None else source.train.digest
    if is_final:
        train = train.joined(valid)
        return OfRun(source, [(train, valid)], False, 0, {"training": train}, digest)
    return OfRun(source, [(train, valid)], False, len(valid), {"training": train, "validation": valid}, digest)


def check_tested(source: Source, objective: str) -> None:
    """Refuse test images by which runs cannot be compared.

    Raises:
        ValueError: their labels are all the same, and the objective's metric needs others.
    """
    metric = on_test(objective)
    name = metric.removeprefix("test_")
    labels_N = np.empty(0) if source.found is None else source.found.test_labels
    if not len(labels_N) or not class_metrics.is_computed(name, labels_N):
        return
    evenly_NK = np.full((len(labels_N), len(source.class_names)), 1 / len(source.class_names))
    if math.isnan(class_metrics.value(name, labels_N, evenly_NK)):
        which = "have the same labels" if labels_N.ndim == 2 else f"are of class {source.class_names[labels_N[0]]}"
        raise ValueError(f"objective={objective}: all test images {which}, which gives no {metric}; valid_loss is accepted")


def read(data: DataConfig, device: torch.device, trusted: Sequence[str]) -> tuple[Source, Images, Images]:
    """Return a data set, its training and its validation images; read once for all trials of a command in a process.

    Raises:
        ValueError, OSError: it cannot be read or split.
    """
    return _read(_call(data), data.valid_fraction, data.num_train, data.split_seed, device, data.on_device, tuple(trusted))


def example_images(data: DataConfig, count: int, *, trusted: Sequence[str] = ()) -> Images:
    """Return the first `count` validation images of a data set, on the CPU.

    Raises:
        ValueError, OSError: it cannot be read.
    """
    _, _, valid = read(data, torch.device("cpu"), trusted)
    return valid.select(torch.arange(min(count, len(valid))))


def _call(data: DataConfig) -> str:
    return json.dumps({"_target_": data._target_, **data.source_arguments()}, sort_keys=True)


@per_command
@functools.lru_cache(maxsize=2)
def _read(
    call: str, fraction: float, num_train: int | None, seed: int, device: torch.device, on_device: str | bool,
    trusted: tuple[str, ...],
) -> tuple[Source, Images, Images]:  # fmt: skip
    source = _source(call, trusted)
    return source, *placed(source, fraction, num_train, seed, device, on_device)


@per_command
@functools.lru_cache(maxsize=1)
def _read_folds(
    call: str, num_folds: int, num_train: int | None, seed: int, device: torch.device, on_device: str | bool,
    trusted: tuple[str, ...],
) -> tuple[Source, Images, Sequence[Pair]]:  # fmt: skip
    source = _source(call, trusted)
    if source.valid is not None:
        raise ValueError(f"data.folds={num_folds}: null is accepted, as the data set has a validation split of its own")
    labels_N = source.train.labels_N.cpu().numpy()
    rows = fold_rows(labels_N, num_folds=num_folds, seed=seed, class_names=source.class_names, groups_N=source.groups_N)
    nothing = source.train.select(torch.arange(0))
    _warn(source, source.train, nothing)
    everything = source.train if _are_streamed(source.train, device, on_device) else source.train.to(device)

    def fold(valid: np.ndarray) -> Pair:
        others = np.setdiff1d(np.arange(len(labels_N)), valid)
        train, held_out = (everything.select(torch.from_numpy(it).to(everything.labels_N.device)) for it in (others, valid))
        train = subset(train, num_train=num_train, seed=seed)
        weights.check(train, source.class_names)
        return train, held_out

    return source, everything, tuple(map(fold, rows))


def _source(call: str, trusted: Sequence[str]) -> Source:
    with progress.log_if_slow(log.info, _READING):
        return build.source(json.loads(call), trusted)


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
    weights.check(train, source.class_names)
    _warn(source, train, valid)
    if _are_streamed(train, device, on_device, num_more=len(valid)):
        return train, valid
    return train.to(device), valid.to(device)


def _warn(source: Source, train: Images, valid: Images) -> None:
    for remark in (source.remark, few_images(train, valid, source.class_names)):
        if remark:
            log.warning("%s", remark)


def _are_streamed(images: Images, device: torch.device, on_device: str | bool, *, num_more: int = 0) -> bool:
    """Return whether images, and as many more, are streamed to the device."""
    num_bytes = (len(images) + num_more) * math.prod(images.shape[1:])
    is_streamed = stays_behind(num_bytes, device, on_device)
    if is_streamed:
        log.info("the images (%.1f GiB) are streamed to the device; data.on_device=true keeps them there", num_bytes / 2**30)
    return is_streamed


def _log_what_was_found(source: Source, train: Images, valid: Images | None, folds: Sequence[Images] = ()) -> None:
    """Log one line on a user's own pictures."""
    if line := found.line(source, train, valid, folds):
        log.info("%s", line)
    if said := found.contradictions(source, train, valid):
        log.warning("%s", said)
