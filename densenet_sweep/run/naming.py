"""The name of a run: short, and telling it from the others of its sweep or grid."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from densenet_sweep.config import run_config

_LONGEST = 70

# What all runs of a sweep or a grid share, or what says nothing of the training.
_COMMON = (
    *("data", "device", "experiment", "hydra", "limits", "num_threads", "objective", "reference", "rungs", "rung_scale"),
    *("storage", "sweep", "tracking", "trusted_targets"),
)
_IN_FRONT = ("architecture", "architecture.depth", "architecture.growth_rate", "optimizer.lr")


def summary(choices: Mapping[str, str], values: Mapping[str, Any], overrides: Sequence[str]) -> str:
    """Return the network and the learning rate, such as "bc L16 k12 lr .2", and what else was typed or searched.

    Args:
        choices: the option of each group.
        values: the config, nested.
        overrides: of the job, or of a trial what is searched; the last are the first to be named.
    """
    leaves = run_config.flat(values)
    words = [re.sub(r"^densenet_(?=\w)", "", choices.get("architecture", "network"))]
    for key, letter in (("architecture.depth", "L"), ("architecture.growth_rate", "k"), ("optimizer.lr", "lr ")):
        if leaves.get(key) is not None:
            words.append(f"{letter}{_number(leaves[key])}")
    for key, value in reversed(dict(_pairs(overrides)).items()):
        word = value if key in choices else f"{key.rpartition('.')[2]} {_number(value)}"
        if len(" ".join([*words, word])) > _LONGEST:
            break
        words.append(word)
    return " ".join(words)


def _pairs(overrides: Sequence[str]) -> Sequence[tuple[str, str]]:
    typed = [override.lstrip("+").partition("=") for override in overrides if not override.startswith("~")]
    return [(key, value) for key, _, value in typed if key not in _IN_FRONT and key.partition(".")[0] not in _COMMON]


def _number(value: Any) -> str:
    """Return a number with three digits, without the zero before a point; other text as it is."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return f"{number:.3g}".replace("0.", ".", 1) if 0 < abs(number) < 1 else f"{number:.6g}"
