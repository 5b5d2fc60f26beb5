"""Loads a classifier from its run's folder: `config.yaml` and weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra_async_sweeper.readable import first_line

from densenet_sweep.config import from_run
from densenet_sweep.config.data_sections import expanded
from densenet_sweep.models.classifier import Classifier, Signature
from densenet_sweep.picture_size import MAX_PIXELS
from densenet_sweep.run import train
from densenet_sweep.run.artifacts import BEST_WEIGHTS, FINAL_WEIGHTS
from densenet_sweep.training import checkpoint
from densenet_sweep.training.mirrored import Mirrored

# A final run's last epoch, or an ordinary run's best one.
WEIGHTS = (FINAL_WEIGHTS, BEST_WEIGHTS)


def classifier(folder: Path, given: Sequence[str] = (), *, config_dir: str | None = None) -> Classifier:
    """Return the run's classifier, on the CPU.

    Args:
        folder: `artifacts` in the output folder of a run, or what MLflow kept of it.
        given: the user's overrides; `trusted_targets` admits a network of the user's own.
        config_dir: a further folder of config files, as Hydra's `--config-dir`.

    Raises:
        FileNotFoundError: no weights, or no config.
        ValueError: they cannot be read, or do not belong to each other.
    """
    config = from_run.config(folder / "config.yaml", given, config_dir=config_dir)
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{folder}: keeps no weights ({' or '.join(WEIGHTS)})")
    kept = checkpoint.load(path)
    with torch.random.fork_rng(devices=[]):
        network = train.build_network(config)
    try:
        network.load_state_dict(kept["network"])
        mean_C, std_C = torch.tensor(kept["mean"]), torch.tensor(kept["std"])
        names = [str(name) for name in kept["class_names"]]
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = first_line(error)
        raise ValueError(f"{path}: does not fit {folder / 'config.yaml'} ({reason})") from None
    assert config.architecture.num_classes is not None, "build_network refuses a config without"
    names += [f"class {index}" for index in range(len(names), config.architecture.num_classes)]
    data: Any = config.data
    signature = Signature(
        data.num_channels,
        data.image_size,
        tuple(names),
        getattr(data, "resize", "crop"),
        getattr(data, "background", "white"),
        kept.get("value_range") or getattr(data, "value_range", None),
        bool(kept.get("multi_label")),
        kept.get("thresholds"),
        str(kept.get("thresholds_of", "")),
        getattr(data, "group_column", None),
        kept.get("value_range") is not None and getattr(data, "value_range", None) is None,
        getattr(data, "max_pixels", MAX_PIXELS),
    )
    if config.test_time_flip:
        network = Mirrored(network)
    made = Classifier(network, signature=signature, mean_C=mean_C, std_C=std_C)
    made.contents = contents(kept)
    made.root = expanded(data.root)
    return made


def contents(kept: Mapping[str, Any]) -> np.ndarray | None:
    """Return numbers by which the files of training and validation are found again (see `found.seen`), of kept weights."""
    found: torch.Tensor | None = kept.get("contents")
    return None if found is None else found.numpy().view(np.uint64)
