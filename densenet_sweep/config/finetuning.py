"""The checks of `architecture.weights` and of the section `finetune` that need neither torch nor the weights."""

import math
import re
from pathlib import Path

from hydra_async_sweeper.application import is_study_name

from densenet_sweep.architectures import geometry, published
from densenet_sweep.config.schema import (
    ArchitectureConfig,
    Config,
    ConfigError,
    DenseNetConfig,
    MlflowConfig,
    OurNetworkConfig,
    SmallResNetConfig,
    StemConfig,
)

TORCHVISION = "torchvision"
_SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt", ".bin", ".tar")
_MODEL = re.compile(r"models:/\S+")
_STATISTICS = ("weights", "data")
_RESNET_PARTS = ("conv1", "layer1", "layer2", "layer3", "layer4")
_SMALL_RESNET_PARTS = _RESNET_PARTS[:-1]


def weights_name(architecture: ArchitectureConfig) -> str | None:
    """Return `architecture.weights`; None for a user's own network, which sees to its weights itself."""
    return architecture.weights if isinstance(architecture, OurNetworkConfig) else None


def weights_file(name: str) -> Path | None:
    """Return the path if `name` is a file's: by its suffix, or because it names a folder."""
    if _MODEL.fullmatch(name) or not ("/" in name or name.endswith(_SUFFIXES)):
        return None
    return Path(name).expanduser()


def published_name(architecture: ArchitectureConfig) -> str | None:
    """Return the name under which torchvision publishes this network's weights, or None."""
    if not isinstance(architecture, StemConfig):
        return None
    if not isinstance(architecture, DenseNetConfig):
        return published.resnet18(stem=architecture.stem)
    layers, bn_size = _layers(architecture), architecture.bn_size
    return published.densenet(
        growth_rate=architecture.growth_rate,
        block_config=layers,
        num_init_features=geometry.num_init_features(
            architecture.num_init_features, growth_rate=architecture.growth_rate, bn_size=bn_size
        ),
        bn_size=bn_size,
        compression=architecture.compression,
        stem=architecture.stem,
        conv_bias=architecture.conv_bias,
    )


def check_file(architecture: ArchitectureConfig) -> None:
    """Refuse a file that is not on this machine.

    Raises:
        ConfigError: there is none.
    """
    name = weights_name(architecture)
    path = weights_file(name) if name else None
    if path is not None and not path.is_file():
        raise ConfigError(f"architecture.weights={name}: no such file")


def check_finetuning(config: Config) -> None:
    """Refuse weights that cannot be, and fine-tuning that would do nothing or hold everything.

    Raises:
        ConfigError: naming the key, the value and what is accepted.
    """
    name, finetune = weights_name(config.architecture), config.finetune
    if name is not None:
        _check_name(name, config)
    if finetune.statistics not in _STATISTICS:
        raise ConfigError(f"finetune.statistics={finetune.statistics}: one of {', '.join(_STATISTICS)} is accepted")
    if not 0 < finetune.lr_factor < math.inf:
        raise ConfigError(
            f"finetune.lr_factor={finetune.lr_factor:g}: a number above 0 is accepted; finetune.freeze holds parts"
        )
    if finetune.lr_factor != 1 and name is None:
        raise ConfigError(
            f"finetune.lr_factor={finetune.lr_factor:g}: scales the rate of what came with architecture.weights, which is null"
        )
    if isinstance(config.architecture, OurNetworkConfig):
        _check_freeze(config.architecture, finetune.freeze)
    _check_unfreeze_after(config)


def _check_name(name: str, config: Config) -> None:
    if name == TORCHVISION:
        if published_name(config.architecture) is None:
            raise ConfigError(
                f"architecture.weights={name}: has weights of densenet121, densenet161, densenet169 and densenet201, and of "
                "resnet18 with architecture.stem=imagenet; not of this network"
            )
        return
    if weights_file(name) is not None:
        return
    if not (_MODEL.fullmatch(name) or is_study_name(name)):
        raise ConfigError(
            f"architecture.weights={name}: torchvision, a file ({', '.join(_SUFFIXES)}), models:/..., a run id or the name of "
            "a study is accepted"
        )
    if not isinstance(config.tracking, MlflowConfig):
        raise ConfigError(
            f"architecture.weights={name}: a run, model or study is looked for in MLflow, which needs tracking=mlflow; a file "
            "needs nothing"
        )


def _check_freeze(architecture: OurNetworkConfig, freeze: str) -> None:
    if freeze == "none":
        return
    parts = _parts(architecture)
    if freeze != "features" and freeze not in parts:
        everything = " would freeze everything;" if freeze in ("all", "classifier", "fc", "head") else ""
        raise ConfigError(f"finetune.freeze={freeze}:{everything} one of none, features, {', '.join(parts)} is accepted")
    if architecture.weights is None:
        raise ConfigError(f"finetune.freeze={freeze}: would hold weights as they were drawn; architecture.weights gives others")


def _check_unfreeze_after(config: Config) -> None:
    after = config.finetune.unfreeze_after
    if after is None:
        return
    if config.finetune.freeze == "none":
        raise ConfigError(f"finetune.unfreeze_after={after}: nothing is frozen, as finetune.freeze=none")
    if not 1 <= after < config.epochs:
        raise ConfigError(
            f"finetune.unfreeze_after={after}: a number of epochs of at least 1 and below epochs={config.epochs} is accepted; "
            "null: what is frozen stays so"
        )


def _parts(architecture: OurNetworkConfig) -> list[str]:
    """Return the names that `finetune.freeze` takes for a part and all before it, in order."""
    if isinstance(architecture, SmallResNetConfig):
        return list(_SMALL_RESNET_PARTS)
    if not isinstance(architecture, DenseNetConfig):
        return list(_RESNET_PARTS)
    count = len(_layers(architecture))
    names = ["conv0"]
    for index in range(1, count + 1):
        names += [f"denseblock{index}", *([f"transition{index}"] if index < count else [])]
    return names


def _layers(architecture: DenseNetConfig) -> tuple[int, ...]:
    return geometry.block_config(
        depth=architecture.depth, block_config=architecture.block_config, bottleneck=architecture.bn_size is not None
    )
