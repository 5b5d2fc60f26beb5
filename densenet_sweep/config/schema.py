"""The schema of every config section.

Owns names and types; ranges are checked in `checks.py`, numbers live in `conf/`. Imports no torch, so that a bad config is
refused in milliseconds. `register()` puts the schemas where Hydra finds them: each option file of a group starts with
`defaults: [_schema, _self_]` and thereby refuses unknown keys and types.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from densenet_sweep.config import sweeper_alias
from densenet_sweep.config.data_sections import DataConfig, ImageFolderConfig, ImageTableConfig, NpzConfig
from densenet_sweep.config.hydra_private import register_resolver, share_registered_configs
from densenet_sweep.config.metrics import direction_of, full_name, on_test
from densenet_sweep.config.optimizer_schema import AdamWConfig, MuonConfig, OptimizerConfig, SGDConfig


class ConfigError(ValueError):
    """A config value that cannot be used; the message is one line with the key, the value and what is accepted."""


@dataclass
class ArchitectureConfig:
    """What every architecture has; `in_channels` and `num_classes` are those of the data set unless given."""

    _target_: str = MISSING
    in_channels: int | None = None
    num_classes: int | None = None

    def network_arguments(self) -> dict[str, Any]:
        """Return the section as `_target_` takes it."""
        return asdict(self)


@dataclass
class OurNetworkConfig(ArchitectureConfig):
    """How the weights of our networks are initialized, and the `weights` that take their place.

    A user's own network may have a `weights` of its own, which is its business.
    """

    initialization: str = MISSING
    weights: str | None = None

    def network_arguments(self) -> dict[str, Any]:
        """Return the section without what belongs to the training."""
        arguments = super().network_arguments()
        del arguments["weights"]
        return arguments


@dataclass
class StemConfig(OurNetworkConfig):
    """A network with one of two stems: for small images, or for those of ImageNet."""

    stem: str = MISSING


@dataclass
class DenseNetConfig(StemConfig):
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
class ResNetConfig(StemConfig):
    """torchvision's ResNet-18, for comparison."""


@dataclass
class SmallResNetConfig(OurNetworkConfig):
    """The ResNets for small images, for comparison; a `depth` of null is refused, unless a sweep searches it."""

    depth: int | None = MISSING
    width: int = MISSING
    shortcut: str = MISSING
    pre_activation: bool = MISSING


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


@dataclass
class LossConfig:
    """What training minimizes; `class_weights` is `none`, `balanced` or a list of one number a class."""

    _target_: str = MISSING
    class_weights: Any = MISSING

    @property
    def is_multi_label(self) -> bool:
        """Whether it is for images with any number of labels each."""
        return False


@dataclass
class FocalConfig(LossConfig):
    """The focal loss (Lin et al., 2017) of exponent `gamma`."""

    gamma: float = MISSING


@dataclass
class BinaryCrossEntropyConfig(LossConfig):
    """The binary cross entropy of each label; `class_weights` weigh the images that have the label."""

    @property
    def is_multi_label(self) -> bool:
        """Whether it is for images with any number of labels each."""
        return True


@dataclass
class TrackingConfig:
    """Where runs are recorded, for how many of a sweep's best trials weights are kept, and how many images of highest loss."""

    _target_: str = MISSING
    keep_checkpoints: int = MISSING
    keep_mistakes: int = 0  # an option file of a user's own may be older than this key


@dataclass
class MlflowConfig(TrackingConfig):
    """An MLflow store: a database URL or a server; `required` makes a dead server an error."""

    uri: str = MISSING
    artifact_location: str = MISSING
    experiment: str = MISSING
    required: bool = MISSING
    system_metrics: bool = MISSING


@dataclass
class StorageConfig:
    """Where a sweep's study is stored; see `hydra_async_sweeper.study.storage.open_storage`."""

    url: str | None = MISSING


@dataclass
class LimitsConfig:
    """What a network may cost, estimated before it is trained; a trial beyond a limit is not run. None: no limit."""

    num_parameters: int | None = MISSING
    memory_bytes: int | None = MISSING

    @property
    def is_set(self) -> bool:
        """Whether any limit is set."""
        return self.num_parameters is not None or self.memory_bytes is not None


@dataclass
class FinetuneConfig:
    """What becomes of starting weights: `freeze` holds parts, for `unfreeze_after` epochs if that is given.

    `lr_factor` scales the learning rate of what came with the weights. `statistics` says whose mean and deviation normalize the
    pictures: those that the `weights` were trained with, or those of the `data`.
    """

    freeze: str = MISSING
    unfreeze_after: int | None = MISSING
    lr_factor: float = MISSING
    statistics: str = MISSING


@dataclass
class ReferenceConfig:
    """The numbers of the run that this one repeats, compared at its end; `of` names that run."""

    of: str | None = MISSING
    train_loss: float | None = MISSING
    valid_loss: float | None = MISSING
    valid_accuracy: float | None = MISSING
    test_accuracy: float | None = MISSING


@dataclass
class Config:
    """The whole config of one training run."""

    seed: int = MISSING
    epochs: int = MISSING
    max_seconds: float | None = MISSING
    rungs: list[int] = MISSING
    rung_scale: float = MISSING
    batch_size: int = MISSING
    label_smoothing: float = MISSING
    ema_decay: float | None = MISSING
    test_time_flip: bool = MISSING
    precision: str = MISSING
    device: str = MISSING
    num_threads: int | None = MISSING
    compile: bool = MISSING
    objective: Any = MISSING
    specificity: float = MISSING
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
    architecture: ArchitectureConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    schedule: ScheduleConfig = MISSING
    loss: LossConfig = MISSING
    data: DataConfig = MISSING
    tracking: TrackingConfig = MISSING
    storage: StorageConfig = MISSING
    trusted_targets: list[str] = MISSING  # see `targets`

    @property
    def objectives(self) -> list[str]:
        """The metrics that a sweep optimizes; the first one selects a run's best epoch and is shown while it runs."""
        return [full_name(it) for it in ([self.objective] if isinstance(self.objective, str) else self.objective)]


@dataclass
class ComposedConfig(Config):
    """`Config` as Hydra composes it: a section takes the schema that its option file starts from.

    A section without a schema is a user's own; see `own_sections`.
    """

    architecture: Any = MISSING
    optimizer: Any = MISSING
    schedule: Any = MISSING
    loss: Any = MISSING
    data: Any = MISSING


def _direction_of(objective: Any) -> str | list[str]:
    if isinstance(objective, str):
        return direction_of(objective)
    return [direction_of(name) for name in objective]


# ${direction_of:${objective}} is the direction in which a sweep optimizes, or a list of them. Registered on import: a process
# that receives a composed config needs it too.
register_resolver("direction_of", _direction_of, replace=True)


def _direction_on_test(objective: Any) -> str:
    return direction_of(on_test(objective if isinstance(objective, str) else objective[0]))


# ${direction_on_test:${objective}} is that of the metric by which final runs are compared.
register_resolver("direction_on_test", _direction_on_test, replace=True)


def register() -> None:
    """Store every schema under the name that the option files in `conf/` start from. Again, it does nothing."""
    sweeper_alias.register()
    share_registered_configs()
    if "_config.yaml" in ConfigStore.instance().repo:
        return
    store = ConfigStore.instance().store
    store(name="_config", node=ComposedConfig)
    for group, name, node in (
        ("architecture", "_densenet", DenseNetConfig),
        ("architecture", "_resnet", ResNetConfig),
        ("architecture", "_small_resnet", SmallResNetConfig),
        ("optimizer", "_sgd", SGDConfig),
        ("optimizer", "_adamw", AdamWConfig),
        ("optimizer", "_muon", MuonConfig),
        ("schedule", "_constant", ScheduleConfig),
        ("schedule", "_step", StepConfig),
        ("schedule", "_warmup", WarmupConfig),
        ("schedule", "_one_cycle", OneCycleConfig),
        ("loss", "_loss", LossConfig),
        ("loss", "_focal", FocalConfig),
        ("loss", "_binary_cross_entropy", BinaryCrossEntropyConfig),
        ("data", "_data", DataConfig),
        ("data", "_image_folder", ImageFolderConfig),
        ("data", "_image_table", ImageTableConfig),
        ("data", "_npz", NpzConfig),
        ("storage", "_storage", StorageConfig),
        ("tracking", "_none", TrackingConfig),
        ("tracking", "_mlflow", MlflowConfig),
    ):
        store(group=group, name=name, node=node)
