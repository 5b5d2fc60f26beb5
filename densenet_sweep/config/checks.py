"""The checks of a config that need no data and no network: ranges, and values that cannot go together."""

import math
import re
from typing import Any

from hydra_async_sweeper.application import check_password

from densenet_sweep.architectures import geometry
from densenet_sweep.config.augmentation import check_augmentation
from densenet_sweep.config.capacity import network_size
from densenet_sweep.config.data_sections import ImageTableConfig, NpzConfig, PicturesConfig
from densenet_sweep.config.finetuning import check_finetuning
from densenet_sweep.config.image_size import check_image_size, check_rung_scale
from densenet_sweep.config.metrics import OBJECTIVES, check_of_the_task, full_name
from densenet_sweep.config.optimizer_schema import AdamWConfig, DecayConfig, MuonConfig, SGDConfig
from densenet_sweep.config.schema import (
    Config,
    ConfigError,
    DenseNetConfig,
    FocalConfig,
    MlflowConfig,
    OneCycleConfig,
    OurNetworkConfig,
    SmallResNetConfig,
    StemConfig,
    StepConfig,
    WarmupConfig,
)
from densenet_sweep.config.tracking_uri import advice, check_uri, check_uri_password
from densenet_sweep.counts import counted
from densenet_sweep.data import known

# Larger values are typing errors.
_MOST = 1_000_000
_MOST_NS_STEPS = 100
_MOST_THREADS = 1024

# The seeds that torch accepts.
_SEEDS = (-(2**63), 2**63 - 1)

_DEVICES = re.compile(r"auto|cpu(:0)?|cuda(:\d+)?|mps")


def check(config: Config) -> None:
    """Refuse values out of range and combinations that cannot run.

    Raises:
        ConfigError: naming the key, the value and what is accepted.
    """
    _whole(config, "seed", at_least=_SEEDS[0], at_most=_SEEDS[1])
    _whole(config, "epochs", at_least=1)
    if config.max_seconds is not None:
        _between(config, "max_seconds", 0.0, math.inf, open_below=True, open_above=True)
    if config.rungs != sorted(set(config.rungs)) or not all(1 <= rung <= _MOST for rung in config.rungs):
        raise ConfigError(f"rungs={config.rungs}: rising numbers of epochs are accepted, such as [1,3]")
    _between(config, "rung_scale", 0.0, 1.0, open_below=True)
    _whole(config, "batch_size", at_least=1)
    _between(config, "label_smoothing", 0.0, 1.0, open_above=True)
    if config.ema_decay is not None:
        _between(config, "ema_decay", 0.0, 1.0, open_above=True)
    if config.num_threads is not None:
        _whole(config, "num_threads", at_least=1, at_most=_MOST_THREADS)
    _one_of(config, "precision", ("auto", "fp32", "bf16"))
    if not _DEVICES.fullmatch(config.device):
        raise ConfigError(f"device={config.device}: auto, cpu, cuda, cuda:N or mps is accepted")
    if config.device == "mps" and config.precision == "bf16":
        raise ConfigError("precision=bf16: auto or fp32 is accepted with device=mps")
    _check_objective(config)
    _between(config, "specificity", 0.0, 1.0)
    for key in ("num_parameters", "memory_bytes"):
        if getattr(config.limits, key) is not None:
            _whole(config, f"limits.{key}", at_least=1, at_most=None)
    _check_optimizer(config)
    _check_schedule(config)
    _check_data(config)
    _check_loss(config)
    _check_architecture(config)
    check_finetuning(config)
    _whole(config, "tracking.keep_checkpoints", at_least=0)
    _whole(config, "tracking.keep_mistakes", at_least=0)
    if isinstance(config.tracking, MlflowConfig):
        try:
            check_uri(config.tracking.uri)
            check_uri_password(config.tracking.uri)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    try:
        check_password(config.storage.url, "storage.url", advice)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_objective(config: Config) -> None:
    given = config.objective
    names = [full_name(str(name)) for name in ([given] if isinstance(given, str) else given if isinstance(given, list) else [])]
    if not names or len(set(names)) < len(names) or not all(name in OBJECTIVES for name in names):
        raise ConfigError(f"objective={given}: one of {', '.join(OBJECTIVES)}, or a list of different ones, is accepted")
    try:
        check_of_the_task(names, is_multi_label=config.loss.is_multi_label)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_optimizer(config: Config) -> None:
    _between(config, "optimizer.lr", 0.0, math.inf, open_below=True, open_above=True)
    if isinstance(config.optimizer, DecayConfig):
        _between(config, "optimizer.weight_decay", 0.0, math.inf, open_above=True)
    if config.optimizer.max_grad_norm is not None:
        _between(config, "optimizer.max_grad_norm", 0.0, math.inf, open_below=True)
    if isinstance(config.optimizer, SGDConfig):
        _between(config, "optimizer.momentum", 0.0, 1.0, open_above=True)
        if config.optimizer.nesterov and config.optimizer.momentum == 0:
            raise ConfigError("optimizer.nesterov=true needs optimizer.momentum above 0, which is 0.0")
    if isinstance(config.optimizer, AdamWConfig):
        betas = config.optimizer.betas
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ConfigError(f"optimizer.betas={list(betas)}: two numbers, each at least 0 and below 1, are accepted")
        _between(config, "optimizer.eps", 0.0, math.inf, open_below=True)
    if isinstance(config.optimizer, MuonConfig):
        _between(config, "optimizer.momentum", 0.0, 1.0, open_above=True)
        _whole(config, "optimizer.ns_steps", at_least=1, at_most=_MOST_NS_STEPS)


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


def _check_loss(config: Config) -> None:
    weights, num_classes = config.loss.class_weights, config.data.num_classes
    if weights not in ("none", "balanced"):
        is_list = isinstance(weights, list) and all(isinstance(it, int | float) and not isinstance(it, bool) for it in weights)
        if not is_list or not weights or not all(0 < it < math.inf for it in weights):
            raise ConfigError(class_weights_error(weights, num_classes))
        if num_classes is not None and len(weights) != num_classes:
            raise ConfigError(class_weights_error(weights, num_classes))
    has_labels = isinstance(config.data, ImageTableConfig | NpzConfig)
    is_one_class = config.data._target_.startswith("densenet_sweep.") and not has_labels
    if config.loss.is_multi_label and is_one_class:
        raise ConfigError(
            "loss=binary_cross_entropy: is for images with any number of labels, such as those of data=image_table"
        )
    if config.loss.is_multi_label and config.data.sampling != "natural":
        raise ConfigError(
            f"data.sampling={config.data.sampling}: natural is accepted with several labels an image; "
            "loss.class_weights=balanced weighs them"
        )
    for key in ("mixup", "cutmix") if config.loss.is_multi_label else ():
        if getattr(config.data.augment, key):
            raise ConfigError(
                f"data.augment.{key}={getattr(config.data.augment, key):g}: 0 is accepted with several labels an image"
            )
    if isinstance(config.loss, FocalConfig):
        _between(config, "loss.gamma", 0.0, math.inf, open_above=True)


def class_weights_error(weights: object, num_classes: int | None) -> str:
    """Return the message about weights that do not fit."""
    many = (
        "a number above 0 for each class" if num_classes is None else f"{counted(num_classes, 'number')} above 0, one a class"
    )
    return f"loss.class_weights={weights}: none, balanced or {many}, is accepted"


def _check_data(config: Config) -> None:
    _one_of(config, "data.sampling", ("natural", "balanced"))
    _whole(config, "data.num_channels", at_least=1)
    check_image_size(config)
    _one_of(config, "data.on_device", ("auto", True, False))
    if config.data.num_classes is not None:
        _whole(config, "data.num_classes", at_least=2)
    if config.data.num_train is not None:
        _whole(config, "data.num_train", at_least=1, at_most=None)
    _between(config, "data.valid_fraction", 0.0, 1.0, open_below=True, open_above=True)
    _whole(config, "data.split_seed", at_least=0, at_most=_SEEDS[1])
    if config.data.folds is not None:
        _whole(config, "data.folds", at_least=2)
        if config.rungs:
            raise ConfigError(
                f"rungs={config.rungs}: none are accepted beside data.folds={config.data.folds}, whose steps are folds; "
                "rungs=[] hydra/sweeper/pruner=wilcoxon judges trials fold by fold"
            )
    check_augmentation(config.data)
    if isinstance(config.data, PicturesConfig):
        _check_pictures(config)
    if isinstance(config.data, PicturesConfig | NpzConfig) and config.data.num_channels not in (1, 3):
        raise ConfigError(f"data.num_channels={config.data.num_channels}: 1 (grey) or 3 (colour) is accepted")
    if isinstance(config.data, ImageTableConfig) and config.data.leave_out is not None and len(config.data.leave_out) != 2:
        raise ConfigError(f"data.leave_out={config.data.leave_out}: [COLUMN,VALUE] is accepted")
    _check_known_data(config)
    for ours, theirs in (("in_channels", "num_channels"), ("num_classes", "num_classes")):
        given, actual = getattr(config.architecture, ours), getattr(config.data, theirs)
        if given is None or actual is None:
            continue
        if (given != actual) if ours == "in_channels" else (given < actual):
            raise ConfigError(f"architecture.{ours}={given} does not fit the data set, which has data.{theirs}={actual}")


def _check_pictures(config: Config) -> None:
    """Refuse what no picture can be read with."""
    from densenet_sweep.data.reading import as_reading

    data = config.data
    assert isinstance(data, PicturesConfig)
    _between(config, "data.test_fraction", 0.0, 1.0, open_below=True, open_above=True)
    _one_of(config, "data.on_bad_picture", ("fail", "skip"))
    if data.max_pixels is not None:
        _whole(config, "data.max_pixels", at_least=1, at_most=None)
    if isinstance(data, ImageTableConfig):
        _check_labels(data)
    try:
        as_reading(
            image_size=data.image_size,
            num_channels=data.num_channels,
            background=data.background,
            resize=data.resize,
            value_range=data.value_range,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_labels(data: ImageTableConfig) -> None:
    if data.label_separator is not None and not data.label_separator.strip():
        raise ConfigError(f"data.label_separator={data.label_separator!r}: a text such as | or ;, or null, is accepted")
    if data.multi_label and data.label_separator is None:
        raise ConfigError("data.multi_label=true needs a data.label_separator, such as |")


def _check_known_data(config: Config) -> None:
    """Check the config against the known facts of a supplied data set."""
    data = config.data
    facts = known.facts(data._target_)
    if facts is None:
        return
    name = data._target_.rpartition(".")[2]
    if data.num_channels != facts.num_channels:
        raise ConfigError(f"data.num_channels={data.num_channels}: {facts.num_channels} is accepted, as {name} has")
    if data.num_classes is not None and data.num_classes < facts.num_classes:
        raise ConfigError(f"data.num_classes={data.num_classes}: at least {facts.num_classes} is accepted, as {name} has")
    try:
        known.split_sizes(facts.num_images, facts.num_classes, valid_fraction=data.valid_fraction, num_train=data.num_train)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_architecture(config: Config) -> None:
    architecture = config.architecture
    for key in ("in_channels", "num_classes"):
        if getattr(architecture, key) is not None:
            _whole(config, f"architecture.{key}", at_least=1)
    if isinstance(architecture, StemConfig):
        _one_of(config, "architecture.stem", geometry.STEMS)
    if isinstance(architecture, OurNetworkConfig):
        _one_of(config, "architecture.initialization", geometry.INITIALIZATIONS)
    if isinstance(architecture, SmallResNetConfig):
        _check_small_resnet(config, architecture)
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
        check_rung_scale(config, architecture.stem, len(block_config))
        network_size(config.architecture, config.data)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_small_resnet(config: Config, architecture: SmallResNetConfig) -> None:
    _whole(config, "architecture.width", at_least=1)
    _one_of(config, "architecture.shortcut", geometry.SHORTCUTS)
    try:
        geometry.blocks_of_a_stage(architecture.depth)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _value(config: Config, key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = getattr(node, part)
    return node


def _whole(config: Config, key: str, *, at_least: int, at_most: int | None = _MOST) -> None:
    value = _value(config, key)
    if value < at_least:
        raise ConfigError(f"{key}={value}: a whole number of at least {at_least} is accepted")
    if at_most is not None and value > at_most:
        raise ConfigError(f"{key}={value}: a whole number of at most {at_most:,} is accepted")


def _between(config: Config, key: str, low: float, high: float, *, open_below: bool = False, open_above: bool = False) -> None:
    value = _value(config, key)
    below = value <= low if open_below else value < low
    above = value >= high if open_above else value > high
    if below or above or math.isnan(value):
        accepted = f"{'above' if open_below else 'at least'} {low:g}"
        if high < math.inf:
            accepted += f" and {'below' if open_above else 'at most'} {high:g}"
        raise ConfigError(f"{key}={value:g}: a number {accepted} is accepted")


def _one_of(config: Config, key: str, accepted: tuple[str | bool, ...]) -> None:
    value = _value(config, key)
    if value not in accepted:
        shown = ", ".join(str(it).lower() if isinstance(it, bool) else it for it in accepted)
        raise ConfigError(f"{key}={value}: one of {shown} is accepted")
