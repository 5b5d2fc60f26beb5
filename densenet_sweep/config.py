"""The schema of every config section, and the checks that need no data and no network.

Owns names, types and ranges; owns no numbers (those live in `conf/`) and imports no torch, so that a bad config is
refused in milliseconds. `register()` puts the schemas where Hydra finds them: each option file of a group starts with
`defaults: [_schema, _self_]` and thereby refuses keys and types that it does not know.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from densenet_sweep.architectures import geometry
from densenet_sweep.tracking.store import check_uri


class ConfigError(ValueError):
    """A config value that cannot be used; the message is one line with the key, the value and what is accepted."""


# --- architecture -----------------------------------------------------------------------------------------------------


@dataclass
class ArchitectureConfig:
    """What every architecture has; `in_channels` and `num_classes` are those of the data set unless given."""

    _target_: str = MISSING
    in_channels: int | None = None
    num_classes: int | None = None
    stem: str = MISSING
    initialization: str = MISSING


@dataclass
class DenseNetConfig(ArchitectureConfig):
    """All DenseNet families: the seed's, the paper's plain and BC nets, and the ImageNet ones."""

    growth_rate: int = MISSING
    depth: int | None = None
    block_config: list[int] | None = None
    num_init_features: int | None = None
    bn_size: int | None = None
    compression: float = MISSING
    drop_rate: float = MISSING
    conv_bias: bool = MISSING
    memory_efficient: bool = MISSING


@dataclass
class ResNetConfig(ArchitectureConfig):
    """torchvision's ResNet-18, for comparison."""


# --- optimizer and schedule -------------------------------------------------------------------------------------------


@dataclass
class OptimizerConfig:
    """`lr` is the peak that the schedule scales; `max_grad_norm` clips the global 2-norm of the gradient."""

    _target_: str = MISSING
    lr: float = MISSING
    weight_decay: float = MISSING
    decay_norm_and_bias: bool = MISSING
    max_grad_norm: float | None = None


@dataclass
class SGDConfig(OptimizerConfig):
    """Stochastic gradient descent, plain or with (Nesterov) momentum."""

    momentum: float = MISSING
    nesterov: bool = MISSING


@dataclass
class AdamWConfig(OptimizerConfig):
    """AdamW (Loshchilov and Hutter, 2019)."""

    betas: tuple[float, float] = MISSING
    eps: float = MISSING


@dataclass
class ScheduleConfig:
    """A multiplier of the learning rate as a function of training progress in [0, 1]."""

    _target_: str = MISSING


@dataclass
class StepConfig(ScheduleConfig):
    """Multiply by `gamma` at each milestone, a fraction of the training."""

    milestones: list[float] = MISSING
    gamma: float = MISSING


@dataclass
class WarmupConfig(ScheduleConfig):
    """A linear warm-up over the fraction `warmup`, then a fall to `final_factor` of the peak."""

    warmup: float = MISSING
    final_factor: float = MISSING


@dataclass
class OneCycleConfig(ScheduleConfig):
    """Cosine rise from `initial_factor` to the peak at the fraction `warmup`, cosine fall to `final_factor`."""

    warmup: float = MISSING
    initial_factor: float = MISSING
    final_factor: float = MISSING


# --- data -------------------------------------------------------------------------------------------------------------


@dataclass
class AugmentConfig:
    """Random changes of a training image, in pixels; 0 and false switch them off."""

    crop_padding: int = MISSING
    horizontal_flip: bool = MISSING
    cutout_size: int = MISSING


@dataclass
class DataConfig:
    """One data set and how it is split and presented; sizes in pixels."""

    _target_: str = MISSING
    root: str = MISSING
    download: bool = MISSING
    num_channels: int = MISSING
    num_classes: int | None = None
    image_size: int = MISSING
    num_train: int | None = None
    valid_fraction: float = MISSING
    split_seed: int = MISSING
    normalize: bool = MISSING
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def source_arguments(self) -> dict[str, Any]:
        """Return what the source function named by `_target_` takes."""
        return {"root": self.root, "download": self.download}


@dataclass
class ImageFolderConfig(DataConfig):
    """A user's own pictures, one folder a class; decoded once into a cache beside them."""

    test_fraction: float = MISSING

    def source_arguments(self) -> dict[str, Any]:
        """Return what `image_folder` takes."""
        return {
            "root": self.root,
            "image_size": self.image_size,
            "num_channels": self.num_channels,
            "test_fraction": self.test_fraction,
            "split_seed": self.split_seed,
        }


# --- tracking ---------------------------------------------------------------------------------------------------------


@dataclass
class TrackingConfig:
    """Where runs are recorded."""

    _target_: str = MISSING


@dataclass
class MlflowConfig(TrackingConfig):
    """An MLflow store: a database URL or a server; `required` makes a dead server an error."""

    uri: str = MISSING
    artifact_location: str = MISSING
    experiment: str = MISSING
    required: bool = MISSING
    system_metrics: bool = MISSING


# --- root -------------------------------------------------------------------------------------------------------------


@dataclass
class Config:
    """The whole config of one training run."""

    seed: int = MISSING
    epochs: int = MISSING
    batch_size: int = MISSING
    label_smoothing: float = MISSING
    precision: str = MISSING
    device: str = MISSING
    compile: bool = MISSING
    objective: str = MISSING
    architecture: ArchitectureConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    schedule: ScheduleConfig = MISSING
    data: DataConfig = MISSING
    tracking: TrackingConfig = MISSING


# What a run can be judged by, and which way is better.
OBJECTIVES = {
    "valid_accuracy": "maximize",
    "valid_loss": "minimize",
    "train_accuracy": "maximize",
    "train_loss": "minimize",
}


def register() -> None:
    """Store every schema under the name that the option files in `conf/` start from, and the resolver that they use.

    `${direction_of:${objective}}` is the direction in which a sweep optimizes the objective.
    """
    OmegaConf.register_new_resolver("direction_of", lambda objective: OBJECTIVES.get(objective, "maximize"), replace=True)
    store = ConfigStore.instance().store
    store(name="_config", node=Config)
    for group, name, node in (
        ("architecture", "_densenet", DenseNetConfig),
        ("architecture", "_resnet", ResNetConfig),
        ("optimizer", "_sgd", SGDConfig),
        ("optimizer", "_adamw", AdamWConfig),
        ("schedule", "_constant", ScheduleConfig),
        ("schedule", "_step", StepConfig),
        ("schedule", "_warmup", WarmupConfig),
        ("schedule", "_one_cycle", OneCycleConfig),
        ("data", "_data", DataConfig),
        ("data", "_image_folder", ImageFolderConfig),
        ("tracking", "_none", TrackingConfig),
        ("tracking", "_mlflow", MlflowConfig),
    ):
        store(group=group, name=name, node=node)


# --- checks -----------------------------------------------------------------------------------------------------------


def check(config: Config) -> None:
    """Refuse values out of range and combinations that cannot run.

    Raises:
        ConfigError: naming the key, the value and what is accepted.
    """
    _whole(config, "epochs", at_least=1)
    _whole(config, "batch_size", at_least=1)
    _between(config, "label_smoothing", 0.0, 1.0, open_above=True)
    _one_of(config, "precision", ("auto", "fp32", "bf16"))
    _one_of(config, "objective", tuple(OBJECTIVES))
    _check_optimizer(config)
    _check_schedule(config)
    _check_data(config)
    _check_architecture(config)
    if isinstance(config.tracking, MlflowConfig):
        try:
            check_uri(config.tracking.uri)
        except ValueError as error:
            raise ConfigError(str(error)) from None


def _check_optimizer(config: Config) -> None:
    _between(config, "optimizer.lr", 0.0, math.inf, open_below=True, open_above=True)
    _between(config, "optimizer.weight_decay", 0.0, math.inf, open_above=True)
    if config.optimizer.max_grad_norm is not None:
        _between(config, "optimizer.max_grad_norm", 0.0, math.inf, open_below=True)
    if isinstance(config.optimizer, SGDConfig):
        _between(config, "optimizer.momentum", 0.0, 1.0, open_above=True)
        if config.optimizer.nesterov and config.optimizer.momentum == 0:
            raise ConfigError("optimizer.nesterov=true needs optimizer.momentum above 0, which is 0.0")
    if isinstance(config.optimizer, AdamWConfig):
        if not all(0 <= beta < 1 for beta in config.optimizer.betas):
            raise ConfigError(f"optimizer.betas={list(config.optimizer.betas)}: each must be at least 0 and below 1")
        _between(config, "optimizer.eps", 0.0, math.inf, open_below=True)


def _check_schedule(config: Config) -> None:
    schedule = config.schedule
    if isinstance(schedule, StepConfig):
        milestones = schedule.milestones
        if milestones != sorted(milestones) or not all(0 < milestone < 1 for milestone in milestones):
            raise ConfigError(f"schedule.milestones={milestones}: rising fractions between 0 and 1 are accepted")
        _between(config, "schedule.gamma", 0.0, 1.0, open_below=True)
    if isinstance(schedule, WarmupConfig | OneCycleConfig):
        _between(config, "schedule.warmup", 0.0, 1.0, open_above=True)
        _between(config, "schedule.final_factor", 0.0, 1.0)
    if isinstance(schedule, OneCycleConfig):
        _between(config, "schedule.initial_factor", 0.0, 1.0)


def _check_data(config: Config) -> None:
    _whole(config, "data.num_channels", at_least=1)
    _whole(config, "data.image_size", at_least=1)
    if config.data.num_classes is not None:
        _whole(config, "data.num_classes", at_least=2)
    if config.data.num_train is not None:
        _whole(config, "data.num_train", at_least=1)
    _between(config, "data.valid_fraction", 0.0, 1.0, open_below=True, open_above=True)
    _whole(config, "data.augment.crop_padding", at_least=0)
    _whole(config, "data.augment.cutout_size", at_least=0)
    if isinstance(config.data, ImageFolderConfig):
        _between(config, "data.test_fraction", 0.0, 1.0, open_below=True, open_above=True)
    for ours, theirs in (("in_channels", "num_channels"), ("num_classes", "num_classes")):
        given, actual = getattr(config.architecture, ours), getattr(config.data, theirs)
        if given is None or actual is None:
            continue
        if (given != actual) if ours == "in_channels" else (given < actual):
            raise ConfigError(f"architecture.{ours}={given} does not fit the data set, which has data.{theirs}={actual}")


def _check_architecture(config: Config) -> None:
    architecture = config.architecture
    for key in ("in_channels", "num_classes"):
        if getattr(architecture, key) is not None:
            _whole(config, f"architecture.{key}", at_least=1)
    _one_of(config, "architecture.stem", geometry.STEMS)
    _one_of(config, "architecture.initialization", geometry.INITIALIZATIONS)
    if not isinstance(architecture, DenseNetConfig):
        return
    _whole(config, "architecture.growth_rate", at_least=1)
    for key in ("num_init_features", "bn_size"):
        if getattr(architecture, key) is not None:
            _whole(config, f"architecture.{key}", at_least=1)
    _between(config, "architecture.compression", 0.0, 1.0, open_below=True)
    _between(config, "architecture.drop_rate", 0.0, 1.0, open_above=True)
    try:
        block_config = geometry.block_config(
            depth=architecture.depth,
            block_config=architecture.block_config,
            bottleneck=architecture.bn_size is not None,
        )
        geometry.check_image_size(config.data.image_size, architecture.stem, len(block_config))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _value(config: Config, key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = getattr(node, part)
    return node


def _whole(config: Config, key: str, *, at_least: int) -> None:
    value = _value(config, key)
    if value < at_least:
        raise ConfigError(f"{key}={value}: a whole number of at least {at_least} is accepted")


def _between(config: Config, key: str, low: float, high: float, *, open_below: bool = False, open_above: bool = False) -> None:
    value = _value(config, key)
    below = value <= low if open_below else value < low
    above = value >= high if open_above else value > high
    if below or above or math.isnan(value):
        accepted = f"{'above' if open_below else 'at least'} {low:g}"
        if high < math.inf:
            accepted += f" and {'below' if open_above else 'at most'} {high:g}"
        raise ConfigError(f"{key}={value:g}: a number {accepted} is accepted")


def _one_of(config: Config, key: str, accepted: tuple[str, ...]) -> None:
    value = _value(config, key)
    if value not in accepted:
        raise ConfigError(f"{key}={value}: one of {', '.join(accepted)} is accepted")
