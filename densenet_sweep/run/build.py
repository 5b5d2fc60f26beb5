"""The parts of a run, instantiated from the sections of its config that name them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from hydra.utils import instantiate
from torch import nn

from densenet_sweep.config.data_sections import DataConfig
from densenet_sweep.config.hydra_private import allowed_at_a_call
from densenet_sweep.config.optimizer_schema import OptimizerConfig
from densenet_sweep.config.schema import ArchitectureConfig, ConfigError, LossConfig, ScheduleConfig, TrackingConfig
from densenet_sweep.config.targets import admitted
from densenet_sweep.data.augmentation import Augmentation
from densenet_sweep.data.batches import TrainBatches
from densenet_sweep.data.images import Images, Source
from densenet_sweep.data.preprocessing import Preprocessing
from densenet_sweep.run.class_weights import class_weights
from densenet_sweep.tracking.record import Record
from densenet_sweep.training.losses import Loss
from densenet_sweep.training.schedules import Schedule
from densenet_sweep.training.torch_private import leave_compiler_out


def network(config: ArchitectureConfig, trusted: Sequence[str]) -> nn.Module:
    """Return the network of `config`, drawn from torch's generator."""
    built: nn.Module = instantiate(config.network_arguments(), **_allowed(trusted))
    return built


def optimizer(config: OptimizerConfig, network: nn.Module, trusted: Sequence[str]) -> torch.optim.Optimizer:
    """Return the optimizer of `config` over the weights of `network`."""
    arguments = asdict(config)
    del arguments["max_grad_norm"]  # belongs to the loop
    leave_compiler_out()
    built: torch.optim.Optimizer = instantiate(arguments, network=network, **_allowed(trusted))
    return built


def schedule(config: ScheduleConfig, trusted: Sequence[str]) -> Schedule:
    """Return the multiplier of the learning rate by progress."""
    built: Schedule = instantiate(asdict(config), **_allowed(trusted))
    return built


def loss(
    config: LossConfig,
    images: Images,
    device: torch.device,
    *,
    num_classes: int,
    num_outputs: int,
    label_smoothing: float,
    trusted: Sequence[str],
) -> Loss:
    """Return the loss of `config`, with class weights counted in the training `images` where they are to be balanced.

    Raises:
        ConfigError: another number of class weights than classes; or the images have weights, and the loss takes none.
    """
    arguments = asdict(config)
    del arguments["class_weights"]  # which depend on the images
    build: Callable[..., Loss] = instantiate(arguments, _partial_=True, **_allowed(trusted))
    weights_N = None if images.weights_N is None else images.weights_N.to(device)
    weights_K = class_weights(
        config, images.labels_N.to(device), num_classes=num_classes, num_outputs=num_outputs, weights_N=weights_N
    )
    built = build(class_weights=weights_K, label_smoothing=label_smoothing)
    if weights_N is not None and not _takes_weights(built):
        raise ConfigError(
            f"data.weight_column: {config._target_} takes logits and labels alone; a loss that takes weights is accepted"
        )
    return built


def _takes_weights(built: Loss) -> bool:
    """Return whether a loss can be called with logits, labels and weights."""
    try:
        inspect.signature(built).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True


def train_batches(
    config: DataConfig,
    images: Images,
    preprocessing: Preprocessing,
    *,
    num_outputs: int,
    batch_size: int,
    seed: int,
    device: torch.device,
) -> TrainBatches:
    """Return the batches of the training images, augmented and sampled as `config` says."""
    augmentation = Augmentation(**asdict(config.augment))
    return TrainBatches(
        images,
        preprocessing,
        augmentation,
        batch_size=batch_size,
        seed=seed,
        sampling=config.sampling,
        device=device,
        num_outputs=num_outputs,
    )


def record_opener(config: TrackingConfig, trusted: Sequence[str]) -> Callable[..., Record]:
    """Return what opens the record of a run; a call, since `instantiate` resolves and an override may hold a password."""
    arguments = asdict(config)
    for of_the_run in ("keep_checkpoints", "keep_mistakes"):
        del arguments[of_the_run]
    open_record: Callable[..., Record] = instantiate(arguments, _partial_=True, **_allowed(trusted))
    return open_record


def source(call: Mapping[str, Any], trusted: Sequence[str]) -> Source:
    """Return the data set that the function and arguments of `call` read."""
    read: Source = instantiate(call, **_allowed(trusted))
    return read


def _allowed(trusted: Sequence[str]) -> Mapping[str, Any]:
    """Return the allow-list for `instantiate`, where Hydra has one; `check_targets` has read the same targets before."""
    return allowed_at_a_call(admitted(trusted))
