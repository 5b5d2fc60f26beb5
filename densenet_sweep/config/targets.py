"""Which functions a `_target_` may name: ours, each in its own section, and those that the user trusts.

`trusted_targets=[my_package.*]` admits a user's own optimizer, network or data. It is set in the user's conf, on the command
line or in a folder given as `--config-dir`, never by the config that a run has left; see `run_config`.
"""

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hydra_async_sweeper.application import is_trusted

from densenet_sweep.config.schema import Config, ConfigError

# Ours, by the section that may name them. Each is listed, because a module also exposes its imports, such as `torch`.
_OURS: dict[str, dict[str, tuple[str, ...]]] = {
    "architecture": {
        "densenet_sweep.architectures.densenet": ("densenet",),
        "densenet_sweep.architectures.resnet": ("resnet18",),
        "densenet_sweep.architectures.cifar_resnet": ("resnet",),
    },
    "optimizer": {"densenet_sweep.training.optimizers": ("sgd", "adamw", "muon")},
    "schedule": {"densenet_sweep.training.schedules": ("constant", "step", "cosine", "linear", "one_cycle")},
    "loss": {"densenet_sweep.training.losses": ("cross_entropy", "focal", "binary_cross_entropy")},
    "data": {
        "densenet_sweep.data.sources": ("fashion_mnist", "mnist", "kmnist", "cifar10", "cifar100", "svhn", "digits"),
        "densenet_sweep.data.image_folder": ("image_folder",),
        "densenet_sweep.data.image_table": ("image_table",),
        "densenet_sweep.data.npz": ("npz",),
    },
    "tracking": {
        "densenet_sweep.tracking.mlflow_record": ("open_record",),
        "densenet_sweep.tracking.null_record": ("open_record",),
    },
}
_PATTERN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(\.\*)?")


def is_ours(section: str, target: str) -> bool:
    """Return whether `target` names a function of ours for this section."""
    module, _, name = target.rpartition(".")
    return name in _OURS.get(section, {}).get(module, ())


def admitted(trusted: Sequence[str]) -> tuple[str, ...]:
    """Return the modules whose functions a config may have called: ours, and the user's `trusted_targets`.

    Hydra 1.4 also reads what a function returns that can be called in turn: a network or a loss may be PyTorch's own. As a
    `_target_` those are refused before, by `check_targets`.
    """
    return ("densenet_sweep.*", "torch.*", "torchvision.*", *trusted)


def in_hydra(section: Any) -> Iterator[str]:
    """Yield what Hydra's own section, plain, names for Hydra to call: callbacks, and handlers of its logging."""
    if isinstance(section, Mapping):
        for key, value in section.items():
            if key in ("_target_", "class", "()") and isinstance(value, str):
                yield value
            else:
                yield from in_hydra(value)
    elif isinstance(section, list):
        for value in section:
            yield from in_hydra(value)
    elif isinstance(section, str) and section.startswith("ext://"):
        yield section.removeprefix("ext://")


def check_targets(config: Config) -> None:
    """Refuse functions that are neither ours nor trusted.

    Raises:
        ConfigError: naming the key, the function and how to admit it; or the package of a trusted one is not installed.
    """
    for pattern in config.trusted_targets:
        if not _PATTERN.fullmatch(pattern):
            raise ConfigError(
                f"trusted_targets={pattern}: modules such as my_package.*, or one function's whole name, are accepted"
            )
    for section in _OURS:
        for key, target in _targets(asdict(getattr(config, section)), section):
            if key == f"{section}._target_" and is_ours(section, target):
                continue
            package = target.partition(".")[0]
            if not is_trusted(target, config.trusted_targets):
                raise ConfigError(
                    f"{key}={target}: is neither ours nor trusted; trusted_targets=[{package}.*] admits code of your own"
                )
            if importlib.util.find_spec(package) is None:
                raise ConfigError(f"{key}={target}: no module {package} is installed or on PYTHONPATH")


def _targets(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield each `_target_` in nested plain values with its key."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "_target_":
                yield f"{path}.{key}", str(item)
            else:
                yield from _targets(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _targets(item, f"{path}[{index}]")
